"""Texts as cells of a CSV file that a spreadsheet cannot take for formulas, and back again.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@``, also behind blanks and control
characters, and a text such as an item's title comes from somebody else. Such a text gets an apostrophe
in front; so does one that has apostrophes before such a beginning already, and nothing else does. By
this the raw text can be told from every cell: `raw_text` takes one apostrophe off. Numbers stay as they
are, and so do texts that are numbers, such as the id ``-5``.

>>> as_csv_text("=1+1"), as_csv_text("'=1+1"), as_csv_text("tea"), as_csv_text("'tea'"), as_csv_text("-5")
("'=1+1", "''=1+1", 'tea', "'tea'", '-5')
>>> raw_text("'=1+1"), raw_text("''=1+1"), raw_text("'tea'")
('=1+1', "'=1+1", "'tea'")
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

MARK = "'"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
SIGNS = frozenset("=+-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋−")  # the last ones become these on some import paths
BREAKS = frozenset("\t\r\n")  # a cell that begins so can move what follows into a cell of its own


def as_csv_text(text: str) -> str:
    """The text as a cell that is no formula: with an apostrophe in front where it could be one."""
    return f"{MARK}{text}" if _could_be_formula(text) else text


def quoting_of(texts: Iterable[str | None]) -> Literal[0, 1]:
    """The quoting with which the csv module keeps each text in its cell.

    It quotes what holds a line feed, and not what holds a carriage return alone, at which a
    spreadsheet begins another row.
    """
    return csv.QUOTE_ALL if any(t and "\r" in t for t in texts) else csv.QUOTE_MINIMAL


def raw_text(cell: str) -> str:
    """The text that `as_csv_text` was given."""
    return cell[1:] if cell.startswith(MARK) and _could_be_formula(cell) else cell


def _could_be_formula(text: str) -> bool:
    """Whether the first character that is seen, apostrophes left aside, begins a formula."""
    if text[:1].isalnum():  # nearly all
        return False
    rest = text.lstrip(MARK)
    if not rest or NUMBER.fullmatch(text):
        return False
    if rest[0] in BREAKS:
        return True
    # blanks, control characters and marks without a width: spreadsheets may drop them
    seen = next((c for c in rest if unicodedata.category(c)[0] not in "ZC"), "")
    return seen in SIGNS
