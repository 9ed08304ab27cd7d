"""Sales by month and group: worked by hand, adding up, and with no small group to be worked out."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.insight.conftest import sections

from growthlab.data.event_log import EventLog
from growthlab.insight.change_parts import (
    factor_contributions,
    is_unusual,
    rounded_parts,
    usual_change,
)
from growthlab.insight.disclosure import protect_tables
from growthlab.insight.findings import ReportTable
from growthlab.insight.monthly_sales import NO_GROUP, OTHERS, Split, monthly_sales, split_sales
from growthlab.insight.report_scope import ReportScope, SectionUnavailable
from growthlab.insight.sections.changes import Changes
from growthlab.insight.sections.channels import Channels
from growthlab.insight.sections.life_cycle import LifeCycle

MARCH = pd.Timestamp("2025-03-01")
SPLITS = ("sales_by_category", "sales_by_channel", "sales_by_stage", "sales_by_cohort")


def tables_of(log: EventLog, min_group: int = 10, **settings: object) -> dict[str, ReportTable]:
    """The tables of the section, before anything is withheld."""
    findings = Changes(**settings).find(ReportScope.of(log, min_group=min_group))  # type: ignore[arg-type]
    return {table.name: table for table in findings.tables}


def test_the_sales_of_a_month_leave_out_what_was_cancelled(tiny: EventLog) -> None:
    rows = monthly_sales(tiny).set_index("period")
    assert rows["sales"].tolist() == [35.0, 5.0, 20.0]  # 20 of ann and 15 of bob; not 15 of cat
    assert rows["buyers"].tolist() == [2, 1, 1]
    assert rows["orders"].tolist() == [3, 1, 1]


def test_a_split_has_a_row_a_month_and_group(tiny: EventLog) -> None:
    rows = split_sales(tiny, Split("item_id", "", "", "bought.item_id"))
    # tea: 10 + 5 in January, 5 in February, 20 in March; cups: 10 + 10 in January
    assert rows["sales"].tolist() == [20.0, 15.0, 5.0, 20.0]
    assert rows["item_id"].tolist() == ["cup", "tea", "tea", "tea"]
    assert rows["buyers"].tolist() == [2, 2, 1, 1]


def test_what_has_no_group_has_a_name_and_small_groups_are_together(tiny: EventLog) -> None:
    only_app = split_sales(tiny, Split("way", "", "", "nullif(bought.channel, 'web')"))
    assert set(only_app["way"]) == {"app", NO_GROUP}
    rows = [("u1", f"item {n:02d}", 1.0 + (n < 20), f"2025-01-{n + 1:02d}") for n in range(25)]
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "unit_price", "timestamp"])
    log = EventLog.from_frames(events.assign(event_type="purchase"))
    split = Split("item_id", "", "", "bought.item_id")
    sales = split_sales(log, split).set_index("item_id")["sales"]
    assert len(sales) == 21
    assert sales[OTHERS] == 5.0  # the five items with 1 each
    assert OTHERS not in set(split_sales(log, replace(split, keeps_others=False))["item_id"])


@pytest.mark.parametrize("name", SPLITS)
def test_the_groups_of_a_split_add_up_to_all_sales(shop: EventLog, name: str) -> None:
    tables = tables_of(shop)
    of_all = tables["monthly_sales"].rows.set_index("period")["sales"]
    each = tables[name].rows.groupby("period")["sales"].sum()
    np.testing.assert_allclose(each, of_all[each.index])


@pytest.mark.parametrize("min_group", [10, 50])
@pytest.mark.parametrize("name", SPLITS)
def test_what_is_withheld_of_a_month_is_no_small_group(
    shop: EventLog, name: str, min_group: int
) -> None:
    """The sales of all less those that are shown are the sales of more customers than a group's."""
    tables = tables_of(shop, min_group)
    protected = {t.name: t for t in protect_tables(list(tables.values()), min_group).tables}
    behind, table = tables[name].behind, protected[name]
    assert behind is not None
    assert table.hidden is not None
    hidden = table.hidden["sales"]
    assert (behind["buyers"][~hidden] >= min_group).all()
    for _, rows in table.rows[hidden].groupby("period"):
        assert len(rows) > 1
        assert behind["buyers"][rows.index].sum() >= min_group


def test_the_stage_of_a_purchase_is_that_of_the_beginning_of_the_month() -> None:
    days = {
        "first": ["2025-08-05", "2025-08-20"],  # both in the month of the first order
        "active": ["2025-06-01", "2025-08-05"],
        "at risk": ["2025-03-05", "2025-08-05"],  # 149 days before August
        "lapsed": ["2025-01-01", "2025-08-05"],  # 212 days
    }
    rows = [
        (f"{who} {n}", day, 1.0) for who, each in days.items() for n in range(12) for day in each
    ]
    events = pd.DataFrame(rows, columns=["user_id", "timestamp", "unit_price"])
    log = EventLog.from_frames(events.assign(event_type="purchase"))
    scope = ReportScope.of(log, min_group=10, as_of="2025-09-01", burn_in_days=0)
    (table,) = [t for t in Changes().find(scope).tables if t.name == "sales_by_stage"]
    august = table.rows[table.rows["period"] == "2025-08-01"].set_index("stage")["sales"]
    assert august.to_dict() == {
        "first order": 24.0,
        "active": 12.0,
        "at risk": 12.0,
        "lapsed": 12.0,
    }


