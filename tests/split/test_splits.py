"""Folds never look ahead: every event on exactly one side of the border, or outside."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.split.fold import Fold
from growthlab.split.given import Given
from growthlab.split.global_time import GlobalTime
from growthlab.split.leave_last_out import LeaveLastOut

START = datetime(2025, 1, 1)
quick = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
# few users, items and moments, so that baskets, ties and events at the very border are common
rows = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 4),
        st.integers(0, 40),
        st.sampled_from(["purchase", "view"]),
    ),
    min_size=1,
    max_size=60,
)


def log_of(events: list[tuple[int, int, int, str]], **columns: object) -> EventLog:
    """Events of (user, item, half-day, type); `query` numbers them, as a name for each."""
    frame = pd.DataFrame(events, columns=["user_id", "item_id", "half_day", "event_type"])
    frame["timestamp"] = START + pd.to_timedelta(12 * frame.pop("half_day"), unit="h")
    frame["query"] = [f"e{n}" for n in range(len(frame))]
    return EventLog.from_frames(frame.assign(**columns))


def names(log: EventLog) -> list[str]:
    """The events' own names, sorted."""
    return sorted(log.query("SELECT query FROM events")["query"])


def parts(fold: Fold) -> list[list[str]]:
    """The names in each part of a fold."""
    inner = fold.for_choosing()
    return [names(log) for log in (fold.past, fold.future, inner.past, inner.future)]


@quick
@given(rows, st.integers(6, 30), st.integers(1, 10))
def test_global_time_cuts_everyone_at_the_same_moment(
    events: list[tuple[int, int, int, str]], cutoff: int, horizon: int
) -> None:
    at = START + timedelta(hours=12 * cutoff)
    length = timedelta(hours=12 * horizon)
    moments = [START + timedelta(hours=12 * e[2]) for e in events]
    expected = [
        sorted(f"e{n}" for n, m in enumerate(moments) if belongs(m))
        for belongs in (
            lambda m: m < at,
            lambda m: at <= m < at + length,
            lambda m: m < at - length,
            lambda m: at - length <= m < at,
        )
    ]
    assume(all(expected))
    fold = GlobalTime(str(at), horizon / 2).folds(log_of(events))[0]
    assert (fold.cutoff, fold.horizon) == (at, length)
    assert parts(fold) == expected
    assert names(fold.valid) == expected[3]


@quick
@given(rows)
def test_leave_last_out_takes_one_event_a_user_and_keeps_nothing_later(
    events: list[tuple[int, int, int, str]],
) -> None:
    log = log_of(events)
    table = log.to_pandas()
    assume((table["event_type"] == "purchase").groupby(table["user_id"]).sum().max() >= 3)
    fold = LeaveLastOut().folds(log)[0]
    past, future, inner = (part.to_pandas() for part in (fold.past, fold.future, fold.valid))
    assert (future["event_type"] == "purchase").all()
    n_bought = table[table["event_type"] == "purchase"].groupby("user_id").size()
    assert (
        sorted(future["user_id"])
        == sorted(inner["user_id"])
        == sorted(n_bought.index[n_bought >= 3])
    )
    last_bought = table[table["event_type"] == "purchase"].groupby("user_id")["timestamp"].max()
    for user, own in past.groupby("user_id"):
        left_out = future[future["user_id"] == user]["timestamp"]
        if left_out.empty:  # too few: whole in the past
            assert len(own) == (table["user_id"] == user).sum()
            continue
        assert left_out.item() == last_bought[user]
        bought = own[own["event_type"] == "purchase"]
        assert len(bought) == n_bought[user] - 1
        assert (bought["timestamp"] <= left_out.item()).all()
        viewed = table[(table["user_id"] == user) & (table["event_type"] == "view")]["timestamp"]
        assert (own["event_type"] == "view").sum() == (viewed < left_out.item()).sum()
    assert not set(names(fold.past)) & set(names(fold.future))
    assert not set(names(fold.for_choosing().past)) & set(names(fold.valid))
    assert set(names(fold.valid)) <= set(names(fold.past))
    assert set(names(fold.for_choosing().past)) < set(names(fold.past))


