"""Published protocols as they are: no room for a validation window, train and test parts, last baskets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import growthlab
from growthlab import EventLog
from growthlab.config.compose import compose
from growthlab.core.errors import ConfigError, DataError
from growthlab.split.leave_last_out import LeaveLastOut
from growthlab.workbench.set_up import build_parts

WEEKS = ["split.cutoff=2024-12-30", "split.horizon_days=364", "split.valid=none"]


def two_years() -> EventLog:
    """104 weeks of 60 customers with rates of their own."""
    random = np.random.default_rng(0)
    rows = []
    for n in range(60):
        weeks = np.flatnonzero(random.random(104) < random.gamma(1, 0.1))
        rows += [(f"c{n:02d}", 7 * int(week)) for week in [n % 12, *weeks]]
    events = pd.DataFrame([*rows, ("c00", 727)], columns=["user_id", "day"])
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(events.pop("day"), unit="D")
    return EventLog.from_frames(
        events.assign(timestamp=times, event_type="purchase", unit_price=5.0, quantity=1.0)
    )


@pytest.fixture(scope="module")
def log() -> EventLog:
    return two_years()


def test_52_weeks_to_learn_from_and_52_to_foretell(log: EventLog) -> None:
    comparison = growthlab.compare(log, ["bg_nbd", "mbg_nbd"], task="value", overrides=WEEKS)
    table = comparison.leaderboard()
    assert set(table["model"]) == {"bg_nbd", "mbg_nbd"}
    assert table["normalised_gini"].notna().all()
    assert not table["winner"].any()
    assert table["valid_normalised_gini"].isna().all()
    assert (
        "no validation window: nothing was chosen, and no model is a winner" in comparison.as_text()
    )
    assert "No validation window: nothing was chosen" in comparison.as_markdown()


def test_a_model_that_needs_a_choice_is_refused_before_the_work(log: EventLog) -> None:
    with pytest.raises(ConfigError, match="on which the epochs or trees of lightgbm are chosen"):
        growthlab.compare(log, ["bg_nbd", "lightgbm"], task="churn", overrides=WEEKS)


def test_nothing_can_be_searched_without_a_window(log: EventLog) -> None:
    with pytest.raises(DataError, match="no validation window, so nothing can be chosen"):
        growthlab.tune(log, "logistic", task="churn", overrides=WEEKS)


def sessions() -> EventLog:
    """Two hundred sessions of four views; the last fifty are test."""
    random = np.random.default_rng(0)
    rows = [
        (f"s{n:03d}", f"i{item}", 60 * n + place, "test" if n >= 150 else "train")
        for n in range(200)
        for place, item in enumerate(random.integers(0, 12, 4))
    ]
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "minute", "split"])
    times = pd.Timestamp("2025-01-01") + pd.to_timedelta(events.pop("minute"), unit="min")
    return EventLog.from_frames(events.assign(timestamp=times, event_type="view"))


@pytest.mark.parametrize("valid", ["horizon", "sessions"])
def test_train_and_test_alone_choose_on_a_part_of_the_past(valid: str) -> None:
    words = ["split=given", f"split.valid={valid}", "task.target=successive"]
    # the validation window is the last day of six and a quarter
    more = ["split.horizon_days=1"] if valid == "horizon" else ["split.valid_share=0.2"]
    comparison = growthlab.compare(sessions(), ["popularity", "markov"], overrides=[*words, *more])
    table = comparison.leaderboard()
    assert table["winner"].sum() == 1
    assert table["valid_ndcg_at_10"].notna().all()


def test_a_task_of_last_baskets_leaves_out_whole_ones(log: EventLog) -> None:
    words = ["split=leave_last_out", "task.target=last"]
    parts = build_parts(compose("compare", words), log)
    assert isinstance(parts.splitter, LeaveLastOut)
    assert parts.splitter.whole_baskets
    others = build_parts(compose("compare", words[:1]), log)
    assert others.splitter == LeaveLastOut()
    kept = build_parts(compose("compare", [*words, "split.whole_baskets=false"]), log)
    assert kept.splitter == LeaveLastOut(whole_baskets=False)
