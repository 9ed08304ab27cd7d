"""Values as text for readers: by their unit, with no more digits than are meaningful."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from growthlab.insight.report.wording import SIZES, Size, Wording

UNDEFINED = "–"
WITHHELD = "withheld"  # shown in place of a figure
UNDER = "under "  # begins the band of a small count


def format_value(value: Any, unit: str) -> str:
    """A value in a table: shares in percent, whole counts, money and times with sensible digits.

    A date without a time of day is written without one; null is a dash.
    """
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return UNDEFINED
    if unit == "date":
        return f"{pd.Timestamp(value):%Y-%m-%d}"
    if isinstance(value, bool) or unit == "label":
        return _label(value)
    number = float(value)
    if unit == "share":
        return f"{100 * number:.1f} %"
    if unit in ("customers", "count", "periods"):
        return f"{number:,.0f}"
    if unit == "days":
        return f"{number:,.1f}".removesuffix(".0")
    if unit == "money":
        return f"{number:,.2f}" if abs(number) < 1_000 else f"{number:,.0f}"
    return _plain(number)


def format_short(value: float, unit: str, sizes: Sequence[Size] = SIZES["en"]) -> str:
    """A number on an axis or after a bar; `sizes` are the letters of large ones."""
    if unit == "share":
        return f"{100 * value:.1f}".removesuffix(".0") + " %"
    for least, size, letter in sizes:
        if abs(value) >= least or (abs(value) >= size and value % size == 0):
            return f"{value / size:.4g}{letter}"
    return f"{value:,.4g}"


def format_amount(value: Any, unit: str, currency: str | None) -> str:
    """A value that stands alone: money with its currency, where that is known."""
    text = format_value(value, unit)
    return f"{text} {currency}" if unit == "money" and currency and text != UNDEFINED else text


def heading(name: str, unit: str, currency: str | None) -> str:
    """The name of a column or a plot, with the currency where it holds money."""
    return f"{name} ({currency})" if unit == "money" and currency else name


def format_change(now: float, before: float, unit: str, words: Wording) -> str:
    """The change to `now`: of a share in points, of others in percent; a dash where it is not defined."""
    if unit == "share":
        return words.phrase("points", change=f"{100 * (now - before):+.1f}")
    return f"{100 * (now / before - 1):+.1f} %" if before > 0 else UNDEFINED


def format_difference(value: float, digits: int, unit: str, currency: str | None) -> str:
    """A difference with its sign, so many digits after the point, and its currency."""
    text = f"{value:+,.{digits}f}"
    return f"{text} {currency}" if unit == "money" and currency else text


def withheld_text(band: str, words: Wording) -> str:
    """What is shown in place of a withheld figure: its range, or a word."""
    if band.startswith(UNDER):
        return words.phrase("under", n=band.removeprefix(UNDER))
    return band or words.phrase("withheld")


def _label(value: Any) -> str:
    if str(value) in ("True", "False"):
        return "yes" if value else "no"
    return str(value)


def _plain(number: float) -> str:
    """Fewer digits after the point the larger it is; the power of ten alone where that is little."""
    if number and abs(number) < 0.001:
        return f"{number:.0e}"
    if number == round(number):
        return f"{number:,.0f}"
    digits = next(
        d for limit, d in ((1, 3), (10, 2), (1_000, 1), (math.inf, 0)) if abs(number) < limit
    )
    return f"{number:,.{digits}f}"
