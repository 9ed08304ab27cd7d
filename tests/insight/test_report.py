"""The report: nothing on few customers, everything defined, one page that needs nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from tests.insight.conftest import SECTIONS, sections

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.insight.counts import Sum, sums_by
from growthlab.insight.disclosure import protect_table
from growthlab.insight.findings import NAME_UNITS, Column, Findings, ReportTable
from growthlab.insight.goals import read_goals
from growthlab.insight.report.growth_report import GrowthReport, build_report
from growthlab.insight.report_scope import ReportScope
from growthlab.pages.page import without_script

GOAL = {"metric": "buyers", "target": 130, "unit": "customers", "deadline": "2026-01-01"}


@pytest.fixture(scope="module")
def html(shop_report: GrowthReport) -> str:
    """The page of every section."""
    return shop_report.as_html()


def counted(customers: list[float], *, of_a_whole: bool = False) -> ReportTable:
    """A table of groups with their sizes and a figure of each."""
    rows = pd.DataFrame(
        {"group": ["a", "b", "c"], "customers": customers, "spend": [1.0, 2.0, 3.0]}
    )
    names = ["a", "b", "c"]
    whole = {
        "count_names": {"customers": names, "all": ["all"] * 3},
        "sums": (Sum("all", ("a", "b", "c")),),
    }
    whole |= {"behind": pd.DataFrame({"all": [sum(customers)] * 3}), "public": ("all",)}
    columns = {
        "group": Column("label", "The group."),
        "customers": Column("customers", "Its size.", ("customers",)),
        "spend": Column("money", "Of the group.", ("customers",)),
    }
    return ReportTable("groups", "Groups", rows, columns, **(whole if of_a_whole else {}))


def test_figures_of_few_customers_are_withheld() -> None:
    table = protect_table(counted([9, 10, 0]), 10)
    assert table.rows["customers"].isna().tolist() == [True, False, True]
    assert table.rows["spend"].isna().tolist() == [True, False, True]
    assert table.rows["group"].tolist() == ["a", "b", "c"]
    assert table.n_hidden == 4


def test_one_withheld_part_of_a_known_whole_takes_the_next_smallest_with_it() -> None:
    table = protect_table(counted([9, 50, 20], of_a_whole=True), 10)
    assert table.rows["customers"].isna().tolist() == [True, False, True]
    assert protect_table(counted([9, 50, 20]), 10).rows["customers"].isna().sum() == 1


def test_nothing_is_withheld_where_no_group_is_small() -> None:
    assert protect_table(counted([10, 10, 10], of_a_whole=True), 10).n_hidden == 0


def test_those_of_a_group_who_did_something_may_be_fewer_than_a_group() -> None:
    rows = pd.DataFrame({"month": ["a", "b", "c"], "active": [60, 60, 49], "buyers": [10, 9, 40]})
    columns = {
        "month": Column("label", "The month."),
        "active": Column("customers", "Active.", ("active",)),
        "buyers": Column("customers", "Those of them who bought.", ("active",), ("buyers",)),
    }
    table = protect_table(ReportTable("months", "", rows, columns), 50).rows
    assert table["active"].tolist() == [60, 60, pd.NA]
    assert table["buyers"].tolist() == [10, pd.NA, pd.NA]  # 9 are few; of 49 nothing is shown


def test_the_total_of_a_week_does_not_reveal_a_withheld_day() -> None:
    """Monday to Wednesday of one week with 60 new customers, and a day of the next week."""
    day = pd.to_datetime(["2025-01-06", "2025-01-07", "2025-01-08", "2025-01-13"])
    rows = pd.DataFrame({"period": day, "new_users": [30, 3, 27, 12]})
    columns = {
        "period": Column("date", "The day."),
        "new_users": Column("customers", "New ones.", subset_counts=("new_users",)),
    }
    weeks = rows["period"].dt.to_period("W-SUN").astype(str).tolist()
    days = rows["period"].astype(str).tolist()
    table = ReportTable(
        "days",
        "",
        rows,
        columns,
        behind=pd.DataFrame({"week": [60, 60, 60, 12]}),
        count_names={"new_users": days, "week": weeks},
        sums=sums_by(weeks, days),
        public=tuple(dict.fromkeys(weeks)),
    )
    # 60 - 30 - 27 would be 3
    assert protect_table(table, 50).rows["new_users"].tolist() == [30, pd.NA, pd.NA, 12]
    alone = protect_table(ReportTable("days", "", rows, columns), 50).rows
    assert alone["new_users"].tolist() == [30, pd.NA, 27, 12]


def test_a_cohort_that_is_hidden_cannot_be_worked_out_from_all_together(
    shop_report: GrowthReport,
) -> None:
    curve = shop_report.tables["cohort_retention_curve"].set_index("since")["active"]
    each = shop_report.tables["cohort_retention"]
    each = each[each["cohort"] >= pd.Timestamp(shop_report.scope.burn_in_end)]
    for since, part in each.groupby("since"):
        if part["active"].isna().any() and not pd.isna(curve[since]):
            assert curve[since] - part["active"].sum() >= 10, since


@pytest.mark.parametrize("section", SECTIONS)
def test_no_section_reports_a_count_of_customers_below_the_least(
    shop_report: GrowthReport, section: str
) -> None:
    parts = [part for part in shop_report.parts if part.name == section]
    assert parts, shop_report.left_out
    for table in parts[0].findings.tables:
        for name, column in table.columns.items():
            if column.unit == "customers":
                assert (table.rows[name].dropna() >= 10).all(), (table.name, name)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_column_of_every_section_is_defined_and_every_figure_says_of_whom(
    shop_report: GrowthReport, section: str
) -> None:
    (part,) = [part for part in shop_report.parts if part.name == section]
    for table in part.findings.tables:
        assert list(table.rows) == list(table.columns)
        for name, column in table.columns.items():
            assert column.definition.endswith("."), (table.name, name)
            known = bool(column.count_columns) or name in table.cells
            assert known == (column.unit not in NAME_UNITS)
            assert set(column.count_columns) <= table.count_columns


def test_a_larger_smallest_group_withholds_more(shop: EventLog, shop_report: GrowthReport) -> None:
    strict = build_report("the shop", ReportScope.of(shop), sections(*SECTIONS))
    assert strict.scope.min_group == 50  # unless set
    assert strict.n_hidden > shop_report.n_hidden
    sizes = strict.tables["channel_curves"]["customers"].dropna()
    assert (sizes >= 50).all()


def test_definitions_are_data_of_the_report(shop_report: GrowthReport) -> None:
    listed = shop_report.definitions
    assert set(listed["table"]) == set(shop_report.tables)
    n_columns = sum(len(list(rows)) for rows in shop_report.tables.values())
    assert len(listed) == n_columns
    assert listed["withheld"].sum() == shop_report.n_hidden


def test_a_section_whose_data_the_log_lacks_is_left_out_with_the_reason() -> None:
    events = pd.DataFrame({"user_id": [f"u{n % 30}" for n in range(300)]})
    events["timestamp"] = pd.date_range("2025-01-01", periods=300, freq="12h")
    log = EventLog.from_frames(events.assign(event_type="purchase"), name="plain")
    report = build_report("plain", ReportScope.of(log, min_group=10), sections(*SECTIONS))
    assert set(report.left_out) == {
        *("affinities", "channels", "funnel", "replenishment"),
        *("returns", "reviews", "sales", "value_curves"),
        *("clusters", "risk_value", "tiers"),
    }
    assert "the funnel needs view and cart events: plain has purchase" in report.left_out["funnel"]
    assert "Not in this report" in report.as_html()


def test_a_mistake_in_a_section_is_not_taken_for_a_gap_in_the_log(tiny: EventLog) -> None:
    class Wrong:
        chapter, title = "Growth", "Wrong"

        def find(self, scope: ReportScope) -> Findings:
            scope.log.query("SELECT nothing FROM nowhere")
            return Findings(())

    with pytest.raises(DataError, match="cannot answer"):
        build_report("tiny", ReportScope.of(tiny), {"wrong": Wrong()})


def test_an_unknown_chapter_is_refused(tiny: EventLog) -> None:
    class Lost:
        chapter, title = "Grwth", "Lost"

        def find(self, scope: ReportScope) -> Findings:
            return Findings(())

    with pytest.raises(ConfigError, match="unknown chapter Grwth: did you mean Growth"):
        build_report("tiny", ReportScope.of(tiny), {"lost": Lost()})


def test_what_is_saved_is_the_page_the_tables_and_their_definitions(
    shop_report: GrowthReport, html: str, tmp_path: Path
) -> None:
    stale = tmp_path / "tables" / "old.parquet"
    stale.parent.mkdir()
    stale.write_text("of an earlier report")
    path = shop_report.save(tmp_path)
    assert path.read_text() == html
    assert {p.stem for p in (tmp_path / "tables").iterdir()} == set(shop_report.tables)
    rows = pd.read_parquet(tmp_path / "tables" / "growth_by_month.parquet")
    pd.testing.assert_frame_equal(rows, shop_report.tables["growth_by_month"], check_dtype=False)
    described = json.loads((tmp_path / "definitions.json").read_text())
    assert {row["table"] for row in described} == set(shop_report.tables)


def test_days_that_are_not_drawn_are_counted_and_the_method_is_at_the_end(
    shop: EventLog,
) -> None:
    report = build_report("the shop", ReportScope.of(shop), sections("growth", "clusters"))
    days = next(t for t in report.report_tables if t.name == "growth_by_day")
    assert days.hidden is not None
    n_hidden, html = int(days.hidden["active_users"].sum()), report.as_html()
    assert n_hidden > 0
    assert f"{n_hidden} of {len(days.rows)} points are withheld, as too few" in html
    heading = html.rindex("Technical details")
    assert html.index('id="clusters"') < heading < html.index('id="cluster_choice"')


def test_a_folder_that_cannot_be_written_is_a_mistake(
    shop_report: GrowthReport, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ConfigError, match=r"cannot be written .* choose another folder"):
        shop_report.save(tmp_path / "taken")


def test_the_page_needs_nothing_but_itself(html: str) -> None:
    assert not re.search(r'(?:src|href)="(?!#|data:)', html)
    assert not re.search(r"url\((?!#)", html)
    assert html.count("<script") == 1  # that of links in frames
    assert "@import" not in html
    assert html.count("<svg") > 10


def test_the_page_defines_every_figure_that_it_shows(shop_report: GrowthReport, html: str) -> None:
    html = html.replace("<wbr>", "")
    for table in shop_report.report_tables:
        if table.tiles or table.rows.empty:
            continue
        after = html[html.index(f'id="{table.name}"') :]
        listed = after[: after.index("</dl>")]
        shown = set(re.findall(r'<th[^>]* title="([a-z_0-9]+)" scope="col">', listed))
        defined = set(re.findall(r'<dt title="([a-z_0-9]+)">', listed))
        assert shown <= defined, table.name
        assert defined, table.name


def test_what_is_below_the_mean_is_shaded_as_what_is_above(html: str) -> None:
    typical = html[html.index('id="cluster_profile"') :]
    shaded = re.findall(r'<td( class="below")? style="--shade:([\d.]+)">([-\d.]+)</td>', typical)
    assert {bool(below) for below, _, _ in shaded} == {True, False}
    for below, shade, value in shaded:
        assert bool(below) == (float(value) < 0)
        assert 0 <= float(shade) <= 1
    assert max(float(shade) for _, shade, _ in shaded) == 1


def test_the_same_log_gives_the_same_page(shop: EventLog) -> None:
    once, again = (
        build_report("the shop", ReportScope.of(shop), sections("growth")) for _ in range(2)
    )
    assert once.as_html() == again.as_html()


def test_names_in_the_data_are_escaped_on_the_page() -> None:
    rows = [(f"u{n}", f"o{n}", item) for n in range(40) for item in ("<b>x</b>", "<script>y")]
    rows += [(f"u{n}", f"p{n}", "z") for n in range(40)]
    events = pd.DataFrame(rows, columns=["user_id", "order_id", "item_id"])
    events = events.assign(event_type="purchase", timestamp="2025-01-05")
    scope = ReportScope.of(EventLog.from_frames(events, name="<i>"))
    html = build_report("<i>", scope, sections("affinities")).as_html()
    assert "&lt;b&gt;x" in html
    assert "<b>x" not in html
    assert "<script" not in without_script(html)
    assert "<i>" not in html


def test_goals_open_the_report(shop: EventLog) -> None:
    report = build_report(
        "the shop", ReportScope.of(shop, min_group=10), sections("growth"), read_goals([GOAL])
    )
    assert [part.chapter for part in report.parts] == ["Goals", "Growth"]
    (row,) = report.tables["goals"].to_dict("records")
    assert row["distance"] == 130 - report.tables["growth_by_month"]["buyers"].iloc[-1]
    assert ">130<" in report.as_html()


def test_a_report_is_made_with_a_goal_that_history_does_not_allow(shop: EventLog) -> None:
    scope = ReportScope.of(shop, min_group=10)
    goals = read_goals([{**GOAL, "target": 10_000}])
    (row,) = build_report("the shop", scope, {}, goals).tables["goals"].to_dict("records")
    assert row["reason"].startswith("implausible: history allows")


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"min_group": 9}, "privacy.min_group must be at least 10, got 9"),
        ({"active_events": ["viw"]}, "active_events: viw: did you mean view"),
        ({"active_events": []}, r"active_events=\[\]: give a list"),
        ({"as_of": "yesterday"}, "as_of must be a date or time like 2025-06-01, got yesterday"),
        ({"burn_in_days": -1}, "burn_in_days must be 0 or more"),
    ],
)
def test_the_terms_of_a_report_are_checked(
    tiny: EventLog, settings: dict[str, object], line: str
) -> None:
    with pytest.raises(ConfigError, match=line):
        ReportScope.of(tiny, **settings)  # type: ignore[arg-type]


def test_a_log_without_activity_or_times_makes_no_report(tiny: EventLog) -> None:
    with pytest.raises(DataError, match="tiny has no search event before as_of=2025-02-01"):
        ReportScope.of(tiny, active_events=["search"], as_of="2025-02-01")
    with pytest.raises(DataError, match="nobody did anything before 2024-01-01 00:00:00"):
        ReportScope.of(tiny, as_of="2024-01-01")
    order = pd.DataFrame({"user_id": ["a"], "position": [1], "event_type": ["view"]})
    with pytest.raises(DataError, match="what is known as of a date needs timestamp"):
        ReportScope.of(EventLog.from_frames(order))


def test_a_report_as_of_a_date_has_what_was_known_then(tiny: EventLog) -> None:
    scope = ReportScope.of(
        tiny, as_of="2025-02-13"
    )  # cat cancels at midnight, which is not yet known
    assert scope.log.n_events == 12  # 5 of ann, 4 of bob, 3 of cat
    assert scope.log.query("SELECT count(cancelled_at) AS n FROM events")["n"].item() == 0
    later = ReportScope.of(tiny, as_of="2025-02-14")
    assert later.log.query("SELECT count(cancelled_at) AS n FROM events")["n"].item() == 1


def test_the_series_are_the_whole_months(shop_report: GrowthReport) -> None:
    series = shop_report.series()
    assert len(series["active_users"]) == 4  # the 120 days are January to April
    assert series["active_users"] == shop_report.tables["growth_by_month"]["active_users"].tolist()
    assert {"gmv", "arpu", "user_conversion", "average_order_value"} <= set(series)


def test_shares_change_in_points_and_money_says_its_currency(shop: EventLog) -> None:
    named = ReportScope.of(shop, min_group=10, currency="EUR")
    report = build_report("the shop", named, sections("headline", "growth", "sales"))
    html = report.as_html().replace("<wbr>", "")
    headline = next(t for t in report.report_tables if t.name == "headline")
    share = headline.rows.set_index("figure").loc["repeat_buyer_share"]
    points = f"({100 * (share['value'] - share['month_before']):+.1f} points)"
    assert f"month before: {100 * share['month_before']:.1f} % {points}" in html
    assert re.search(r"[\d,.]+ EUR<", html), "a tile of money"
    assert ">gross sales (GMV) (EUR)</th>" in html
    assert ">average order value (EUR)</th>" in html
    assert "buyers (EUR)" not in html
    plain = build_report("the shop", ReportScope.of(shop, min_group=10), sections("headline"))
    assert "EUR" not in plain.as_html()
