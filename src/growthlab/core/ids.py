r"""Ids as they are kept: one text for each id, however a file spells it.

The rule: a missing word is no id; blanks, width, invisible characters and Unicode form do not tell two
ids apart; and where all ids of a column are numbers, a whole number is written without a point or an
exponent.

>>> tidy_id("Ａ１２\u200b "), tidy_id("  a   b "), tidy_id("007"), tidy_id("None"), tidy_id(" ")
('A12', 'a b', '007', None, None)
>>> [whole_number(text) for text in ("123", "123.0", "1.23e2", "007", "1.5", "SKU")]
['123', '123', '123', '007', None, None]
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal

MISSING = frozenset(
    ("", "NaN", "nan", "NaT", "NULL", "null", "<null>", "None", "<NA>", "#N/A", "\\N")
)  # not NA, which may be an id
EXACT_FLOAT = 2**53  # from here on a 64-bit floating-point number does not hold every whole number
SHORTENED = 10**12  # from here on spreadsheets write numbers with an exponent and few digits

_UNCHANGED = re.compile(r"[!-*,\-/-~]+")  # printable, without blanks, points and plus signs
_NUMBER = re.compile(
    r"-?\d+(\.\d*([eE][+-]?\d{1,3})?|[eE]\+\d{1,3})?", re.ASCII
)  # 12E4 may be a code
_SHORTENED = re.compile(r"-?\d(\.\d*)?[eE]\+?\d{1,3}", re.ASCII)
# full-width and half-width forms of characters that have a usual form; blanks are seen to apart
_WIDTHS = str.maketrans(
    {
        chr(code): unicodedata.normalize("NFKC", chr(code))
        for code in (*range(0xFF01, 0xFF9E), *range(0xFFE0, 0xFFEF))
    }
    | {"\uff9e": "\u3099", "\uff9f": "\u309a"}
)


def tidy_text(text: str) -> str:
    """The text with single blanks, usual widths, no invisible characters, and in one Unicode form."""
    if _UNCHANGED.fullmatch(text):
        return text
    seen = "".join(c for c in " ".join(text.split()) if unicodedata.category(c)[0] != "C")
    return unicodedata.normalize("NFC", " ".join(seen.translate(_WIDTHS).split()))


def tidy_id(text: str) -> str | None:
    """The id that a cell holds; None where it holds none."""
    tidy = tidy_text(text)
    return None if tidy in MISSING else tidy


def whole_number(text: str) -> str | None:
    """A whole number as its digits, with the zeros that it begins with; None for any other text."""
    if not _NUMBER.fullmatch(text):
        return None
    if text.lstrip("-").isdigit():
        return text
    number = Decimal(text)
    return f"{number.to_integral_value():f}" if number == number.to_integral_value() else None


def has_lost_digits(number: str, exact: float = EXACT_FLOAT) -> bool:
    """Whether a whole number as a text was kept with fewer digits than it had.

    That is so for one that was a floating-point number of `exact` or more, and for a large one with
    an exponent and fewer digits than it says to have, as spreadsheets write them.
    """
    if number.lstrip("-").isdigit() or not _NUMBER.fullmatch(number):
        return False
    value = abs(Decimal(number))
    exponent = value.as_tuple().exponent
    return value >= exact or (value >= SHORTENED and isinstance(exponent, int) and exponent > 0)


def kept_ids(values: Sequence[object]) -> list[str | None]:
    """The ids in the cells of a column, None where a cell holds none.

    Raises
    ------
    LostDigitsError
        One of them is a number that was kept with fewer digits than it had.
    """
    texts = [None if value is None else tidy_id(str(value)) for value in values]
    known = {text for text in texts if text is not None}
    if all(_UNCHANGED.fullmatch(text) for text in known):
        return texts
    numbers = {text: whole_number(text) for text in known}
    are_numbers = all(number is not None for number in numbers.values())
    for row, text in enumerate(texts):
        if text and (are_numbers or _SHORTENED.fullmatch(text)) and has_lost_digits(text):
            raise LostDigitsError(text, row)
    return [numbers[t] if t is not None and are_numbers else t for t in texts]


class LostDigitsError(ValueError):
    """An id that is a number with fewer digits than it had, and its place in the column, from 0."""

    def __init__(self, text: str, place: int) -> None:
        super().__init__(text, place)
        self.text = text
        self.place = place

    def line(self, row: int, column: str) -> str:
        """What a person is told of it."""
        return f"row {row}: {lost_digits(column, self.text)}"


def lost_digits(column: str, text: str) -> str:
    """What is said of an id that has fewer digits than it had."""
    return (
        f"{column} {text} has lost digits: it was kept as a floating-point number, or written by a "
        "spreadsheet, and two ids may look alike; save ids as texts or whole numbers"
    )
