"""Windows that judge are none of those that chose."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from growthlab.data.event_log import EventLog
from growthlab.split.global_time import GlobalTime
from growthlab.split.leave_last_out import LeaveLastOut
from growthlab.split.origin_windows import OriginWindows, Window, fold_windows, independent_origins

START = datetime(2025, 1, 1)


def log_of(days: int) -> EventLog:
    """One purchase of one customer a day."""
    times = [START + timedelta(days=n) for n in range(days)]
    events = pd.DataFrame({"user_id": "ann", "item_id": "a", "event_type": "purchase"}, index=times)
    return EventLog.from_frames(events.rename_axis("timestamp").reset_index())


@pytest.mark.parametrize("gap", [0, 2])
def test_the_windows_are_those_of_the_events(gap: int) -> None:
    folds = GlobalTime(horizon_days=7, gap_days=gap).folds(log_of(70), origins=3)
    for fold in folds:
        windows = fold_windows(fold)
        assert windows is not None
        assert windows.cutoff == fold.cutoff
        for window, events in ((windows.validation, fold.valid), (windows.test, fold.future)):
            first, last = events.span()
            assert window.start <= first
            assert last < window.end
            assert window.end - window.start == timedelta(days=7)


def test_every_second_origin_counts() -> None:
    folds = GlobalTime(horizon_days=7).folds(log_of(70), origins=5)
    assert independent_origins([w for w in map(fold_windows, folds) if w is not None]) == [0, 2, 4]


def test_a_split_without_a_clock_has_no_windows() -> None:
    (fold,) = LeaveLastOut().folds(log_of(10))
    assert fold_windows(fold) is None


@given(
    horizon=st.integers(1, 30), gap=st.integers(0, 40), step=st.integers(1, 60), n=st.integers(1, 8)
)
def test_no_window_that_counts_chose_a_winner_that_counts(
    horizon: int, gap: int, step: int, n: int
) -> None:
    length, windows = timedelta(days=horizon), []
    for origin in range(n):
        cutoff = START - timedelta(days=origin * step)
        test = cutoff + timedelta(days=gap)
        windows.append(OriginWindows(Window(cutoff - length, cutoff), Window(test, test + length)))
    counted = independent_origins(windows)
    assert counted[0] == 0
    for one, other in product(counted, repeat=2):
        assert not windows[one].test.overlaps(windows[other].validation)
        assert one == other or not windows[one].test.overlaps(windows[other].test)