@quick
@given(rows, st.randoms(use_true_random=False))
@pytest.mark.parametrize(
    "split", [GlobalTime(horizon_days=3), LeaveLastOut()], ids=["global", "last"]
)
def test_the_order_of_rows_means_nothing(
    split: GlobalTime | LeaveLastOut, events: list[tuple[int, int, int, str]], random: object
) -> None:
    shuffled = list(enumerate(events))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    log = log_of(events)
    other = log_of([e for _, e in shuffled], query=[f"e{n}" for n, _ in shuffled])
    try:
        expected = parts(split.folds(log)[0])
    except DataError:
        with pytest.raises(DataError, match="no "):
            split.folds(other)
        return
    assert parts(split.folds(other)[0]) == expected


def test_the_default_cutoff_leaves_a_complete_window_with_the_newest_event_in_it() -> None:
    log = log_of([("u", "i", d, "purchase") for d in range(0, 41, 4)])  # until 21 January, 00:00
    fold = GlobalTime().folds(log, horizon_days=4)[0]
    assert fold.cutoff == datetime(2025, 1, 17, 0, 0, 1)
    assert names(fold.future) == ["e10", "e9"]  # 19 and 21 January; the 17th, 00:00, is just before


def test_the_horizon_of_the_split_wins_over_that_of_the_data() -> None:
    log = log_of([("u", "i", d, "purchase") for d in range(40)])
    assert GlobalTime(horizon_days=3).folds(log, horizon_days=5)[0].horizon == timedelta(days=3)
    assert GlobalTime().folds(log, horizon_days=5)[0].horizon == timedelta(days=5)


def test_each_origin_is_a_horizon_before_the_last() -> None:
    log = log_of([("u", "i", d, "purchase") for d in range(40)])
    folds = GlobalTime("2025-01-16", 4).folds(log, origins=3)
    assert [f.cutoff.day for f in folds if f.cutoff] == [16, 12, 8]
    assert names(folds[1].future) == names(folds[0].valid)


def test_a_past_event_was_recorded_before_the_cutoff_too() -> None:
    log = log_of([("u", "i", d, "purchase") for d in range(40)])
    late = log.to_pandas()
    late["ingested_at"] = late["timestamp"]
    late.loc[10, "ingested_at"] = datetime(2025, 1, 16)  # happened on the 6th
    fold = GlobalTime("2025-01-16", 4).folds(EventLog.from_frames(late))[0]
    late_name = late["query"][10]
    assert [late_name in part for part in parts(fold)] == [False] * 4
    # nothing that the past does not know is in the validation window either
    late.loc[25, "ingested_at"] = datetime(2025, 1, 18)  # happened on the 13th, within the window
    fold = GlobalTime("2025-01-16", 4).folds(EventLog.from_frames(late))[0]
    assert set(names(fold.valid)) <= set(names(fold.past))


def cancelled_log() -> EventLog:
    """Purchases of day 1, 3, 6 and 8; cut on day 8 with a horizon of 3 days, inside on day 5."""
    events = [(0, 0, 0, "purchase"), (0, 1, 4, "purchase"), (1, 0, 10, "purchase")]
    events += [(1, 1, 14, "purchase"), (0, 2, 14, "purchase"), (2, 2, 15, "purchase")]
    days = [4, 6, None, 20, 9, None]  # e0 .. e5: when each was cancelled
    times = [pd.NaT if d is None else START + timedelta(days=d - 1) for d in days]
    return log_of(events, cancelled_at=times)


def test_a_cancelled_purchase_counts_until_its_cancellation_and_in_no_future() -> None:
    fold = GlobalTime("2025-01-08", 3).folds(cancelled_log())[0]
    # on day 8 e0 and e1 were cancelled; what of days 8 to 10 is cancelled, ever, is no target
    assert parts(fold)[:2] == [["e2"], ["e5"]]
    # on day 5 e1 still stood, though the outer past no longer holds it
    assert parts(fold)[2:] == [["e1"], ["e2"]]


