"""Numbers of a comparison as texts."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

from growthlab.pages.text_table import decimals_for, format_number


def change_text(row: Mapping[Hashable, Any]) -> str:
    """The difference of a row of the leaderboard with its bounds; a dash where there is none."""
    return interval_text(row["difference"], row["difference_low"], row["difference_high"])


def interval_text(value: float, low: float, high: float) -> str:
    """A signed difference with its bounds, such as ``+0.0123 [-0.0010, 0.0256]``."""
    if math.isnan(value):
        return "-"
    digits = decimals_for([value, low, high])
    text = format_number(value, digits, signed=True)
    if math.isnan(low):
        return text
    return f"{text} [{format_number(low, digits)}, {format_number(high, digits)}]"


def short_number(value: float) -> str:
    """A mark of an axis: as many digits as it needs, ``0`` for zero."""
    return "0" if value == 0 else f"{value:,.4g}"
