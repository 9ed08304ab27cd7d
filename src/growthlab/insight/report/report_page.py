"""The page of a growth report: its chapters, tables and plots as the blocks of `growthlab.pages`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import pandas as pd

from growthlab.insight.findings import BarPlot, LinePlot, Plot, ReportTable
from growthlab.insight.report.report_contents import ReportContents, ReportPart
from growthlab.insight.report.report_plots import chart_of, undrawn_note
from growthlab.insight.report.value_format import (
    UNDEFINED,
    WITHHELD,
    format_amount,
    format_change,
    format_value,
    heading,
)
from growthlab.insight.report_scope import SMALLEST_GROUP
from growthlab.pages.page import (
    Article,
    Block,
    Cell,
    Chapter,
    DataBlock,
    Figure,
    ListBlock,
    Page,
    PageRow,
    PageTable,
    Tile,
    TileBlock,
    render_page,
)

WORDS = ("label", "date")  # units whose columns are flush left
COMPARISONS = {"month_before": "on the month before", "year_before": "on the year before"}


def report_html(report: ReportContents) -> str:
    """The report as one HTML document."""
    currency = report.scope.currency
    chapters = [
        Chapter(name, articles=[_article(part, currency) for part in parts])
        for name, parts in groupby(report.parts, lambda part: part.chapter)
    ]
    technical = [
        Article(part.title, [_block(table, currency) for table in tables])
        for part in report.parts
        if (tables := [table for table in part.findings.tables if table.technical])
    ]
    if technical:
        chapters.append(Chapter("Technical details", articles=technical))
    if report.left_out:
        chapters.append(Chapter("Not in this report", [ListBlock(report.left_out)]))
    page = Page(report.title, chapters, [_facts(report)], [_privacy(report)], links=True)
    return render_page(page)


def _facts(report: ReportContents) -> str:
    scope, events = report.scope, report.scope.log
    return (
        f"{scope.first_day:%Y-%m-%d} to {scope.as_of - pd.Timedelta('1us'):%Y-%m-%d} "
        f"({scope.calendar.timezone}, weeks from {scope.calendar.week_start.capitalize()}) · "
        f"{events.n_events:,} events · {format_value(events.n_users, 'count')} customers · "
        f"{events.n_items:,} items" + (f" · money in {scope.currency}" if scope.currency else "")
    )


def _privacy(report: ReportContents) -> str:
    least = report.scope.min_group
    return (
        f"Figures of fewer than {least} customers are withheld, and figures of fewer than {SMALLEST_GROUP} "
        f"of them who did something or did not: a number of customers is then `under {least}` or another "
        f"range, any other figure `{WITHHELD}`, also where small groups could be worked out "
        f"({report.n_hidden:,} cells of all tables). {UNDEFINED} means "
        "not defined. Every table is a Parquet file of its name, with all rows; dates are the first "
        "days of periods."
    )


def _article(part: ReportPart, currency: str | None) -> Article:
    blocks = [_block(table, currency) for table in part.findings.tables if not table.technical]
    warnings = [f"Warning: {warning}" for warning in part.findings.warnings]
    return Article(part.title, blocks, [*warnings, *part.findings.notes])


def _block(table: ReportTable, currency: str | None) -> Block:
    """Plots, rows, and the definitions of all that is seen of a table."""
    undrawn = [note for plot in table.plots if (note := undrawn_note(plot, table))]
    notes = [note for note in (table.note, *undrawn) if note]
    if table.rows.empty:
        return DataBlock(table.title, table.name, notes=notes, footer="There are no rows.")
    if table.tiles:
        return TileBlock(_tiles(table, currency), table.title, table.name, notes)
    charts = [
        (heading(plot.title, _unit_of(plot, table), currency), chart_of(plot, table))
        for plot in table.plots
    ]
    rows, n_more = _page_rows(table)
    names = list(table.columns) if table.rows_shown != 0 else _drawn_columns(table)
    more = f"{'more ' if len(rows) else ''}row{'' if n_more == 1 else 's'}"
    return DataBlock(
        table.title,
        table.name,
        figures=[Figure(title, chart) for title, chart in charts if chart is not None],
        table=_page_table(table, rows, currency) if len(rows) else None,
        footer=f"{n_more:,} {more} in {table.name}.parquet" if n_more else "",
        notes=notes,
        definitions={name: table.columns[name].definition for name in names},
    )


def _page_rows(table: ReportTable) -> tuple[pd.DataFrame, int]:
    """The rows that the page shows, and how many more the file has."""
    rows, n = table.rows, table.rows_shown
    if n is not None:
        newest_last = next(iter(table.columns.values())).unit == "date"
        rows = rows.tail(n) if newest_last else rows.head(n)
    return rows, len(table.rows) - len(rows)


def _unit_of(plot: Plot, table: ReportTable) -> str:
    """The unit of what a plot draws."""
    if isinstance(plot, LinePlot):
        return table.columns[plot.y[0]].unit
    return table.columns[plot.y if isinstance(plot, BarPlot) else plot.value].unit


def _page_table(table: ReportTable, rows: pd.DataFrame, currency: str | None) -> PageTable:
    page_rows = [
        PageRow(list(_cells(table, place, row)), muted=_is_incomplete(row))
        for place, row in zip(rows.index, rows.to_dict("records"), strict=True)
    ]
    names = {name: heading(name, column.unit, currency) for name, column in table.columns.items()}
    words = frozenset(names[n] for n, column in table.columns.items() if column.unit in WORDS)
    return PageTable(list(names.values()), page_rows, words)


def _is_incomplete(row: Mapping[Any, Any]) -> bool:
    """Whether the log covers only a part of the row's period."""
    return row.get("complete", True) is False


def _cells(table: ReportTable, place: object, row: Mapping[Any, Any]) -> Iterator[Cell]:
    for name, column in table.columns.items():
        if table.hidden is not None and table.hidden.at[place, name]:
            yield Cell(table.withheld_text(place, name) or WITHHELD, withheld=True)
        else:
            yield Cell(format_value(row[name], column.unit))


def _drawn_columns(table: ReportTable) -> list[str]:
    names: list[str] = []
    for plot in table.plots:
        if isinstance(plot, LinePlot):
            names += [plot.x, *plot.y, *([plot.by] if plot.by else [])]
        elif isinstance(plot, BarPlot):
            names += [plot.x, plot.y]
        else:
            names += [plot.row, plot.column, plot.value]
    return list(dict.fromkeys(names))


def _tiles(table: ReportTable, currency: str | None) -> list[Tile]:
    """A tile a row: figure, value, change from the month and from the year before, definition."""
    assert table.hidden is not None
    tiles = []
    for place, row in table.rows.iterrows():
        hidden = table.hidden.at[place, "value"]
        shown = table.withheld_text(place, "value") or WITHHELD
        value = shown if hidden else format_amount(row["value"], row["unit"], currency)
        changes = [
            f"{format_change(row['value'], row[column], row['unit'])} {words}"
            for column, words in COMPARISONS.items()
            if not pd.isna(row["value"]) and not pd.isna(row[column])
        ]
        tiles.append(Tile(row["figure"], value, changes, row["definition"]))
    return tiles
