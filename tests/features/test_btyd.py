"""The purchase summary: days counted by hand, and CDNOW's published counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import DataError
from growthlab.data.event_log import EventLog
from growthlab.features.btyd import btyd_summary

SNAPSHOT = datetime(2025, 2, 1)


def purchases(*rows: tuple[str, str, float]) -> EventLog:
    frame = pd.DataFrame(rows, columns=["user_id", "timestamp", "unit_price"])
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], format="ISO8601")
    return EventLog.from_frames(frame.assign(event_type="purchase"))


def test_repeats_span_age_and_mean_repeat_spend_of_one_customer() -> None:
    log = purchases(
        ("ann", "2025-01-02 10:00", 5), ("ann", "2025-01-12", 7), ("ann", "2025-01-22", 9)
    )
    row = btyd_summary(log, SNAPSHOT).loc["ann"]
    # two repeat days; 2nd to 22nd of January; 2nd of January to 1st of February; (7 + 9) / 2
    assert row.to_dict() == {"frequency": 2, "recency": 20, "T": 30, "monetary_value": 8}


def test_purchases_of_one_day_count_once() -> None:
    log = purchases(
        ("ann", "2025-01-02 08:00", 5), ("ann", "2025-01-02 20:00", 1), ("ann", "2025-01-05", 4)
    )
    row = btyd_summary(log, SNAPSHOT).loc["ann"]
    assert (row["frequency"], row["monetary_value"]) == (1, 4)


def test_without_a_repeat_recency_is_zero_and_the_mean_spend_unknown() -> None:
    row = btyd_summary(purchases(("ann", "2025-01-02 23:59", 5)), SNAPSHOT).loc["ann"]
    assert (row["frequency"], row["recency"], row["T"]) == (0, 0, 30)
    assert np.isnan(row["monetary_value"])


def test_the_snapshot_itself_is_not_in_the_past() -> None:
    log = purchases(("ann", "2025-01-02", 5), ("ann", "2025-02-01", 5), ("bob", "2025-02-01", 5))
    summary = btyd_summary(log, SNAPSHOT)
    assert summary.index.tolist() == ["ann"]
    assert summary["frequency"].tolist() == [0]


def test_a_log_of_positions_has_no_summary() -> None:
    events = pd.DataFrame({"user_id": ["a"], "event_type": ["purchase"], "position": [1]})
    with pytest.raises(DataError, match="needs timestamp"):
        btyd_summary(EventLog.from_frames(events), SNAPSHOT)


@pytest.mark.data
def test_counts_of_cdnow(real_data: Callable[[str], Path]) -> None:
    sample = pd.read_parquet(real_data("cdnow") / "sample.parquet")
    events = pd.DataFrame(
        {
            "user_id": sample["customer_id"],
            "timestamp": sample["date"],
            "event_type": "purchase",
            "unit_price": sample["amount"],
        }
    )
    summary = btyd_summary(EventLog.from_frames(events), datetime(1997, 10, 1))
    # published: 2,357 customers, 2,457 repeat purchase days, 1,411 customers without a repeat
    assert len(summary) == 2357
    assert summary["frequency"].sum() == 2457
    assert (summary["frequency"] == 0).sum() == 1411
    assert summary["T"].max() == 273
