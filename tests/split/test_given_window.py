"""A published split without a validation part takes it from the past, or does without."""

from __future__ import annotations

import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.split.fold import Fold
from growthlab.split.given import Given
from growthlab.split.global_time import GlobalTime


def day(number: int) -> pd.Timestamp:
    return pd.Timestamp("2025-01-01") + pd.Timedelta(days=number)


def log_of(**columns: object) -> EventLog:
    """Forty events of a day each, by twenty users; the last ten days are test."""
    frame = pd.DataFrame({"user_id": [f"u{n % 20}" for n in range(40)], "item_id": "tea"})
    frame["event_type"] = "view"
    frame["split"] = ["train"] * 30 + ["test"] * 10
    times = [day(n) for n in range(40)]
    return EventLog.from_frames(frame.assign(**{"timestamp": times, **columns}))


def days(log: EventLog) -> list[int]:
    return [(t - day(0)).days for t in log.to_pandas().sort_values("timestamp")["timestamp"]]


def test_the_last_horizon_of_the_past_is_the_validation_window() -> None:
    for split, horizon in ((Given(), 7), (Given(valid="horizon", horizon_days=7), None)):
        fold = split.folds(log_of(), horizon)[0]
        assert days(fold.past) == list(range(30))
        assert days(fold.future) == list(range(30, 40))
        # the newest past event is of day 29, 0:00: its second ends the window of seven days
        assert days(fold.valid) == list(range(23, 30))
        assert days(fold.for_choosing().past) == list(range(23))


def test_a_seeded_share_of_the_sessions_is_the_validation_window() -> None:
    sessions = log_of(session_id=[f"s{n // 2}" for n in range(40)])
    one, other = (
        Given(valid="sessions", valid_share=0.3, seed=seed).folds(sessions)[0] for seed in (0, 1)
    )
    for fold in (one, other):
        chosen, left = (
            set(part.to_pandas()["session_id"]) for part in (fold.valid, fold.for_choosing().past)
        )
        assert chosen
        assert left
        assert not chosen & left  # sessions stay whole
        assert chosen | left == {f"s{n}" for n in range(15)}
    assert one.valid.digest != other.valid.digest
    again = Given(valid="sessions", valid_share=0.3).folds(sessions)[0]
    assert again.valid.digest == one.valid.digest


def test_without_times_or_a_horizon_whole_users_are_taken() -> None:
    frame = log_of().to_pandas().drop(columns="timestamp").assign(position=range(40))
    for log in (EventLog.from_frames(frame), log_of()):
        fold = Given(valid_share=0.3).folds(log)[0]
        chosen, left = (
            set(part.to_pandas()["user_id"]) for part in (fold.valid, fold.for_choosing().past)
        )
        assert chosen
        assert not chosen & left


def test_a_part_of_the_column_is_used_unless_another_window_is_set() -> None:
    parts = ["train"] * 20 + ["valid"] * 10 + ["test"] * 10
    assert days(Given().folds(log_of(split=parts), 3)[0].valid) == list(range(20, 30))
    assert days(Given(valid="horizon").folds(log_of(split=parts), 3)[0].valid) == [27, 28, 29]
    assert Given(valid="none").folds(log_of(split=parts), 3)[0].inner is None


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (Given(valid="column"), "split.valid=column, but no event of log has split=valid"),
        (Given(valid="horizon"), "has no horizon: set split.horizon_days"),
    ],
)
def test_a_window_that_the_log_does_not_have_is_refused(split: Given, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        split.folds(log_of())


def test_a_window_of_the_whole_past_is_refused() -> None:
    with pytest.raises(DataError, match=r"split\.valid=horizon leaves no event of the past of log"):
        Given(horizon_days=90).folds(log_of())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"valid": "session"}, "split.valid=session: did you mean sessions"),
        ({"valid_share": 1.0}, r"split.valid_share must be above 0 and below 1, got 1\.0"),
        ({"horizon_days": 0}, "split.horizon_days must be positive, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Given(**settings)


def test_a_past_as_long_as_the_future_needs_no_validation_window() -> None:
    def halves(**settings: str) -> Fold:
        return GlobalTime("2025-01-21", 20, **settings).folds(log_of())[0]

    with pytest.raises(DataError, match=r"or split\.valid=none for models that need no choice"):
        halves()
    fold = halves(valid="none")
    assert (days(fold.past), days(fold.future)) == (list(range(20)), list(range(20, 40)))
    with pytest.raises(DataError, match="no validation window, so nothing can be chosen"):
        fold.for_choosing()
    with pytest.raises(ConfigError, match=r"split\.valid=nothing: "):
        GlobalTime(valid="nothing")
