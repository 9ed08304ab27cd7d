"""Raw values to the types of an event log, as SQL with the functions of `database`."""

from __future__ import annotations

from collections.abc import Mapping

from growthlab.core.errors import DataError, near_matches
from growthlab.core.histories import EVENT_TYPES
from growthlab.core.ids import MISSING, lost_digits
from growthlab.data.number_format import NumberFormat
from growthlab.data.raw_column import FLOATS, INTEGERS, Conversion, RawColumn
from growthlab.data.sql_text import quoted_text

EXACT = {"FLOAT": 2**24, "DOUBLE": 2**53}
_PLAIN_ID = r"[!-*,\-/-~]+"
_NOT_A_LIST = "it must hold one text or number a row"
_NOT_FINITE = "is not a finite number"
_CURRENCY = r"[\p{Sc}円元]|^[A-Z]{3}\b|\b[A-Z]{3}$"
_CODES = {"€": "EUR", "£": "GBP", "$": "USD", "₹": "INR", "￥": "¥", "元": "¥", "円": "¥"}


def id_conversion(column: RawColumn, name: str) -> Conversion:
    """An id or another short text, by the rule of `core/ids.py` as far as it looks at one value."""
    if "[]" in column.type or column.type.startswith(("STRUCT", "MAP", "UNION", "LIST")):
        raise DataError(f"{name} holds lists or tables: {_NOT_A_LIST}")
    text = column.text
    if column.type in FLOATS:
        x = column.raw
        lost = f"abs({x}) >= {EXACT[column.type]} AND {x} = floor({x})"
        return Conversion(column, text, lost, lambda cell: lost_digits(name, cell))
    if column.is_number or column.type == "BOOLEAN":
        return Conversion(column, text)
    plain = f"{text} IS NULL OR regexp_full_match({text}, '{_PLAIN_ID}')"
    return Conversion(column, f"CASE WHEN {plain} THEN {text} ELSE tidy_id({text}) END")


def text_conversion(column: RawColumn) -> Conversion:
    """A long text, as it is."""
    return Conversion(column, column.text)


def number_conversion(
    column: RawColumn, name: str, format: NumberFormat, *, true_is_one: bool = False
) -> Conversion:
    """A finite number."""
    text = column.text
    if column.is_number:
        wrong = f"isinf({column.raw})" if column.type in FLOATS else "false"
        value = f"CASE WHEN {text} IS NOT NULL THEN CAST({column.raw} AS DOUBLE) END"
        return Conversion(column, value, wrong, lambda cell: f"{name} {cell} {_NOT_FINITE}")
    if column.type == "BOOLEAN" and true_is_one:
        return Conversion(column, f"CAST({column.raw} AS DOUBLE)")
    number = f"TRY_CAST({_plain_number(column.usual, format)} AS DOUBLE)"
    if true_is_one:
        number = f"CASE lower({text}) WHEN 'true' THEN 1.0 WHEN 'false' THEN 0.0 ELSE {number} END"
    return Conversion(
        column,
        number,
        f"{text} IS NOT NULL AND ({column.value} IS NULL OR NOT isfinite({column.value}))",
        lambda cell: _no_number(name, cell, format),
        _bare_number(text, format),
    )


def _no_number(name: str, cell: str, format: NumberFormat) -> str:
    hint = ""
    if any(sign in cell for sign in ",.'") and any(letter.isdigit() for letter in cell):
        hint = (
            f": its decimal sign is taken to be {format.decimal}; set data.decimal and data.thousands "
            "where the file writes numbers otherwise"
        )
    return f"{name} {cell!r} {_NOT_FINITE}{hint}"


def _bare_number(text: str, format: NumberFormat) -> str:
    """SQL of the text without what stands around a number."""
    if not format.is_money:
        return f"trim({text})"
    signs = rf"[\s\p{{Z}}]|{_CURRENCY}"
    digits = f"regexp_full_match({text}, '[0-9.+-]*')"
    return f"CASE WHEN {digits} THEN {text} ELSE regexp_replace({text}, '{signs}', '', 'g') END"