def test_a_cohort_has_no_months_before_it_began(shop: EventLog) -> None:
    rows = tables_of(shop)["sales_by_cohort"].rows
    assert rows["cohort"].unique().tolist() == ["until 2025 Q1", "2025 Q2"]
    assert rows["period"][rows["cohort"] == "2025 Q2"].min() == pd.Timestamp("2025-04-01")


def test_stages_and_channels_are_those_of_the_other_sections() -> None:
    stages, channels = LifeCycle(active_days=60), Channels(attribute="source")
    linked = Changes().linked_to({"life_cycle": stages, "channels": channels})
    assert (linked.stages, linked.channels) == (stages, channels)
    own = LifeCycle(active_days=45)
    assert Changes(stages=own).linked_to({"life_cycle": stages}).stages == own


def test_a_log_without_a_whole_month_or_a_purchase_has_no_changes(tiny: EventLog) -> None:
    with pytest.raises(SectionUnavailable, match="no whole month with a purchase"):
        Changes().find(ReportScope.of(tiny, as_of="2025-01-25"))


def test_without_prices_units_are_counted() -> None:
    events = pd.DataFrame(
        {"user_id": [f"u{n}" for n in range(40)], "quantity": 3, "event_type": "purchase"}
    )
    events["timestamp"] = [datetime(2025, 1 + n % 2, 1) for n in range(40)]
    events["item_id"] = ["tea", "tea", "cup", "cup"] * 10
    log = EventLog.from_frames(events)
    scope = ReportScope.of(log, min_group=10, as_of="2025-03-01")
    found = {t.name: t.rows for t in sections("changes")["changes"].find(scope).tables}
    assert set(found["sales_by_item"]["units"]) == {30.0}  # 10 customers with 3 each


def test_columns_of_any_name_and_kind_split_the_sales() -> None:
    events = pd.DataFrame({"user_id": [f"u{n}" for n in range(40)], "unit_price": 1.0})
    events["timestamp"] = [datetime(2025, 1 + n % 2, 1) for n in range(40)]
    events["item_id"], events["event_type"] = ["tea", "tea", "cup", "cup"] * 10, "purchase"
    items = pd.DataFrame({"item_id": ["tea", "cup"], "category": [1, 2]})
    users = pd.DataFrame({"user_id": events["user_id"], "acquisition": [7] * 20 + [8] * 20})
    users = users.assign(category=3, period="x", previous="y", first="z", amount=9, channel="q")
    scope = ReportScope.of(
        EventLog.from_frames(events, items, users), min_group=10, as_of="2025-03-01"
    )
    found = {t.name: t.rows for t in Changes().find(scope).tables}
    assert found["sales_by_category"]["category"].tolist() == ["1", "2"] * 2
    assert found["sales_by_channel"]["sales"].tolist() == [10.0] * 4


def test_factors_add_up_to_the_change() -> None:
    # 10 buyers x 2 orders x 5 to 12 x 2 x 5: all of the change of 20 comes from the buyers
    before, now = (
        {"buyers": 10.0, "orders": 2.0, "value": 5.0},
        {"buyers": 12.0, "orders": 2.0, "value": 5.0},
    )
    parts = factor_contributions(before, now)
    assert parts is not None
    assert parts["buyers"] == pytest.approx(20.0)
    assert (parts["orders"], parts["value"]) == (0.0, 0.0)
    assert factor_contributions({"buyers": 0.0}, {"buyers": 1.0}) is None


positive = st.floats(1e-3, 1e6)


@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=4))
def test_any_factors_add_up_to_the_change(pairs: list[tuple[float, float]]) -> None:
    before = {str(n): pair[0] for n, pair in enumerate(pairs)}
    now = {str(n): pair[1] for n, pair in enumerate(pairs)}
    parts = factor_contributions(before, now)
    assert parts is not None
    change = math.prod(now.values()) - math.prod(before.values())
    assert sum(parts.values()) == pytest.approx(
        change, rel=1e-6, abs=1e-6 * math.prod(before.values())
    )


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5))
def test_rounded_parts_add_up_to_their_rounded_sum(values: list[float]) -> None:
    parts = rounded_parts({str(n): value for n, value in enumerate(values)}, 0)
    assert sum(parts.values()) == round(sum(values))


def test_a_change_is_unusual_where_it_is_larger_than_two_deviations_of_those_before() -> None:
    history = [100.0, 110.0, 100.0, 110.0, 100.0]  # each change is ln 1.1, so is the deviation
    usual = usual_change(history)
    assert usual == pytest.approx(2 * math.log(1.1))
    assert is_unusual([*history, 120.0]) is False  # 120 < 100 x 1.1 x 1.1
    assert is_unusual([*history, 122.0]) is True
    assert is_unusual([*history, 82.0]) is True
    assert is_unusual([100.0, 110.0, 100.0, 150.0]) is None  # two changes say nothing
    assert is_unusual([*history, math.nan]) is None