def test_what_is_cancelled_after_the_cutoff_looks_like_any_other_purchase_before_it() -> None:
    past = GlobalTime("2025-01-08", 3).folds(cancelled_log())[0].for_choosing().past
    assert past.query("SELECT cancelled_at FROM events")["cancelled_at"].isna().tolist() == [True]


def test_splits_without_a_cutoff_drop_cancelled_purchases() -> None:
    log = log_of([(0, i, i, "purchase") for i in range(4)])
    frame = log.to_pandas().assign(split=["train", "valid", "test", "test"])
    frame["cancelled_at"] = [pd.NaT, pd.NaT, pd.NaT, START + timedelta(days=9)]
    with_mark = EventLog.from_frames(frame)
    assert parts(LeaveLastOut().folds(with_mark)[0])[1] == ["e2"]
    assert names(Given().folds(with_mark)[0].future) == ["e2"]


def test_items_launched_at_the_cutoff_or_later_are_not_known_in_the_past() -> None:
    items = pd.DataFrame({"item_id": ["a", "b", "c", "d"]})
    items["available_from"] = pd.to_datetime(["2025-01-01", "2025-01-10", "2025-01-16", None])
    events = log_of([("u", "a", d, "purchase") for d in range(40)]).to_pandas()
    fold = GlobalTime("2025-01-16", 4).folds(EventLog.from_frames(events, items))[0]
    assert fold.past.items is not None
    assert fold.past.items["item_id"].tolist() == ["a", "b"]  # of d nothing is known: left out
    assert fold.past.query("SELECT count(*) AS n FROM items")["n"].item() == 2
    inner = fold.for_choosing().past  # cut on the 12th
    assert inner.items is not None
    assert inner.items["item_id"].tolist() == ["a", "b"]
    on_launch = GlobalTime("2025-01-10", 4).folds(EventLog.from_frames(events, items))[0].past.items
    assert on_launch is not None
    assert on_launch["item_id"].tolist() == ["a"]


def test_events_that_exist_only_after_the_cutoff_change_nothing_before_it() -> None:
    events = [("u", "i", d, "purchase") for d in range(40)]
    with_canary = [*events, *(("u", "canary", d, "purchase") for d in range(31, 40))]
    one, other = (GlobalTime("2025-01-16", 4).folds(log_of(e))[0] for e in (events, with_canary))
    assert one.past.digest == other.past.digest


@pytest.mark.parametrize(
    ("cutoff", "said"),
    [
        ("2024-06-01", "no past before the validation window and no valid.* and no test users"),
        ("2026-06-01", "leaves no validation window and no test users"),
        ("2025-01-03", "leaves no past before the validation window: "),
    ],
)
def test_an_impossible_cutoff_is_refused_with_the_span_and_a_possible_one(
    cutoff: str, said: str
) -> None:
    log = log_of([("u", "i", d, "purchase") for d in range(40)])
    with pytest.raises(DataError, match=said) as raised:
        GlobalTime(cutoff, 4).folds(log)
    line = str(raised.value)
    assert "from 2025-01-01 00:00:00 to 2025-01-20 12:00:00" in line
    assert "\n" not in line
    workable = "2025-01-16 12:00:01"
    assert workable in line
    assert GlobalTime(workable, 4).folds(log)


def test_a_log_too_short_for_its_horizon_asks_for_a_shorter_one() -> None:
    log = log_of([("u", "i", d, "purchase") for d in range(10)])
    with pytest.raises(DataError, match=r"choose split\.horizon_days below 2\.25"):
        GlobalTime().folds(log, horizon_days=28)


@pytest.mark.parametrize("cutoff", ["0001-01-01", "9999-12-31"])
def test_a_cutoff_at_the_end_of_the_calendar_is_one_line(cutoff: str) -> None:
    with pytest.raises(DataError, match="leaves the calendar: the events of log are from 2025"):
        GlobalTime(cutoff).folds(log_of([("u", "i", 1, "view")]), 28)


