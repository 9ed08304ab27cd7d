"""The signs in the numbers of a file, told from some of its cells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_ONLY_NUMBER = re.compile(r"[^\d.,'’]")
_COMMA_IS_DECIMAL = re.compile(r"\d{1,3}(\.\d{3})+,\d+|\d{1,3}(\.\d{3}){2,}|\d+,(\d{1,2}|\d{4,})")
_POINT_IS_DECIMAL = re.compile(r"\d{1,3}(,\d{3})+\.\d+|\d{1,3}(,\d{3}){2,}|\d+\.(\d{1,2}|\d{4,})")
_APOSTROPHE = re.compile(r"\d{1,3}(['’]\d{3})+([.,]\d+)?")


@dataclass(frozen=True, kw_only=True)
class NumberFormat:
    """How numbers in texts are written: the decimal sign, and the one between thousands ("" for none)."""

    decimal: str = "."
    thousands: str = ""
    is_money: bool = False  # with signs of a currency around them


def number_format(cells: Iterable[str]) -> NumberFormat:
    """The format in which all cells that tell it agree; the usual one where they do not.

    A number such as 1,234 alone tells nothing: it is a thousand or one and a fraction.

    >>> number_format(["12,50", "7"]).decimal, number_format(["1,234.50"]).thousands
    (',', ',')
    >>> number_format(["1,234"]) == NumberFormat()
    True
    """
    numbers = {_ONLY_NUMBER.sub("", cell) for cell in cells}
    comma = any(_COMMA_IS_DECIMAL.fullmatch(n) for n in numbers)
    point = any(_POINT_IS_DECIMAL.fullmatch(n) for n in numbers)
    if comma and not point:
        return NumberFormat(decimal=",", thousands=".")
    for sign in ("'", "’"):
        if any(sign in n and _APOSTROPHE.fullmatch(n) for n in numbers):
            return NumberFormat(thousands=sign)
    grouped = any("," in n and _POINT_IS_DECIMAL.fullmatch(n) for n in numbers)
    return NumberFormat(thousands=",") if grouped and not comma else NumberFormat()
