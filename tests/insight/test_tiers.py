"""Tiers: assignment, distance and moves worked by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.insight.purchases import AS_OF, buys, log_of

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.insight.disclosure import protect_tables
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.sections.tiers import Tiers

RULES: dict[str, dict[str, float]] = {
    "silver": {"spend": 100, "orders": 3},
    "gold": {"spend": 500, "orders": 10},
}


def tiers(**more: Any) -> Tiers:
    return Tiers(**{"tiers": RULES, "near": 0.75, **more})


def log() -> EventLog:
    return log_of(
        buys("ann", 400, price=900),  # long ago
        buys("ann", 10, price=75),
        buys("bob", 20, 10, 5, price=10),
        buys("cid", 30, price=500),
        buys("dan", 30, price=120),
        buys("dan", 3, price=30, kind="return"),
    )


def test_match_any_needs_one_threshold() -> None:
    customers = tiers().customers(log(), AS_OF)
    assert customers["tier"].astype(str).to_dict() == {
        "ann": "member",
        "bob": "silver",  # by three orders
        "cid": "gold",  # by spend
        "dan": "member",  # 120 less a return of 30
    }
    assert customers["next_tier"].fillna("").tolist() == ["silver", "gold", "", "silver"]
    assert customers.loc["ann", ["spend_to_next", "orders_to_next"]].tolist() == [25, 2]
    assert customers.loc["bob", ["spend_to_next", "orders_to_next"]].tolist() == [470, 7]
    # the nearer of 75 of 100 and 1 of 3; of 30 of 500 and 3 of 10; of 90 of 100
    np.testing.assert_allclose(customers["progress"], [0.75, 0.3, np.nan, 0.9])


def test_match_all_needs_every_threshold() -> None:
    customers = tiers(match="all").customers(log(), AS_OF)
    assert customers["tier"].astype(str).tolist() == ["member", "member", "member", "member"]
    # the farther: 1 of 3 orders; 30 of 100; 1 of 3; 1 of 3
    np.testing.assert_allclose(customers["progress"], [1 / 3, 0.3, 1 / 3, 1 / 3])
    assert customers.loc["cid", "spend_to_next"] == 0


def test_a_longer_window_counts_what_was_longer_ago() -> None:
    customers = tiers(window_days=500).customers(log(), AS_OF)
    assert customers.loc["ann", "tier"] == "gold"


def test_moves_between_dates_worked_by_hand() -> None:
    then = AS_OF - timedelta(days=15)
    rows = [buys(f"up{n}", 20, 10, 5) for n in range(10)]  # one order then, three now
    rows += [buys(f"stay{n}", 20) for n in range(12)]
    rows += [buys(f"new{n}", 2, price=600) for n in range(11)]
    scope = ReportScope.of(log_of(*rows), as_of=str(AS_OF), min_group=10)
    table = tiers().moves(scope, tiers().customers(scope.log, AS_OF)["tier"], then)
    moves = table.rows.set_index(["before", "now"])["customers"]
    assert moves[moves > 0].to_dict() == {
        ("member", "silver"): 10,
        ("member", "member"): 12,
        ("not yet", "gold"): 11,
    }


def test_small_tiers_keep_their_row(shop: EventLog) -> None:
    scope = ReportScope.of(shop)
    findings = tiers(compare_days=30).find(scope)
    assert findings.tables[0].rows["customers"].sum() == len(tiers().customers(shop, scope.as_of))
    table, moves = protect_tables(findings.tables, 200).tables
    small = findings.tables[0].rows["customers"] < 200
    assert small.any()
    assert table.rows["tier"].tolist() == ["member", "silver", "gold"]
    assert table.bands is not None
    assert (table.bands["customers"][small] == "under 200").all()
    assert table.rows["near_the_next"].dropna().between(0, 1).all()
    assert (moves.rows["customers"].dropna() >= 200).all()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"match": "some"}, "match=some: possible: all, any"),
        ({"tiers": {}}, "tiers need one name or more"),
        ({"base": "gold"}, "tiers need one name or more, none of them"),
        ({"tiers": {"a": {"spent": 1}}}, "tiers.a has no measure spent: did you mean spend"),
        (
            {"tiers": {"a": {"spend": 5}, "b": {"orders": 3}}},
            "tiers.b must ask for what a does: spend",
        ),
        (
            {"tiers": {"a": {"spend": 5}, "b": {"spend": 3}}},
            "tiers.b.spend=3 must be positive, and no",
        ),
        ({"tiers": {"a": {"spend": 5}, "b": {"spend": 5}}}, "tiers.b asks for the same"),
        ({"window_days": 0}, "window_days must be positive"),
        ({"near": 1}, "near must be between 0 and 1"),
    ],
)
def test_thresholds_that_do_not_rise_are_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiers(**more)


def test_tiers_by_spend_need_prices_and_tiers_by_orders_do_not() -> None:
    rows = [{k: v for k, v in row.items() if k != "unit_price"} for row in buys("ann", 3, 2, 1)]
    with pytest.raises(DataError, match="tiers by spend need unit_price"):
        tiers().customers(log_of(rows), AS_OF)
    customers = Tiers(tiers={"regular": {"orders": 3}}).customers(log_of(rows), AS_OF)
    assert customers["tier"].tolist() == ["regular"]


def test_no_purchase_from_the_date_on_moves_a_tier() -> None:
    later = log_of(*[buys(u, 10) for u in "ab"], buys("a", 0, -1, -2, price=1e6))
    now = log_of(*[buys(u, 10) for u in "ab"])
    pd.testing.assert_frame_equal(tiers().customers(later, AS_OF), tiers().customers(now, AS_OF))