def test_a_log_without_timestamps_is_refused_in_favour_of_leave_last_out() -> None:
    frame = pd.DataFrame({"user_id": "u", "item_id": list("abcd"), "event_type": "purchase"})
    log = EventLog.from_frames(frame.assign(position=range(4)))
    with pytest.raises(DataError, match="use split=leave_last_out"):
        GlobalTime().folds(log, horizon_days=28)
    fold = LeaveLastOut().folds(log)[0]
    assert fold.future.to_pandas()["item_id"].tolist() == ["d"]
    assert fold.valid.to_pandas()["item_id"].tolist() == ["c"]
    assert (fold.cutoff, fold.horizon) == (None, None)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GlobalTime("soon"), "split.cutoff must be a date or time"),
        (lambda: GlobalTime(horizon_days=0), "split.horizon_days must be positive"),
        (
            lambda: GlobalTime(horizon_days=float("inf")),
            "must be positive and at most 36525, got inf",
        ),
        (lambda: GlobalTime().folds(log_of([("u", "i", 1, "view")]), -1), "must be positive"),
        (lambda: LeaveLastOut(event_types=["buy"]), "buy is not one of"),
        (lambda: GlobalTime().folds(log_of([("u", "i", 1, "view")])), "set split.horizon_days"),
        (
            lambda: LeaveLastOut().folds(log_of([("u", "i", 1, "view")]), origins=2),
            "origins=2 needs",
        ),
        (lambda: Given().folds(log_of([("u", "i", 1, "view")]), origins=2), "origins=2 needs"),
        (lambda: LeaveLastOut(cold_share=0.5), r"split.cold_share must be in \[0, 0.5\), got 0.5"),
        (lambda: GlobalTime().folds(log_of([("u", "i", 1, "view")]), origins=0), "at least 1"),
    ],
)
def test_invalid_settings_are_refused(make: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()  # type: ignore[operator]


def test_one_item_of_the_last_basket_is_chosen_by_a_seeded_hash_of_the_raw_ids() -> None:
    basket = [(f"u{u}", f"i{i}", 9, "purchase") for u in range(40) for i in range(4)]
    chosen = [
        LeaveLastOut(seed=s).folds(log_of(basket))[0].future.to_pandas()["item_id"]
        for s in (0, 0, 1)
    ]
    assert chosen[0].tolist() == chosen[1].tolist() != chosen[2].tolist()
    # no item is preferred: 40 draws of 4 give each about 10, standard deviation 2.7
    assert chosen[0].value_counts().between(2, 18).all()
    assert chosen[0].nunique() == 4


def test_leave_last_out_without_test_users_is_refused() -> None:
    with pytest.raises(DataError, match="nobody in log has 3 events of the types purchase"):
        LeaveLastOut().folds(log_of([("u", "i", 1, "purchase"), ("u", "i", 2, "purchase")]))


def test_a_log_without_purchases_counts_all_its_events() -> None:
    fold = LeaveLastOut().folds(log_of([("u", i, i, "view") for i in range(4)]))[0]
    assert fold.future.to_pandas()["item_id"].tolist() == ["3"]


def test_cold_items_have_no_event_in_the_past_but_stay_targets() -> None:
    log = log_of(
        [(f"u{u}", f"i{(7 * u + 3 * n) % 100}", n, "view") for u in range(80) for n in range(6)]
    )
    plain = LeaveLastOut().folds(log)[0]
    fold = LeaveLastOut(cold_share=0.2).folds(log)[0]
    assert names(fold.future) == names(plain.future)
    targets, known = (set(part.to_pandas()["item_id"]) for part in (fold.future, fold.past))
    cold = set(plain.past.to_pandas()["item_id"]) - known
    assert 10 <= len(cold) <= 30  # 20 of 100 are expected, standard deviation 4
    assert targets & cold
    gone = set(names(plain.past)) - set(names(fold.past))
    assert gone == set(names(plain.past.where(f"item_id IN {tuple(sorted(cold))}")))


def test_the_inner_fold_has_other_cold_items_and_none_of_those_of_the_test() -> None:
    log = log_of(
        [(f"u{u}", f"i{(7 * u + 3 * n) % 100}", n, "view") for u in range(80) for n in range(6)]
    )
    fold = LeaveLastOut(cold_share=0.2).folds(log)[0]
    inner = fold.for_choosing()
    items = {
        n: set(part.to_pandas()["item_id"])
        for n, part in zip("PFpf", (fold.past, fold.future, inner.past, inner.future), strict=True)
    }
    assert items["f"] - items["p"]  # cold in the inner fold
    assert not (items["f"] | items["p"]) - items["P"]  # nothing but the past is chosen on
    assert set(names(inner.past)) | set(names(inner.future)) <= set(names(fold.past))


def test_which_items_are_cold_is_a_seeded_hash_of_the_raw_ids() -> None:
    log = log_of([("u", f"i{n}", n, "view") for n in range(60)])
    again, same, other = (
        names(LeaveLastOut(cold_share=0.3, seed=s).folds(log)[0].past) for s in (0, 0, 1)
    )
    assert again == same != other


def test_given_follows_the_column() -> None:
    labels = ["train", "test", "valid", "train"]
    fold = Given().folds(log_of([("u", i, i, "view") for i in range(4)], split=labels))[0]
    assert parts(fold) == [["e0", "e2", "e3"], ["e1"], ["e0", "e3"], ["e2"]]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["train", "tset"], "1 events of log have tset in the column split: possible are train"),
        (["train", None], "have nothing in the column split"),
        (["train", "valid"], "split=test: there would be no test users"),
        (["test", "test"], "split=train: there would be no past"),
    ],
)
def test_given_refuses_a_column_with_other_values(labels: list[str | None], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Given().folds(log_of([("u", i, i, "view") for i in range(2)], split=labels))


def test_the_whole_last_basket_is_left_out_on_request() -> None:
    """Baskets of ann on days 1, 5, 5, 9 and 9; bob has two baskets, which are too few."""
    log = log_of(
        [("ann", "a", 1, "purchase")]
        + [("ann", item, 5, "purchase") for item in ("b", "c")]
        + [("ann", item, 9, "purchase") for item in ("d", "e")]
        + [("ann", "f", 7, "view"), ("ann", "g", 9, "view")]
        + [("bob", item, d, "purchase") for item, d in (("a", 1), ("b", 1), ("c", 2))]
    )
    plain = LeaveLastOut()
    assert plain.folds(log)[0].future.n_events == 2  # one event each, as bob has three
    fold = plain.for_last_baskets().folds(log)[0]
    assert fold.future.to_pandas()["item_id"].tolist() == ["d", "e"]
    assert fold.valid.to_pandas()["item_id"].tolist() == ["b", "c"]
    known = fold.past.to_pandas()
    assert sorted(known.loc[known["user_id"] == "ann", "item_id"]) == ["a", "b", "c", "f"]
    assert (known["user_id"] == "bob").sum() == 3
    assert LeaveLastOut(whole_baskets=False).for_last_baskets().folds(log)[0].future.n_events == 2


def test_given_without_its_column_or_a_validation_part() -> None:
    with pytest.raises(DataError, match="split=given needs split"):
        Given().folds(log_of([("u", "i", 1, "view")]))
    log = log_of([("u", i, i, "view") for i in range(2)], split=["train", "test"])
    fold = Given(valid="none").folds(log)[0]
    assert fold.inner is None
    with pytest.raises(DataError, match="no validation window"):
        fold.for_choosing()


def test_the_fold_of_the_shop_has_no_leakage(shop_fold: Fold) -> None:
    assert shop_fold.cutoff is not None
    assert shop_fold.horizon is not None
    past, future = shop_fold.past.to_pandas(), shop_fold.future.to_pandas()
    assert (
        past[["timestamp", "ingested_at"]].max().max()
        < shop_fold.cutoff
        <= future["timestamp"].min()
    )
    assert future["timestamp"].max() < shop_fold.cutoff + shop_fold.horizon
    assert np.isin(["purchase", "view"], past["event_type"]).all()
