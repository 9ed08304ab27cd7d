"""Small logs of purchases, for segments worked by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from growthlab.data.event_log import EventLog

AS_OF = datetime(2025, 6, 1)


def ago(days: float) -> datetime:
    """So many days before the date of the segments."""
    return AS_OF - timedelta(days=days)


def buys(
    user: str, *days: float, price: float = 10.0, kind: str = "purchase"
) -> list[dict[str, Any]]:
    """An order of one thing on each of these days."""
    return [
        {
            "user_id": user,
            "event_type": kind,
            "timestamp": ago(d),
            "item_id": "a",
            "unit_price": price,
        }
        for d in days
    ]


def log_of(*rows: list[dict[str, Any]], **tables: pd.DataFrame) -> EventLog:
    """The log of all these rows."""
    return EventLog.from_frames(pd.DataFrame([r for each in rows for r in each]), **tables)
