"""Funnel, repurchase, baskets, replenishment, reviews and returns, each worked out by hand."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.insight.conftest import END, START

from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.insight.items import add_item_names
from growthlab.insight.sections.affinities import (
    Affinities,
    affinity_pairs,
    cross_sell_list,
    cross_sell_rules,
    q_values,
)
from growthlab.insight.sections.funnel import Funnel, funnel_steps
from growthlab.insight.sections.replenishment import Replenishment, replenishment_figures
from growthlab.insight.sections.repurchase import (
    gap_quantiles,
    purchase_counts,
    repeat_rates,
    returns_after_silence,
)
from growthlab.insight.sections.returns import return_figures
from growthlab.insight.sections.reviews import review_figures


def test_the_funnel_counts_steps_in_their_order(tiny: EventLog) -> None:
    table = funnel_steps(tiny, start=START).set_index("step")
    # all four looked; ann and cat carted after it; both bought after that (cat cancelled later)
    assert table["reached"].to_dict() == {"view": 4, "cart": 2, "purchase": 2}
    assert table["of_previous"].tolist()[1:] == [0.5, 1.0]
    assert table["of_first"].tolist() == [1.0, 0.5, 0.5]
    assert table.loc["purchase", "at_all"] == 3  # bob never used the cart


def test_the_funnel_by_visit_needs_all_steps_in_one_visit(tiny: EventLog) -> None:
    table = funnel_steps(tiny, start=START, by="session_id").set_index("step")
    assert table["reached"].to_dict() == {"view": 5, "cart": 2, "purchase": 1}
    assert table["customers"].to_dict() == {"view": 4, "cart": 2, "purchase": 1}
    assert table.loc["purchase", "of_first"] == 0.2  # session_conversion


def test_a_cart_before_the_first_view_is_no_step() -> None:
    rows = [
        ("a", "2025-01-02", "cart"),
        ("a", "2025-01-03", "view"),
        ("a", "2025-01-04", "purchase"),
    ]
    log = EventLog.from_frames(pd.DataFrame(rows, columns=["user_id", "timestamp", "event_type"]))
    assert funnel_steps(log, start=START)["reached"].tolist() == [1, 0, 0]


def test_the_funnel_after_its_last_event_is_empty(tiny: EventLog) -> None:
    table = funnel_steps(tiny, start=datetime(2026, 1, 1))
    assert table["reached"].tolist() == [0, 0, 0]
    assert table["of_first"].isna().all()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"days": 0}, "days must be 1 or more"),
        ({"steps": ("view", "buy")}, "steps: buy: possible"),
        ({"steps": ("view",)}, "give two or more different event types"),
    ],
)
def test_settings_of_the_funnel_are_checked(settings: dict[str, object], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        Funnel(**settings)  # type: ignore[arg-type]


def test_purchases_of_one_day_and_cancelled_ones_are_no_repeats(tiny: EventLog) -> None:
    table = repeat_rates(tiny, as_of=END, burn_in_end=START, windows=(30, 60)).set_index("rate")
    # ann bought again after 40 days; bob twice on a day; cat cancelled
    assert table.loc["repeat_rate"].tolist() == [2, 1, 0.5]
    assert table.loc["repeat_rate_30d"].tolist() == [2, 0, 0.0]
    assert table.loc["repeat_rate_60d"].tolist() == [2, 1, 0.5]


def test_a_window_counts_only_customers_whom_the_log_covers_for_all_of_it(tiny: EventLog) -> None:
    table = repeat_rates(tiny, as_of=END, burn_in_end=START, windows=(80,)).set_index("rate")
    assert table.loc["repeat_rate_80d", "buyers"] == 1  # bob's 80 days end after the log


def test_buyers_by_purchase_days(tiny: EventLog) -> None:
    table = purchase_counts(tiny)
    assert table.to_numpy().tolist() == [["1", 1, 0.5], ["3", 1, 0.5]]  # bob, ann


def test_gaps_between_purchase_days(tiny: EventLog) -> None:
    table = gap_quantiles(tiny).set_index("of_what")
    # ann: 2 January to 11 February to 3 March: 40 and 20 days
    assert table.loc["all gaps", ["gaps", "customers", "mean", "median"]].tolist() == [2, 1, 30, 30]
    assert table.loc["all gaps", "p25"] == 25.0
    assert table.loc["customers", ["gaps", "median"]].tolist() == [1, 30]


def test_silences_that_ended(tiny: EventLog) -> None:
    # ann: 40 (ended), 20 (ended), 29 to the end; bob: 71 to the end
    table = returns_after_silence(tiny, as_of=END, silences=(19, 20, 30)).set_index("silence_days")
    assert table["silences"].to_dict() == {19: 4, 20: 3, 30: 2}
    assert table["customers"].to_dict() == {19: 2, 20: 2, 30: 2}
    assert table["share"].to_dict() == pytest.approx({19: 0.5, 20: 1 / 3, 30: 0.5})


def baskets(*lists: str) -> EventLog:
    """A log of one order a list of items, each by a customer of its own."""
    rows = [(f"u{n}", f"o{n}", i) for n, items in enumerate(lists) for i in items.split()]
    events = pd.DataFrame(rows, columns=["user_id", "order_id", "item_id"])
    return EventLog.from_frames(events.assign(event_type="purchase", timestamp=START))


def test_affinity_of_a_pair_of_items() -> None:
    # 10 orders: a in 4, b in 5, both in 4: support .4, confidence 1, lift .4 / (.4 x .5) = 2
    log = baskets("a b", "a b", "a b", "a b", "b", "c", "c", "d", "d", "d")
    table = affinity_pairs(log, min_orders=2, max_q=1.0)
    assert table[["thing", "also", "orders", "customers"]].to_numpy().tolist() == [["a", "b", 4, 4]]
    assert table[["support", "confidence", "lift"]].to_numpy().tolist() == [[0.4, 1.0, 2.0]]
    # the chi-squared test of scipy, times the 6 pairs of a, b, c and d that there can be
    p = stats.chi2_contingency([[4, 0], [1, 5]], correction=False).pvalue
    assert table["q"].tolist() == pytest.approx([min(6 * p, 1.0)])


def test_pairs_no_more_frequent_than_chance_are_left_out() -> None:
    log = baskets("a b", "a", "b", "c")  # lift .25 / .25 = 1
    assert affinity_pairs(log, min_orders=1, max_q=1.0).empty


def test_an_item_twice_in_an_order_counts_once_and_no_pair_with_itself() -> None:
    log = baskets("a a b", "a a b", "c", "c")
    table = affinity_pairs(log, min_orders=1, max_q=1.0)
    assert table[["thing", "also", "orders"]].to_numpy().tolist() == [["b", "a", 2]]


def test_customers_of_a_pair_are_counted_once_each() -> None:
    events = pd.DataFrame(
        {
            "user_id": ["u", "u", "u", "u", "v", "w"],
            "order_id": ["1", "1", "2", "2", "3", "4"],
            "item_id": ["a", "b", "a", "b", "c", "d"],
        }
    )
    log = EventLog.from_frames(events.assign(event_type="purchase", timestamp=START))
    table = affinity_pairs(log, min_orders=2, max_q=1.0)
    assert table[["orders", "customers"]].to_numpy().tolist() == [[2, 1]]


def test_pairs_of_categories_come_from_the_categories_of_items() -> None:
    log = baskets("a b", "a b", "c", "c").with_items(
        pd.DataFrame({"item_id": ["a", "b", "c"], "category": ["drinks", "sweets", "drinks"]})
    )
    table = affinity_pairs(log, "category", min_orders=1, max_q=1.0)
    assert table.empty  # drinks are in all orders: sweets are necessarily with them


def test_orders_without_a_frequent_pair_give_no_rows(tiny: EventLog) -> None:
    assert affinity_pairs(tiny, min_orders=100).empty


def test_benjamini_and_hochberg_of_the_reference() -> None:
    q = q_values(np.array([0.01, 0.04, 0.03, 0.005]), 4)
    assert q.tolist() == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_rules_of_cross_selling_are_both_directions_of_a_pair() -> None:
    # a in 4 of 10 orders, b in 5, both in 4: all orders with a hold b, 4 of 5 with b hold a
    log = baskets("a b", "a b", "a b", "a b", "b", "c", "c", "d", "d", "d")
    rules = cross_sell_rules(affinity_pairs(log, min_orders=2, max_q=1.0))
    assert rules[["owned", "item_id"]].to_numpy().tolist() == [["a", "b"], ["b", "a"]]
    assert rules["confidence"].tolist() == pytest.approx([1.0, 0.8])
    assert rules["lift"].tolist() == [2.0, 2.0]


def test_customers_are_offered_what_goes_with_what_they_have_and_nothing_twice() -> None:
    bought = pd.DataFrame(
        [("ann", "a"), ("bob", "a"), ("bob", "b"), ("cat", "b"), ("cat", "c"), ("dan", "x")],
        columns=["user_id", "item_id"],
    )
    rules = pd.DataFrame(
        [("a", "b", 0.9), ("a", "c", 0.8), ("b", "c", 0.7), ("c", "a", 0.6), ("b", "a", 0.5)],
        columns=["owned", "item_id", "confidence"],
    ).assign(lift=2.0)
    offered = cross_sell_list(bought, rules, per_customer=2)
    assert offered[["user_id", "item_id", "rank", "owned"]].to_numpy().tolist() == [
        ["ann", "b", 1, "a"],
        ["ann", "c", 2, "a"],
        ["bob", "c", 1, "a"],
        ["cat", "a", 1, "c"],
    ]
    best = cross_sell_list(bought, rules, per_customer=1)
    assert best["user_id"].tolist() == ["ann", "bob", "cat"]
    assert cross_sell_list(bought, rules.iloc[:0], per_customer=1).empty


def test_the_cross_sell_list_of_a_shop_has_a_row_an_offer() -> None:
    log = baskets(*["a b"] * 12, *["b"] * 3, *["c"] * 20)
    rows = Affinities(min_orders=2).customers(log, END)
    assert rows["user_id"].tolist() == ["u12", "u13", "u14"]  # they have b without a
    assert rows["item_id"].unique().tolist() == ["a"]
    assert rows["confidence"].tolist() == pytest.approx([0.8] * 3)


@pytest.mark.parametrize("settings", [{"min_orders": 0}, {"max_q": 0.0}, {"per_customer": 0}])
def test_settings_of_affinities_are_checked(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        Affinities(**settings)  # type: ignore[arg-type]


def test_replenishment_is_the_time_between_days_of_one_item_and_customer(tiny: EventLog) -> None:
    (row,) = replenishment_figures(tiny).to_dict("records")
    # ann's tea after 40 and 20 days; bob bought tea once, cat cancelled
    assert row["item_id"] == "tea"
    assert (row["buyers"], row["customers"], row["again_share"]) == (2, 1, 0.5)
    assert (row["intervals"], row["p25"], row["median"], row["p75"]) == (2, 25.0, 30.0, 35.0)
    assert row["spread"] == pytest.approx(1 / 3)
    assert replenishment_figures(tiny, min_customers=2).empty


def test_what_is_due_is_listed_before_most_repeats(tiny: EventLog) -> None:
    section = Replenishment(min_customers=1, days=14)
    # ann's last tea is of 3 March, and a quarter of the repeats come within 25 days: 28 March; bob's of
    # 20 January was due on 14 February
    (row,) = section.customers(tiny, datetime(2025, 3, 20)).to_dict("records")
    assert (row["user_id"], row["item_id"], row["detail"]) == ("ann", "tea", "every 30 days")
    assert row["date"] == pd.Timestamp("2025-03-28")
    assert section.customers(tiny, datetime(2025, 3, 29)).empty
    assert section.customers(tiny, datetime(2025, 3, 14)).empty  # the 28th is the first day after
    hard_to_time = Replenishment(min_customers=1, widest=0.3)  # the spread of tea is a third
    assert hard_to_time.customers(tiny, datetime(2025, 3, 20)).empty


def test_reviews_and_complaints_by_month(tiny: EventLog) -> None:
    (row,) = review_figures(tiny, "month").to_dict("records")
    # March: ann gives 1, dan gives 5; one line was bought
    assert (row["reviews"], row["reviewers"], row["mean_rating"]) == (2, 2, 3.0)
    assert (row["complaints"], row["complainers"], row["complaint_rate"]) == (1, 1, 0.5)
    assert (row["purchases"], row["review_rate"]) == (1, 2.0)


def test_reviews_by_item(tiny: EventLog) -> None:
    table = review_figures(tiny, "item_id").set_index("item_id")
    assert table["mean_rating"].to_dict() == {"cup": 5.0, "tea": 1.0}
    assert table["purchases"].to_dict() == {"cup": 2, "tea": 4}


def test_returns_and_cancellations_by_month(tiny: EventLog) -> None:
    table = return_figures(tiny, "month")
    assert table["units_bought"].tolist() == [5, 4, 4]  # 2+1+1+1; 1+3; 4
    assert table["units_cancelled"].tolist() == [0, 3, 0]
    assert table["units_returned"].tolist() == [0, 1, 0]
    assert table["customers"].tolist() == [0, 2, 0]  # bob and cat
    assert table["cancelled_share"].tolist() == [0, 0.75, 0]
    assert table["returned_share"].tolist() == [0, 0.25, 0]
    assert table["value_lost"].tolist()[1] == 25.0  # a cup of 10 and three teas of 5


def test_returns_by_item(tiny: EventLog) -> None:
    table = return_figures(tiny, "item_id").set_index("item_id")
    assert table.loc["cup", "returned_share"] == 0.5
    assert table.loc["tea", "cancelled_share"] == pytest.approx(3 / 11)


def test_items_are_named_by_their_texts(tiny: EventLog) -> None:
    rows = pd.DataFrame({"item_id": ["tea", "pot"], "n": [1, 2]})
    assert add_item_names(rows, tiny, "item_id").to_numpy().tolist() == [
        ["tea", "black tea", 1],
        ["pot", "pot", 2],
    ]
