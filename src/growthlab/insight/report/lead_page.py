"""The first view of the page: goals, eight figures, what changed and where, sales over time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from growthlab.insight.findings import ReportTable
from growthlab.insight.goals import ALL_CUSTOMERS, PERCENT
from growthlab.insight.report.lead_sentences import lead_sentences
from growthlab.insight.report.report_contents import GOALS, ReportContents
from growthlab.insight.report.value_format import (
    UNDEFINED,
    format_amount,
    format_change,
    format_short,
    format_value,
    heading,
    withheld_text,
)
from growthlab.insight.report.wording import Wording
from growthlab.pages.page import (
    AlertBlock,
    AlertLevel,
    Block,
    Cell,
    DataBlock,
    Figure,
    PageRow,
    PageTable,
    RowOfBlocks,
    SentenceBlock,
    ShadedCell,
    ShadedTable,
    Tile,
    TileBlock,
)

GLANCE = "at a glance"  # the anchor of the first view
MAX_GOALS = 6
FIGURES = (  # the first eight that the log has are tiles
    *("net_sales", "orders", "buyers", "average_order_value", "new_users", "active_users"),
    *("user_conversion", "repeat_buyer_share", "arpu", "returning_buyers", "gmv", "sales"),
)
N_TILES = 8
COMPARISONS = ("month_before", "year_before")
MONTHS, GROUPS = 7, 8  # of the tables over time
STATES: Mapping[str, AlertLevel] = {"reached": "fine", "already met": "fine", "missed": "grave"}


def lead_blocks(report: ReportContents, words: Wording) -> list[Block]:
    """What a lead sees first; nothing where the report has none of its sections."""
    currency, tables = report.scope.currency, report.report_tables
    warnings = [each for part in report.parts for each in part.findings.warnings]
    blocks: list[Block] = []
    if warnings:
        blocks.append(AlertBlock([("watch", words.warning(warning)) for warning in warnings]))
    goals = [t for p in report.parts if p.chapter == GOALS for t in p.findings.tables]
    blocks += [_goal_block(table, words, currency) for table in goals]
    blocks += [
        TileBlock(_tiles(table, words, currency), words.text(table.title), table.name)
        for table in tables
        if table.tiles and not table.rows.empty
    ]
    months = [table for table in tables if table.over_time]
    sentences = lead_sentences(months, words, currency)
    if sentences:
        blocks.append(SentenceBlock(words.phrase("what_changed"), sentences))
    over_time = [t for table in months if (t := _over_time(table, words, currency))][:2]
    if over_time:
        note = words.phrase(
            "few_note", few=words.phrase("few"), least=format_value(report.scope.min_group, "count")
        )
        hidden = any(c.withheld for _, shaded in over_time for _, line in shaded.rows for c in line)
        charts = [DataBlock(figures=[Figure(*each)]) for each in over_time]
        blocks += [RowOfBlocks(charts), *([DataBlock(footer=note)] if hidden else [])]
    return blocks


def _tiles(table: ReportTable, words: Wording, currency: str | None) -> list[Tile]:
    """A tile a figure: its value, and those of the month and of the year before."""
    records = zip(table.rows.index, table.rows.to_dict("records"), strict=True)
    rows = {str(row["figure"]): (place, row) for place, row in records}
    ordered = [*(name for name in FIGURES if name in rows), *rows]
    return [
        _tile(table, *rows[name], words, currency)
        for name in list(dict.fromkeys(ordered))[:N_TILES]
    ]


def _tile(
    table: ReportTable, place: Any, row: Mapping[Any, Any], words: Wording, currency: str | None
) -> Tile:
    def shown(column: str) -> str:
        if table.hidden is not None and table.hidden.at[place, column]:
            return withheld_text(table.withheld_text(place, column), words)
        return format_amount(row[column], row["unit"], currency)

    comparisons = []
    for column in COMPARISONS:
        known = not pd.isna(row["value"]) and not pd.isna(row[column])
        change = format_change(row["value"], row[column], row["unit"], words) if known else ""
        key = "compared" if known and change != UNDEFINED else "compared_alone"
        comparisons.append(
            words.phrase(key, when=words.name(column), value=shown(column), change=change)
        )
    name = str(row["figure"])
    hint = f"{name}: {words.text(str(row['definition']))}"
    return Tile(words.name(name), shown("value"), comparisons, hint)


def _goal_block(table: ReportTable, words: Wording, currency: str | None) -> DataBlock:
    """The goals in a row each; how each is measured stands behind."""
    names = ("goal", "goal_state", "goal_now", "goal_target", "goal_progress", "goal_by")
    heads = [words.phrase(name) for name in names]
    records = table.rows.to_dict("records")
    rows = [
        PageRow(list(_goal_cells(table, place, row, words, currency)))
        for place, row in list(zip(table.rows.index, records, strict=True))[:MAX_GOALS]
    ]
    n_more = len(table.rows) - len(rows)
    return DataBlock(
        words.phrase("goals"),
        table=PageTable(heads, rows, frozenset(heads[:2])),
        footer=words.phrase("more_goals", n=n_more) if n_more else "",
    )


def _goal_cells(
    table: ReportTable, place: Any, row: Mapping[Any, Any], words: Wording, currency: str | None
) -> Iterator[Cell]:
    hidden = table.hidden is not None and bool(table.hidden.at[place, "current"])
    metric = words.name(str(row["metric"]))
    kind, _, value = str(row["segment"]).partition("=")
    if kind != ALL_CUSTOMERS:
        kind = kind.strip()
        label = words.label(kind, value.strip())
        segment = words.phrase("goal_segment", kind=words.name(kind), value=label)
        metric = words.phrase("goal_of", metric=metric, segment=segment)
    yield Cell(metric)
    state, reason = words.label("state", str(row["state"])), words.text(str(row["reason"]))
    yield Cell(
        f"{state}: {reason}" if reason else state, level=STATES.get(str(row["state"]), "watch")
    )
    if hidden:
        yield Cell(words.phrase("withheld"), withheld=True)
    elif pd.isna(row["current"]):
        yield Cell(UNDEFINED)
    else:
        now = _goal_amount(row["current"], row["unit"], currency)
        yield Cell(words.phrase("goal_current", value=now, month=words.month(row["month"])))
    yield Cell(_goal_amount(row["target"], row["unit"], currency))
    yield Cell(format_value(row["progress"], "share"))
    yield Cell(format_value(row["deadline"], "date"))


def _goal_amount(value: float, unit: str, currency: str | None) -> str:
    """A number in the unit of its goal."""
    if unit == PERCENT:
        return f"{value:.1f} %"
    if unit in ("money", currency):
        return format_amount(value, "money", currency)
    return format_value(value, unit if unit in ("share", "count") else "number")


def _over_time(
    table: ReportTable, words: Wording, currency: str | None
) -> tuple[str, ShadedTable] | None:
    """Title and rows of the largest groups by month; None of all together, or where most is withheld."""
    assert table.over_time is not None
    by, measure = table.over_time.by, table.over_time.measure
    if not by or table.rows.empty:
        return None
    months = sorted(table.rows["period"].unique())[-MONTHS:]
    rows = table.rows[table.rows["period"].isin(months)]
    numbers = rows.assign(value=rows[measure].to_numpy(dtype=float, na_value=np.nan))
    values = numbers.pivot_table("value", by, "period", "first", dropna=False).reindex(
        columns=months
    )
    largest = values.sum(axis=1).sort_values(ascending=False, kind="stable").index[:GROUPS]
    values = values.loc[largest]
    if len(months) < 2 or values.notna().to_numpy().mean() < 0.5:
        return None
    exists = numbers.pivot_table("value", by, "period", "size").reindex_like(values).notna()
    shaded = [
        (
            words.label(by, table.over_time.group_name(table.rows, str(group))),
            [
                _shaded_cell(v, line, there, words)
                for v, there in zip(line, exists.loc[group], strict=True)
            ],
        )
        for group, line in zip(values.index, values.to_numpy().tolist(), strict=True)
    ]
    title = words.phrase("over_time", measure=words.name(measure), by=words.name(by))
    heads = [_month_head(month, first=n == 0, words=words) for n, month in enumerate(months)]
    unit = table.columns[measure].unit
    return heading(title, unit, currency), ShadedTable(words.name(by), heads, shaded)


def _shaded_cell(value: float, line: Sequence[float], there: bool, words: Wording) -> ShadedCell:
    """A value, the darker the nearer it is to the largest of its row; white from a half of it down."""
    if math.isnan(value):
        return ShadedCell(words.phrase("few"), withheld=True) if there else ShadedCell("")
    rounded = float(f"{value:.3g}")
    text = format_short(rounded, "number", words.sizes) if rounded >= 1e4 else f"{rounded:,.4g}"
    largest = float(np.nanmax(line))
    return ShadedCell(text, max(0.0, 2 * value / largest - 1) if largest > 0 else 0.0)


def _month_head(month: pd.Timestamp, *, first: bool, words: Wording) -> str:
    dates = words.dates
    return dates.label(dates.month_of_year if first or month.month == 1 else dates.month, month)
