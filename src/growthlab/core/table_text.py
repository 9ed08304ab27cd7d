"""How the text of a table is written: its encoding, separator and header, told from its beginning."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from growthlab.core.errors import DataError
from growthlab.core.ids import tidy_text

SEPARATORS = (",", ";", "\t", "|")
ROWS = 200  # of the beginning that are looked at
_NUMBER_OR_TIME = re.compile(r"[+-]?\d[\d.,:/ TZ+-]*")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class TextFormat:
    """How a table is written.

    `n_skipped` lines stand before the header or, without one, the first row. Every row has `n_columns`
    fields; with `ends_in_separator` rows end in one more separator.
    """

    encoding: str
    separator: str
    quote: str | None
    n_skipped: int
    header: tuple[str, ...] | None
    n_columns: int
    ends_in_separator: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns; their numbers from 1 where there is no header."""
        return self.header or tuple(str(n) for n in range(1, self.n_columns + 1))

    def described(self) -> str:
        """What a person is told that was found out."""
        signs = {"\t": "a tab", " ": "a blank"}
        parts = [self.encoding, f"separator {signs.get(self.separator, self.separator)}"]
        if self.header is None:
            parts.append(f"no header: its columns are 1 to {self.n_columns}")
        return ", ".join(parts)


def refuse_unclosed(cell: str | None, text: TextFormat) -> None:
    """DataError where the last cell of a table has swallowed rows: its quote is nowhere closed.

    A quote that opens in another column leaves a row that is too short, which is refused anyway.
    """
    lines = re.split(r"\r\n|\n|\r", cell or "")
    if text.quote is None or len(lines) == 1:
        return
    holds_rows = text.n_columns > 1 and any(
        line.count(text.separator) == text.n_columns - 1 for line in lines[1:]
    )
    if holds_rows or not lines[-1]:
        raise DataError(
            f"a quote ({text.quote}) opens before {lines[0][:40]!r} in the last row and is not closed: "
            "mend the file, or say with data.quote=none that it has no quotes"
        )


def text_format(
    beginning: bytes,
    is_whole: bool = True,
    *,
    encoding: str | None = None,
    separator: str | None = None,
    quote: str | None = '"',
    header: bool | None = None,
    n_skipped: int | None = None,
) -> TextFormat:
    """The format of a table by its first bytes; what is given is taken as it is.

    `is_whole` says whether these are all bytes of the file.

    Raises
    ------
    DataError
        There is no such encoding, or the beginning holds no line.
    """
    encoding = encoding or encoding_of(beginning, is_whole)
    text = decoded(beginning, encoding, is_whole)
    lines = re.split(r"\r\n|\n|\r", text)  # as a CSV does, unlike splitlines
    if not is_whole and len(lines) > 1:
        lines = lines[:-1]
    skipped = _n_comments(lines) if n_skipped is None else n_skipped
    text = "\n".join(lines[skipped : skipped + ROWS * 4])
    separator = separator or _separator(text, quote)
    rows = _rows(text, separator, quote)
    if not rows:
        raise DataError("No columns in it")
    first, others = rows[0], rows[1:]
    has_header = _looks_like_header(first) if header is None else header
    ends = _ends_in_separator(first, others, has_header)
    names = [tidy_text(name) for name in first]
    if has_header and len(names) > 1 and not names[-1] and ends:
        names.pop()
    n_columns = len(names) if has_header else len(first) - ends
    return TextFormat(
        encoding, separator, quote, skipped, tuple(names) if has_header else None, n_columns, ends
    )


def encoding_of(beginning: bytes, is_whole: bool = True) -> str:
    """The encoding that the first bytes of a file are in.

    A byte order mark says it; so do zeros at every second byte; what is valid UTF-8 is UTF-8. Of the
    others GB18030, in which Chinese is nearly all pairs of high bytes, is told from Western cp1252.
    """
    for mark, name in _MARKS:
        if beginning.startswith(mark):
            return name
    zeros = [beginning[start:4096:2].count(0) for start in (0, 1)]
    if max(zeros) > len(beginning[:4096]) / 8:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if _decodes(beginning, "utf-8", is_whole):
        return "utf-8-sig"
    high = [byte >= 0xA1 for byte in beginning]
    n_high = sum(high)
    runs = [len(run) for run in re.findall(rb"[\xa1-\xfe]+", beginning)]
    paired = sum(length for length in runs if length % 2 == 0)
    if paired > 0.8 * n_high and _decodes(beginning, "gb18030", is_whole):
        return "gb18030"
    return "cp1252"


def decoded(beginning: bytes, encoding: str, is_whole: bool = True) -> str:
    """The text of these bytes; DataError where there is no such encoding or they are not in it."""
    try:
        b"some".decode(encoding, "ignore")  # LookupError for a codec that gives no text
        return codecs.getincrementaldecoder(encoding)().decode(beginning, final=is_whole)
    except UnicodeDecodeError:
        raise DataError(
            f"not encoded in {encoding}: give its encoding, such as cp1252 or gb18030"
        ) from None
    except (LookupError, ValueError):
        raise DataError(
            f"there is no encoding {encoding}: give one such as utf-8 or cp1252"
        ) from None


def _decodes(beginning: bytes, encoding: str, is_whole: bool) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(beginning, final=is_whole)
    except UnicodeDecodeError:
        return False
    return True


def _n_comments(lines: Sequence[str]) -> int:
    """The number of lines at the beginning that are comments, or empty."""
    n = 0
    while n < len(lines) and (not lines[n].strip() or lines[n].startswith("#")):
        n += 1
    return n if any(line.startswith("#") for line in lines[:n]) else 0


def _separator(text: str, quote: str | None) -> str:
    """The separator that cuts the most rows into the same number of fields, and into more than one."""

    def evidence(separator: str) -> tuple[float, int]:
        lengths = [len(row) for row in _rows(text, separator, quote)]
        if not lengths:
            return 0.0, 0
        length, n = Counter(lengths).most_common(1)[0]
        return (n / len(lengths) if length > 1 else 0.0), length

    return max(SEPARATORS, key=lambda s: (round(evidence(s)[0], 1), evidence(s)[1]))


def _rows(text: str, separator: str, quote: str | None) -> list[list[str]]:
    csv.field_size_limit(2**31 - 1)
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    lines = (line + "\n" for line in text.split("\n"))
    reader = csv.reader(lines, delimiter=separator, quotechar=quote, quoting=quoting)
    try:
        return [row for row, _ in zip((r for r in reader if r), range(ROWS), strict=False)]
    except csv.Error:
        return []


def _looks_like_header(first: Sequence[str]) -> bool:
    """Whether the first row names columns: less than half of its fields are numbers or times."""
    values = [cell for cell in first if cell.strip()]
    data = [cell for cell in values if _NUMBER_OR_TIME.fullmatch(cell.strip())]
    return 2 * len(data) < max(len(values), 1)


def _ends_in_separator(
    first: Sequence[str], others: Sequence[Sequence[str]], has_header: bool
) -> bool:
    """Whether rows end in a separator: the last field is empty everywhere, and has no name."""
    rows = others if has_header else [first, *others]
    longest = max((len(row) for row in rows), default=0)
    whole = [row for row in rows if len(row) == longest]
    empty = bool(whole) and longest > 1 and all(not row[-1].strip() for row in whole)
    if not has_header:
        return empty and len(rows) > 1
    unnamed = longest == len(first) + 1 or (longest == len(first) and not first[-1].strip())
    return empty and unnamed
