"""No feature of a snapshot uses what was unknown then: gaps, late bookings, cancellations."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.features.customer_table import customer_table
from growthlab.features.event_steps import event_steps
from growthlab.features.examples import Examples
from growthlab.features.step_facts import FACTS, N_STEPS
from growthlab.models.churn.bg_nbd import BGNBDChurn
from growthlab.split.fold import Fold
from growthlab.split.global_time import GlobalTime
from growthlab.tasks.churn import Churn
from growthlab.tasks.snapshots import CustomerData, training_snapshots
from growthlab.tasks.value import Value
from growthlab.training.fit_options import FitOptions

CUTOFF = datetime(2025, 6, 1)
HORIZON, GAP = 10, 3
STEADY = ("ann", "bob", "cid")


def at(days: float) -> datetime:
    """The time some days after the cutoff."""
    return CUTOFF + timedelta(days=days)


def event(user: str, days: float, kind: str = "purchase", **more: Any) -> dict[str, Any]:
    row = {"user_id": user, "event_type": kind, "timestamp": at(days), "item_id": "tea"}
    return {**row, "unit_price": 5.0, "ingested_at": at(days), "cancelled_at": pd.NaT, **more}


def steady() -> list[dict[str, Any]]:
    """Three customers who buy every 4, 7 and 9 days, view, and sometimes return."""
    rows = [
        event(user, -day)
        for user, every in zip(STEADY, (4, 7, 9), strict=True)
        for day in range(1, 80, every)
    ]
    looks = [event(user, -day - 0.5, "view") for user in STEADY for day in range(1, 80, 5)]
    returns = [event("ann", -20, "return"), event("bob", -41, "return")]
    return [*rows, *looks, *returns, event("ann", 5), event("bob", 5, "view")]


def fold_of(rows: list[dict[str, Any]], gap: float = GAP) -> Fold:
    log = EventLog.from_frames(pd.DataFrame(rows))
    return GlobalTime(str(CUTOFF), HORIZON, gap_days=gap).folds(log)[0]


def data_of(rows: list[dict[str, Any]], gap: float = GAP) -> CustomerData:
    task = Churn(activity_days=30, snapshots=3, min_history_days=20)
    return task.data(fold_of(rows, gap))


def known_of(examples: Examples) -> pd.DataFrame:
    """Everything that a model may read of each customer, by snapshot."""
    table = examples.table.assign(user=examples.user_ids, at=examples.snapshots)
    steps = examples.steps.reshape(len(examples), -1)
    facts = pd.DataFrame(steps, columns=[f"s{i}" for i in range(steps.shape[1])])
    both = pd.concat([table, facts], axis=1)
    return both.sort_values(["at", "user"], ignore_index=True)


@cache
def untouched() -> CustomerData:
    return data_of(steady())


def test_outcome_windows_begin_after_the_gap_and_the_last_ends_at_the_cutoff() -> None:
    fold = fold_of(steady())
    assert training_snapshots(fold, 3, 20) == [at(-13), at(-23), at(-33)]
    inner = fold.for_choosing()
    assert (inner.cutoff, inner.gap) == (at(-13), timedelta(days=GAP))
    window = inner.future.query("SELECT min(timestamp) AS a, max(timestamp) AS b FROM events")
    assert at(-10) <= window["a"].iloc[0]
    assert window["b"].iloc[0] < at(0)


def test_events_in_the_gap_are_neither_features_nor_targets() -> None:
    bought = [*steady(), event("bob", 1)]
    fold = fold_of(bought)
    assert not fold.past.query(
        "SELECT 1 FROM events WHERE timestamp >= TIMESTAMP '2025-06-01'"
    ).size
    judged = data_of(bought).evaluated
    assert judged.target is not None
    assert dict(zip(judged.user_ids, judged.target, strict=True)) == {"ann": 0, "bob": 1, "cid": 1}
    without = data_of(bought, gap=0).evaluated
    assert without.target is not None
    assert dict(zip(without.user_ids, without.target, strict=True)) == {
        "ann": 0,
        "bob": 0,
        "cid": 1,
    }


def test_waits_are_counted_from_the_end_of_the_gap() -> None:
    judged = untouched().evaluated
    assert judged.waits is not None
    # the window begins 3 days after the cutoff; ann buys 5 days after it
    assert dict(zip(judged.user_ids, judged.waits, strict=True)) == {
        "ann": 2.0,
        "bob": np.inf,
        "cid": np.inf,
    }
    assert judged.gap_days == GAP


def test_labels_and_waits_agree() -> None:
    for examples in (untouched().train, untouched().evaluated):
        assert examples.target is not None
        assert examples.waits is not None
        np.testing.assert_array_equal(np.isinf(examples.waits), examples.target == 1)
        assert (examples.waits[examples.target == 0] < HORIZON).all()


PLANTED = st.lists(
    st.tuples(
        st.sampled_from(STEADY),
        st.sampled_from(["purchase", "view", "return", "cart", "review"]),
        st.floats(-60, 25),  # when it happens, in days after the cutoff
        st.floats(0, 60),  # how much later it is booked
        st.floats(0.01, 1e4),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=12, deadline=None)
@given(PLANTED)
def test_an_added_event_changes_no_feature_of_snapshots_before_it_was_known(
    planted: list[tuple[str, str, float, float, float]],
) -> None:
    """Events of any kind and time, booked at any later time, do not change earlier snapshots."""
    rows = [
        event(user, days, kind, unit_price=price, ingested_at=at(days + late))
        for user, kind, days, late, price in planted
    ]
    first_known = min(days + late for _, _, days, late, _ in planted)
    data, before = data_of(steady() + rows), untouched()
    for part, old in ((data.train, before.train), (data.evaluated, before.evaluated)):
        now, then = known_of(part), known_of(old)
        early = now["at"] <= np.datetime64(at(first_known), "us")
        old_early = then["at"] <= np.datetime64(at(first_known), "us")
        columns = [c for c in then if c in now]
        pd.testing.assert_frame_equal(
            now.loc[early, columns].reset_index(drop=True),
            then.loc[old_early, columns].reset_index(drop=True),
            check_exact=True,
        )


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 30), st.floats(-30, 20))
def test_a_cancellation_changes_no_feature_of_snapshots_before_it(place: int, days: float) -> None:
    """A purchase counts until its cancellation, which was not known before."""
    rows = steady()
    purchases = [i for i, row in enumerate(rows) if row["event_type"] == "purchase"]
    chosen = purchases[place % len(purchases)]
    cancelled_at = max(at(days), rows[chosen]["timestamp"])
    cancelled = [*rows]
    cancelled[chosen] = {**rows[chosen], "cancelled_at": cancelled_at}
    data, before = data_of(cancelled), untouched()
    for part, old in ((data.train, before.train), (data.evaluated, before.evaluated)):
        now, then = known_of(part), known_of(old)
        early, old_early = (t["at"] <= np.datetime64(cancelled_at, "us") for t in (now, then))
        pd.testing.assert_frame_equal(
            now[early].reset_index(drop=True),
            then[old_early].reset_index(drop=True),
            check_exact=True,
        )


def test_a_purchase_cancelled_between_two_snapshots_counts_only_at_the_first() -> None:
    rows = [*steady(), event("dan", -25), event("dan", -35, cancelled_at=at(-20))]
    train = data_of(rows).train
    orders = {
        str(when): float(n)
        for user, when, n in zip(
            train.user_ids, train.snapshots, train.table["orders"], strict=True
        )
        if user == "dan"
    }
    moments = [str(np.datetime64(at(d), "us")) for d in (-33, -23, -13)]
    assert [orders[m] for m in moments] == [1, 2, 1]


def test_a_cancelled_purchase_does_not_count_in_a_label() -> None:
    rows = [*steady(), event("cid", 6, cancelled_at=at(7))]
    judged = data_of(rows).evaluated
    assert judged.target is not None
    assert dict(zip(judged.user_ids, judged.target, strict=True))["cid"] == 1


def test_events_after_the_cutoff_change_no_example() -> None:
    later = [
        event(user, day, price) for user in STEADY for day in (0, 4, 12) for price in ("cart",)
    ]
    data, before = data_of(steady() + later), untouched()
    pd.testing.assert_frame_equal(data.train.table, before.train.table, check_exact=True)
    np.testing.assert_array_equal(data.train.steps, before.train.steps)
    np.testing.assert_array_equal(data.evaluated.steps, before.evaluated.steps)


def test_event_steps_worked_out_by_hand() -> None:
    rows = [
        event("ann", -10.5, unit_price=4.0, quantity=2),
        event("ann", -10.25, unit_price=1.0, quantity=1),
        event("ann", -3.75, "view"),
        event("ann", -3.5, "search"),
        event("ann", -2.5, "return", quantity=1),
        event("ann", -2.5, "message"),
        event("ann", 0.5),
    ]
    log = EventLog.from_frames(pd.DataFrame(rows))
    steps = event_steps(log, CUTOFF, ["nobody", "ann"])
    assert steps.shape == (2, N_STEPS, len(FACTS))
    assert np.isnan(steps[0]).all()
    # days begin at midnight: 3, 4 and 11 days before the cutoff; ago, bought, spent, browsed, returned
    assert steps[1, :3].tolist() == [[3, 0, 0, 0, 1], [4, 0, 0, 2, 0], [11, 2, 9, 0, 0]]
    assert np.isnan(steps[1, 3:]).all()


def test_only_the_latest_days_of_a_long_history_are_read() -> None:
    rows = [event("ann", -d) for d in range(1, 60)]
    steps = event_steps(EventLog.from_frames(pd.DataFrame(rows)), CUTOFF, ["ann"])
    assert steps[0, :, 0].tolist() == list(range(1, N_STEPS + 1))


def test_examples_without_a_log_have_no_steps() -> None:
    ids, times = np.array(["a"]), np.full(1, np.datetime64(CUTOFF, "us"))
    with pytest.raises(DataError, match="needs the event log"):
        _ = Examples(pd.DataFrame({"x": [1.0]}), ids, times, 10.0).steps


def test_every_column_is_a_feature_or_a_fact_of_a_step() -> None:
    judged = untouched().evaluated
    assert judged.column("orders").tolist() == judged.table["orders"].tolist()
    assert judged.column("step02_ago").tolist() == judged.steps[:, 1, 0].tolist()


def test_the_features_at_a_cutoff_are_the_same_in_both_folds() -> None:
    """Training at an earlier snapshot and evaluating there use the same features."""
    fold = fold_of(steady())
    train = Churn(activity_days=30, snapshots=1).data(fold).train
    judged = Churn(activity_days=30, snapshots=1).data(fold.for_choosing()).evaluated
    pd.testing.assert_frame_equal(known_of(train), known_of(judged))
    np.testing.assert_array_equal(train.waits, judged.waits)  # type: ignore[arg-type]


def test_value_also_uses_the_gap() -> None:
    rows = [*steady(), event("bob", 1, unit_price=99.0), event("bob", 12.9, unit_price=7.0)]
    judged = Value(activity_days=30).data(fold_of(rows)).evaluated
    assert judged.target is not None
    assert dict(zip(judged.user_ids, judged.target, strict=True)) == {"ann": 5, "bob": 7, "cid": 0}


def test_a_negative_gap_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"split\.gap_days must not be negative, got -1"):
        GlobalTime(gap_days=-1)


def test_a_gap_that_leaves_no_future_is_refused_in_one_line() -> None:
    log = EventLog.from_frames(pd.DataFrame(steady()))
    with pytest.raises(DataError, match="after a gap of 30 days leaves no test users"):
        GlobalTime(str(CUTOFF), HORIZON, gap_days=30).folds(log)


def test_the_record_and_the_past_give_the_same_table_at_the_cutoff() -> None:
    rows = [*steady(), event("ann", -7.5, cancelled_at=at(-2))]
    fold = fold_of(rows)
    assert fold.record is not None
    tables = [customer_table(log, CUTOFF, STEADY) for log in (fold.record, fold.past)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_a_model_without_labels_predicts_the_window_after_the_gap() -> None:
    model: Any = Churn(activity_days=30).fit(BGNBDChurn(), untouched(), FitOptions())
    assert (model.scorer().horizon_days, model.scorer().gap_days) == (HORIZON, GAP)
