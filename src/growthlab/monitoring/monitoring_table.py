"""A table of a monitoring report, and the texts of its shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from growthlab.monitoring.proportions import Proportion


@dataclass(frozen=True)
class MonitoringTable:
    """Rows of text; `note` says how to read them."""

    title: str
    note: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def share_text(share: Proportion) -> str:
    """``2.0 % [1.1 %, 3.5 %]``; a dash without cases."""
    if not share.n:
        return "-"
    low, high = share.bounds
    return f"{share.value:.2%} [{low:.2%}, {high:.2%}]"


def percent_text(n: int, total: int) -> str:
    """The share in percent; a dash of nothing."""
    return f"{n / total:.1%}" if total else "-"
