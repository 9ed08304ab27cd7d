"""Figures of the report that no other test works out: headline, segments, gaps, borders, grids, goals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.insight.conftest import END, START
from tests.insight.purchases import AS_OF, buys, log_of

from growthlab.data.event_log import EventLog
from growthlab.features.portrait.dictionary import TAGS
from growthlab.insight.disclosure import protect_table, protect_tables
from growthlab.insight.findings import NAME_UNITS, ReportTable
from growthlab.insight.goal_progress import measure_goals
from growthlab.insight.goals import read_goals
from growthlab.insight.report.growth_report import GrowthReport
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.sections.affinities import affinity_pairs
from growthlab.insight.sections.clusters import Clusters
from growthlab.insight.sections.headline import Headline
from growthlab.insight.sections.repurchase import gap_quantiles, repeat_rates, returns_after_silence
from growthlab.insight.sections.rfm import RFM
from growthlab.insight.sections.risk_value import risk_value_grid
from growthlab.insight.sections.tiers import Tiers
from growthlab.insight.sections.triggers import MessageTriggers
from growthlab.insight.segment_table import segment_table


def rows_of(table: ReportTable, by: str) -> dict[str, dict[str, Any]]:
    """The rows of a table by the names in a column."""
    return {str(row[by]): dict(row) for row in table.rows.to_dict("records")}


def test_the_headline_compares_the_last_whole_month_with_two_others() -> None:
    # 12 buy in January 2024, 10 in December, 15 in January 2025; February has begun
    rows = [("2024-01-01", 12), ("2024-12-10", 10), ("2025-01-10", 15), ("2025-02-02", 1)]
    events = pd.DataFrame(
        [(f"u{n}", day) for day, size in rows for n in range(size)],
        columns=["user_id", "timestamp"],
    )
    log = EventLog.from_frames(events.assign(event_type="purchase", unit_price=4.0))
    (table,) = Headline().find(ReportScope.of(log, min_group=10, burn_in_days=0)).tables
    assert table.title == "January 2025"
    figures = rows_of(table, "figure")
    names = ["value", "month_before", "year_before"]
    assert [figures["buyers"][name] for name in names] == [15, 10, 12]
    assert [figures["arpu"][name] for name in names] == [4, 4, 4]
    behind = ["customers_value", "customers_month_before", "customers_year_before"]
    assert [figures["arpu"][name] for name in behind] == [15, 10, 12]
    # 3 of January had never been there, and are too few to be shown
    assert figures["new_users"]["value"] == 3
    shown = protect_table(table, 10)
    place = table.rows.index[table.rows["figure"] == "new_users"][0]
    assert math.isnan(shown.rows["value"][place])
    assert shown.withheld_text(place, "value") == "under 10"
    assert "net_sales" in figures


def test_figures_of_a_segment_are_those_of_its_customers() -> None:
    customers = pd.DataFrame(
        {
            "segment": pd.Categorical(["b", "b", "b", "a"], categories=["a", "b"]),
            "days_since_last": [1.0, 2.0, 9.0, 5.0],
            "orders": [1, 2, 6, 4],
            "spend": [10.0, 20.0, 30.0, 40.0],
        }
    )
    scope = ReportScope.of(log_of(buys("ann", 1)), min_group=10)
    rows = rows_of(segment_table("x", "X", customers, "segment", scope), "segment")
    assert list(rows) == ["a", "b"]
    b = rows["b"]
    assert (b["customers"], b["share"]) == (3, 0.75)
    assert (b["days_since_last"], b["orders"], b["spend"]) == (2.0, 3.0, 20.0)  # the median first
    assert b["spend_share"] == 0.6  # 60 of 100


def test_quantiles_of_the_gaps() -> None:
    # one customer on day 0, 1, 3, 6, 10 and 15: gaps of 1 to 5 days
    log = log_of(buys("ann", *(40 - day for day in (0, 1, 3, 6, 10, 15))))
    gaps = gap_quantiles(log).set_index("of_what").loc["all gaps"]
    quantiles = gaps[["p10", "p25", "median", "p75", "p90"]].tolist()
    assert quantiles == pytest.approx([1.4, 2, 3, 4, 4.6])


def test_customers_who_came_back_after_a_silence(tiny: EventLog) -> None:
    # ann: silences of 40 and 20 days that ended, bob: one of 71 that did not
    table = returns_after_silence(tiny, as_of=END, silences=(19, 50)).set_index("silence_days")
    assert table["customers_back"].to_dict() == {19: 1, 50: 0}


def test_who_bought_again_is_counted(tiny: EventLog) -> None:
    row = repeat_rates(tiny, as_of=END, burn_in_end=START, windows=()).iloc[0]
    assert (row["buyers"], row["repeat_buyers"], row["share"]) == (2, 1, 0.5)  # ann did, bob not


def test_categories_that_sell_together() -> None:
    # tea in 3 of 6 orders, cake in 2, both in 2: support 1/3, lift (1/3) / (1/2 x 1/3) = 2
    lists = ["t c", "t c", "t", "m", "m", "m"]
    rows = [(f"u{n}", f"o{n}", i) for n, items in enumerate(lists) for i in items.split()]
    events = pd.DataFrame(rows, columns=["user_id", "order_id", "item_id"])
    items = pd.DataFrame({"item_id": ["t", "c", "m"], "category": ["tea", "cake", "mugs"]})
    log = EventLog.from_frames(events.assign(event_type="purchase", timestamp=AS_OF), items)
    (row,) = affinity_pairs(log, "category", min_orders=2, max_q=1.0).to_dict("records")
    assert (row["thing"], row["also"], row["orders"]) == ("cake", "tea", 2)
    assert (row["support"], row["confidence"], row["lift"]) == pytest.approx((1 / 3, 1, 2))


def test_borders_and_pairs_of_scores() -> None:
    # ten a group: 1 order 40 days ago, 2 orders, the last one 3 days ago
    log = log_of(*(buys(f"a{n}", 40) for n in range(10)), *(buys(f"b{n}", 9, 3) for n in range(10)))
    rfm = RFM(bins=2, segments={"all": {}}, borders={"recency": [7.0], "frequency": [1.0]})
    _, borders, scores = rfm.find(ReportScope.of(log, as_of=str(AS_OF), min_group=10)).tables
    recency = borders.rows[borders.rows["measure"] == "recency"].set_index("score")
    assert recency["customers"].to_dict() == {"2": 10, "1": 10}
    assert (recency.loc["2", "up_to"], recency.loc["1", "above"]) == (7.0, 7.0)
    assert recency[["above", "up_to"]].isna().sum().tolist() == [1, 1]  # open ends
    pairs = scores.rows.set_index(["recency_score", "frequency_score"])["customers"].dropna()
    assert pairs[pairs > 0].to_dict() == {("1", "1"): 10, ("2", "2"): 10}


def test_cells_that_a_segment_would_reveal_are_hidden() -> None:
    # the segment "new" is two cells: 60 of frequency 1, 4 of frequency 2
    rows = [buys(f"a{n}", 3) for n in range(60)] + [buys(f"b{n}", 5, 3) for n in range(4)]
    rows += [buys(f"c{n}", 60, 50) for n in range(60)] + [buys(f"d{n}", 60) for n in range(60)]
    rfm = RFM(
        bins=2,
        segments={"new": {"recency": [2, 2]}, "old": {"recency": [1, 1]}},
        borders={"recency": [7.0], "frequency": [1.0]},
    )
    found = rfm.find(ReportScope.of(log_of(*rows), as_of=str(AS_OF))).tables
    _, _, scores = protect_tables(found, 50).tables
    pairs = scores.rows.set_index(["recency_score", "frequency_score"])["customers"]
    assert pairs["2"].isna().all()  # 64 - 60 would be 4


def test_who_is_near_to_the_next_tier() -> None:
    rules = {"silver": {"spend": 100.0}}
    log = log_of(
        *(buys(f"a{n}", 3, price=80.0) for n in range(3)), *(buys(f"b{n}", 3) for n in range(9))
    )
    section = Tiers(tiers=rules, near=0.8)
    table = section.find(ReportScope.of(log, as_of=str(AS_OF), min_group=10)).tables[0]
    row = table.rows.to_dict("records")[0]
    # 3 of 12 have 80 of 100; the mean spend is (3 x 80 + 9 x 10) / 12
    assert (row["near_the_next"], row["spend"], row["orders"]) == (0.25, 27.5, 1)


def test_means_and_totals_of_a_cell_of_risk_and_value() -> None:
    levels = pd.CategoricalDtype(["low", "middle", "high"], ordered=True)
    customers = pd.DataFrame({"risk": [0.1, 0.3], "value": [5.0, 8.0]})
    customers["risk_level"] = customers["value_level"] = pd.Series(["low", "low"], dtype=levels)
    row = risk_value_grid(customers).set_index(["risk_level", "value_level"]).loc[("low", "low")]
    assert row[["customers", "risk", "value", "total_value"]].tolist() == [2, 0.2, 6.5, 13.0]


def test_the_profile_of_a_cluster_and_the_silhouette() -> None:
    # ten who bought a day ago and ten who did 100 days ago: -1 and 1 standard deviation
    log = log_of(*(buys(f"a{n}", 1) for n in range(10)), *(buys(f"b{n}", 100) for n in range(10)))
    section = Clusters(features=["days_since_last"], clusters=2, resamples=2)
    tables = {t.name: t for t in section.find(ReportScope.of(log, min_group=10)).tables}
    profile = tables["cluster_profile"].rows
    assert sorted(profile["difference"]) == pytest.approx([-1, 1])
    assert profile["customers"].tolist() == [10, 10]
    # within a cluster all distances are 0: (2 - 0) / 2
    assert tables["cluster_choice"].rows["criterion"].tolist() == [1.0]
    assert [tag for tag in profile["feature"] if tag not in TAGS] == []


def test_triggers_are_counted_by_customer() -> None:
    # due 30 days after the last: today for ten
    log = log_of(*(buys(f"a{n}", 90, 60, 30) for n in range(10)), buys("b", 3))
    (table,) = MessageTriggers().find(ReportScope.of(log, as_of=str(AS_OF), min_group=10)).tables
    assert rows_of(table, "trigger")["repurchase_due"]["customers"] == 10


def test_a_goal_has_a_plausible_range() -> None:
    # 10, 20, 40 and 80 buyers in January to April: every step is a factor of 2
    rows = [(f"u{n}", f"2025-{m:02d}-01") for m in range(1, 5) for n in range(5 * 2**m)]
    rows.append(("u0", "2025-04-30"))
    events = pd.DataFrame(rows, columns=["user_id", "timestamp"]).assign(event_type="purchase")
    scope = ReportScope.of(EventLog.from_frames(events), min_group=10, burn_in_days=0)
    goal = {"metric": "buyers", "target": 100, "unit": "customers", "deadline": "2025-05-31"}
    (row,) = measure_goals(read_goals([goal]), scope).rows.to_dict("records")
    # a month is left: 80 / 2^3 and 80 x 2^3; 10 has been before
    assert (row["low"], row["high"]) == pytest.approx((10, 640))
    assert (row["current"], row["baseline"], row["distance"], row["progress"]) == (80, 80, 20, 0)


def test_every_figure_of_the_report_is_named_in_a_test(shop_report: GrowthReport) -> None:
    """That its value is right is for that test; a figure that none names has none."""
    here = Path(__file__)
    texts = "".join(p.read_text() for p in sorted(here.parent.glob("test_*.py")))
    listed = shop_report.definitions
    figures = listed[~listed["unit"].isin(NAME_UNITS)]["column"].unique()
    unnamed = [name for name in figures if not any(q in texts for q in (f'"{name}"', f".{name},"))]
    assert unnamed == []