def currency_sign(column: RawColumn) -> str:
    """SQL of the code of the currency that a text of money names, or of its sign; null without one."""
    sign = f"regexp_extract(trim({column.text}), '{_CURRENCY}')"
    codes = " ".join(f"WHEN '{sign}' THEN '{code}'" for sign, code in _CODES.items())
    digits = f"regexp_full_match({column.text}, '[0-9.,+-]*')"
    return f"CASE WHEN NOT {digits} THEN nullif(CASE {sign} {codes} ELSE {sign} END, '') END"


def _plain_number(bare: str, format: NumberFormat) -> str:
    """SQL of a number in the usual form; null where it is none in this format."""
    decimal, thousands = (_escaped(sign) for sign in (format.decimal, format.thousands))
    groups = rf"\d{{1,3}}({thousands}\d{{3}})+|" if thousands else ""
    pattern = rf"[+-]?({groups}\d*)({decimal}\d*)?([eE][+-]?\d+)?"
    plain = bare
    if format.thousands:
        plain = f"replace({plain}, {quoted_text(format.thousands)}, '')"
    if format.decimal != ".":
        plain = f"replace({plain}, {quoted_text(format.decimal)}, '.')"
    return f"CASE WHEN regexp_full_match({bare}, {quoted_text(pattern)}) THEN {plain} END"


def _escaped(sign: str) -> str:
    return f"\\x{{{ord(sign):x}}}" if sign else ""


def whole_number_conversion(column: RawColumn, name: str) -> Conversion:
    """A whole number, exactly."""
    shown = repr if column.is_text else str
    why = "is not a whole number of 64 bits"
    exact = "true"
    if column.type in INTEGERS:
        value = f"TRY_CAST({column.raw} AS BIGINT)"
    else:
        value = f"TRY_CAST({column.usual} AS BIGINT)"
    if column.type in FLOATS:
        exact = f"abs({column.raw}) < {EXACT[column.type]}"
        why += " that a floating-point number holds exactly"
    return Conversion(
        column,
        value,
        f"{column.text} IS NOT NULL AND ({column.value} IS NULL OR NOT ({exact}))",
        lambda cell: f"{name} {shown(cell)} {why}",
        f"regexp_extract(trim({column.text}), '^([+-]?\\d+)(\\.0*)?$', 1)",
    )


def event_type_conversion(column: RawColumn, words: Mapping[str, str | None]) -> Conversion:
    """One of our event types: the column's own word, or what `words` says of it (null: to be dropped).

    A word to be dropped becomes an empty text.
    """
    said = id_conversion(column, "event_type").value
    known: dict[str, str | None] = {word: word for word in EVENT_TYPES}
    known.update(words)
    pairs = " ".join(
        f"WHEN {quoted_text(word)} THEN {quoted_text(ours or '')}" for word, ours in known.items()
    )
    whole = f"CASE whole_number_or_text({column.usual}) {pairs} END"  # 4.0 is 4
    value = f"CASE {column.usual} {pairs} ELSE {whole} END"
    return Conversion(column, value, f"{column.value} IS NULL", _no_event_type, said)


def _no_event_type(word: str | None) -> str:
    if not word:
        return "no event_type: drop these rows, or map another column"
    hint = near_matches(word, EVENT_TYPES)
    return f"{word!r} is not an event_type: {hint}, or say what it means: data.event_types={{{word}: view}}"


def text_sql(column: RawColumn) -> str:
    """SQL of the text of a cell, null where it is a word for a missing one."""
    missing = ", ".join(map(quoted_text, sorted(MISSING)))
    raw = column.raw
    text = raw if column.type == "VARCHAR" else f"CAST({raw} AS VARCHAR)"
    if column.type in FLOATS:
        text = f"CASE WHEN isnan({raw}) THEN NULL ELSE {text} END"
    return f"CASE WHEN {text} IN ({missing}) THEN NULL ELSE {text} END"
