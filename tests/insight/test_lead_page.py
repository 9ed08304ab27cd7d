"""The first view of the page: what changed and where, with numbers that add up and are published."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.insight.conftest import SECTIONS, sections

from growthlab.data.event_log import EventLog
from growthlab.insight.disclosure import protect_tables
from growthlab.insight.findings import Column, Findings, OverTime, ReportTable
from growthlab.insight.goals import read_goals
from growthlab.insight.report.growth_report import GrowthReport, build_report
from growthlab.insight.report.lead_page import N_TILES, lead_blocks
from growthlab.insight.report.lead_sentences import lead_sentences
from growthlab.insight.report.report_contents import ReportContents, ReportPart
from growthlab.insight.report.value_format import format_short
from growthlab.insight.report.wording import SIZES, Wording
from growthlab.insight.report_scope import ReportScope
from growthlab.pages.page import DataBlock, RowOfBlocks, SentenceBlock, TileBlock

USUAL = [100.0, 104.0, 100.0, 104.0, 100.0, 104.0]  # about 4 % a month
AMOUNT = r"([+-][\d,]+)"


def of_all(sales: list[float], buyers: list[int] | None = None) -> ReportTable:
    """The sales of all by month, with one order a buyer."""
    counts = buyers or [100] * len(sales)
    months = pd.date_range("2025-01-01", periods=len(sales), freq="MS")
    rows = pd.DataFrame({"period": months, "buyers": counts, "orders": counts, "sales": sales})
    columns = {
        "period": Column("date", "The month."),
        "buyers": Column("customers", "Buyers.", ("buyers",)),
        "orders": Column("count", "Orders.", ("buyers",)),
        "sales": Column("money", "Sales.", ("buyers",), reveals=()),
    }
    over_time = OverTime("sales", factors=("buyers", "orders"))
    return ReportTable("months", "", rows, columns, over_time=over_time)


def split(
    by: str, groups: dict[str, list[float]], buyers: dict[str, int] | None = None
) -> ReportTable:
    """The sales by month and group; 100 customers bought in each, unless told otherwise."""
    n = len(next(iter(groups.values())))
    months = pd.date_range("2025-01-01", periods=n, freq="MS")
    rows = [
        (month, group, values[place], (buyers or {}).get(group, 100))
        for group, values in groups.items()
        for place, month in enumerate(months)
    ]
    table = pd.DataFrame(rows, columns=["period", by, "sales", "n"])
    columns = {
        "period": Column("date", "The month."),
        by: Column("label", "The group."),
        "sales": Column("money", "Sales.", ("n",), reveals=("n",)),
    }
    return ReportTable(
        f"by_{by}", "", table.drop(columns="n"), columns, behind=table[["n"]],
        over_time=OverTime("sales", by),
    )  # fmt: skip


def sentences(*tables: ReportTable, language: str = "en", min_group: int = 50) -> list[str]:
    """The sentences of tables of which small groups are withheld."""
    protected = protect_tables(tables, min_group).tables
    return lead_sentences(protected, Wording(language), "EUR")


def test_a_change_that_is_usual_is_said_to_be_none() -> None:
    steady = split("channel", {"web": USUAL, "app": [0.5 * v for v in USUAL]})
    first, second, *_ = sentences(of_all([1.5 * v for v in USUAL]), steady)
    assert first.startswith("Nothing changed beyond what is usual. Sales of June 2025: 156.00 EUR")
    assert "which is usual" in second


def test_a_change_names_its_size_its_factors_and_its_place() -> None:
    """All rise from 10,400 to 15,000: web from 5,400 to 10,000, app not at all."""
    web = [100 * (v - 50) for v in USUAL] + [10_000.0]
    app = [5_000.0] * 7
    rise = of_all([a + b for a, b in zip(web, app, strict=True)], [100] * 6 + [150])
    first, second = sentences(rise, split("channel", {"web": web, "app": app}))
    assert first.startswith(
        "Sales of July 2025: 15,000 EUR, +4,600 EUR (+44.2 %) on June 2025, more"
    )
    factors = re.search(
        f"{AMOUNT} EUR come from .* buyers, {AMOUNT} EUR .* {AMOUNT} EUR from", first
    )
    assert factors is not None
    parts = [int(part.replace(",", "")) for part in factors.groups()]
    assert sum(parts) == 4_600
    assert parts[1] == 0  # an order a buyer, before and after
    assert second == (
        "By channel: web +4,600 EUR, from 5,400 EUR to 10,000 EUR, which is more than usual; "
        "all others together +0 EUR."
    )


def test_of_a_split_the_largest_part_counts_and_larger_splits_come_first() -> None:
    flat = [1_000.0] * 6
    rise = of_all([3_000.0] * 6 + [3_600.0])
    small = split("stage", {"new": [*flat, 1_100.0], "active": [2_000.0] * 6 + [2_500.0]})
    large = split("channel", {"web": [*flat, 1_700.0], "app": [2_000.0] * 6 + [1_900.0]})
    _, second, third = sentences(rise, small, large)
    assert second.startswith("By channel: web +700 EUR, from 1,000 EUR to 1,700 EUR")
    assert second.endswith("all others together -100 EUR.")  # 600 - 700
    assert third.startswith("By stage: active +500 EUR")


def test_a_group_that_is_nearly_all_says_nothing_about_where() -> None:
    rise = of_all([1_000.0] * 6 + [2_000.0])
    nearly = split("channel", {"web": [990.0] * 6 + [1_980.0], "app": [10.0] * 6 + [20.0]})
    assert sentences(rise, nearly)[1].startswith("By channel: app +10 EUR")


def test_a_withheld_group_is_in_no_sentence() -> None:
    rise = of_all([1_000.0] * 6 + [2_000.0])
    groups = {"web": [400.0] * 6 + [500.0], "one big buyer": [600.0] * 6 + [1_500.0]}
    said = sentences(rise, split("channel", groups, {"one big buyer": 3}))
    assert not any("one big buyer" in sentence for sentence in said)
    assert said[1].startswith("By channel: web +100 EUR")


def test_without_two_months_or_groups_to_compare_little_is_said() -> None:
    assert sentences() == []
    assert sentences(of_all([100.0])) == []
    assert sentences(of_all([100.0, 200.0], [3, 3])) == []  # withheld
    first, second = sentences(of_all([100.0, 200.0]))
    assert "too few months to say what is usual" in first
    assert second.startswith("Where it changed cannot be told")


def test_a_year_before_is_compared_where_it_is_known() -> None:
    first = sentences(of_all([100.0] * 12 + [150.0]))[0]
    assert first.endswith("In January 2025 it was 100.00 EUR (+50.0 %).")


def test_sentences_are_in_the_language_of_the_page() -> None:
    first, second = sentences(
        of_all([1.5 * v for v in USUAL]),
        split("stage", {"new": USUAL, "lapsed": [0.5 * v for v in USUAL]}),
        language="zh",
    )
    assert first.startswith("没有超出常规波动的变化。2025年6月销售额 156.00 EUR，较2025年5月变动")
    assert second.startswith("按生命周期阶段看：变化最大的是新客")


def test_the_first_view_has_goals_eight_tiles_three_sentences_and_two_tables(
    shop: EventLog,
) -> None:
    goal = {"metric": "buyers", "target": 130, "unit": "customers", "deadline": "2026-01-01"}
    scope = ReportScope.of(shop, min_group=10)
    report = build_report("shop", scope, sections(*SECTIONS), read_goals([goal] * 8))
    goals, tiles, what, rows, *_ = lead_blocks(report, Wording())
    assert isinstance(goals, DataBlock)
    assert goals.table is not None
    assert (len(goals.table.rows), goals.footer) == (6, "2 more under Goals")
    assert isinstance(tiles, TileBlock)
    assert len(tiles.tiles) == N_TILES
    for tile in tiles.tiles:
        before, year = tile.comparisons
        assert before.startswith("month before: ")
        assert year == "a year before: –"  # the log has four months
    assert isinstance(what, SentenceBlock)
    assert len(what.sentences) == 3
    assert isinstance(rows, RowOfBlocks)
    titles = [block.figures[0].title for block in rows.blocks]
    assert titles == ["sales by category", "sales by channel"]


def test_every_number_of_the_sentences_is_published_or_a_difference_of_such(
    shop_report: GrowthReport,
) -> None:
    """Amounts of the sentences on groups are cells of the tables, their changes and what they leave."""
    (block,) = [b for b in lead_blocks(shop_report, Wording()) if isinstance(b, SentenceBlock)]
    tables = {t.over_time.by: t for t in shop_report.report_tables if t.over_time}
    total = tables[""].rows["sales"].to_numpy(dtype=float)
    pattern = (
        r"By (\w+): .* ?([+-][\d.,]+), from ([\d.,]+) to ([\d.,]+)[,;] .* together ([+-][\d.,]+)\."
    )
    for sentence in block.sentences[1:]:
        found = re.fullmatch(pattern, sentence)
        assert found is not None, sentence
        change, before, now, rest = (float(text.replace(",", "")) for text in found.groups()[1:])
        shown = tables[found[1]].rows["sales"].dropna().to_numpy(dtype=float)
        assert np.isclose(shown, before, atol=0.5).any()
        assert np.isclose(shown, now, atol=0.5).any()
        assert change == pytest.approx(now - before, abs=1.01)
        assert change + rest == pytest.approx(total[-1] - total[-2], abs=1.01)


def test_a_report_without_a_first_view_begins_with_its_first_chapter(shop: EventLog) -> None:
    html = build_report("shop", ReportScope.of(shop), sections("growth")).as_html()
    assert html.index('id="to-growth"') < html.index('id="to-about"')
    assert 'id="to-at-a-glance"' not in html


def test_items_of_one_name_are_not_mixed(shop: EventLog) -> None:
    by_item = split("item_id", {"1": [200.0, 300.0], "2": [100.0, 100.0]})
    names = by_item.rows.assign(item_id_name="tea")
    columns = {**by_item.columns, "item_id_name": Column("label", "Its name.")}
    table = replace(
        by_item, rows=names, columns=columns, over_time=OverTime("sales", "item_id", "item_id_name")
    )
    tables = protect_tables((of_all([300.0, 400.0]), table), 50).tables
    part = ReportPart("changes", "Spending", "", Findings(tables))
    contents = ReportContents("shop", ReportScope.of(shop), (part,), {})
    (rows,) = [b for b in lead_blocks(contents, Wording()) if isinstance(b, RowOfBlocks)]
    assert [name for name, _ in rows.blocks[0].figures[0].chart.rows] == ["tea", "tea"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "english", "chinese"),
    [
        (9_000, "9,000", "9,000"),
        (18_600, "18.6k", "1.86万"),
        (2e7, "20M", "2000万"),
        (3e8, "300M", "3亿"),
    ],
)
def test_large_numbers_are_short_as_the_language_has_it(
    value: float, english: str, chinese: str
) -> None:
    assert format_short(value, "money").replace("9k", "9,000") == english
    assert format_short(value, "money", SIZES["zh"]) == chinese
