"""The page of a growth report: a first view for its lead and a tab a chapter, in one language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import pandas as pd

from growthlab.insight.findings import BarPlot, LinePlot, Plot, ReportTable
from growthlab.insight.report.lead_page import GLANCE, lead_blocks
from growthlab.insight.report.report_contents import ReportContents, ReportPart
from growthlab.insight.report.report_plots import chart_of, undrawn_notes
from growthlab.insight.report.value_format import UNDEFINED, format_value, heading, withheld_text
from growthlab.insight.report.wording import Wording
from growthlab.insight.report_scope import SMALLEST_GROUP
from growthlab.pages.charts import LineChart
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
    RowOfBlocks,
    ShadedTable,
    render_page,
)

FLUSH_LEFT = ("label", "date")  # units whose columns hold words


def report_html(report: ReportContents) -> str:
    """The report as one HTML document."""
    words, currency = Wording(report.language), report.scope.currency
    chapters = [Chapter(words.phrase("at_a_glance"), lead_blocks(report, words), name=GLANCE)]
    technical = []
    for name, parts in groupby(report.parts, lambda part: part.chapter):
        articles = []
        for part in parts:
            behind = tuple(table for table in part.findings.tables if table.technical)
            shown = tuple(t for t in part.findings.tables if not (t.technical or t.tiles))
            if shown or not part.findings.tables:
                articles.append(_article(part, shown, words, currency))
            if behind:
                article = _article(part, behind, words, currency)
                technical.append(replace(article, notes=()))
        if articles:
            chapters.append(Chapter(words.text(name), articles=articles, name=name))
    if technical:
        chapters.append(Chapter(words.phrase("technical"), articles=technical, name="technical"))
    chapters.append(_about(report, words))
    page = Page(
        report.title,
        [chapter for chapter in chapters if chapter.blocks or chapter.articles or chapter.notes],
        [_facts(report, words)],
        navigation="tabs",
        language=report.language,
    )
    return render_page(page)


def _facts(report: ReportContents, words: Wording) -> str:
    scope, events = report.scope, report.scope.log
    facts = words.phrase(
        "facts",
        first=f"{scope.first_day:%Y-%m-%d}",
        last=f"{scope.as_of - pd.Timedelta('1us'):%Y-%m-%d}",
        zone=words.phrase(
            "calendar",
            zone=scope.calendar.timezone,
            day=words.label("week_start", scope.calendar.week_start),
        ),
        events=f"{events.n_events:,}",
        customers=format_value(events.n_users, "count"),
        items=f"{events.n_items:,}",
    )
    if scope.currency:
        facts += words.phrase("facts_currency", currency=scope.currency)
    return facts


def _about(report: ReportContents, words: Wording) -> Chapter:
    """Which figures are withheld, and which sections are not in the report."""
    privacy = words.phrase(
        "privacy",
        least=report.scope.min_group,
        smallest=SMALLEST_GROUP,
        withheld=words.phrase("withheld"),
        hidden=f"{report.n_hidden:,}",
        undefined=UNDEFINED,
    )
    left_out = {name: words.text(why) for name, why in report.left_out.items()}
    article = Article(words.phrase("not_in_report"), [ListBlock(left_out)])
    return Chapter(
        words.phrase("about"), articles=[article] if left_out else [], notes=[privacy], name="about"
    )


def _article(
    part: ReportPart, tables: Sequence[ReportTable], words: Wording, currency: str | None
) -> Article:
    blocks = list(_side_by_side([_block(table, words, currency) for table in tables]))
    notes = [words.text(note) for note in part.findings.notes]
    warnings = [words.warning(warning) for warning in part.findings.warnings]
    return Article(words.text(part.title), blocks, [*warnings, *notes])


def _side_by_side(blocks: Sequence[DataBlock]) -> Iterator[Block]:
    """The blocks; those that follow each other and draw one chart alone are next to each other."""
    for is_chart, members in groupby(blocks, _is_one_chart):
        if is_chart:
            yield RowOfBlocks(list(members))
        else:
            yield from members


def _is_one_chart(block: DataBlock) -> bool:
    wide = any(isinstance(figure.chart, ShadedTable) for figure in block.figures)
    return len(block.figures) == 1 and block.table is None and not wide


def _block(table: ReportTable, words: Wording, currency: str | None) -> DataBlock:
    """Plots, rows, and the definitions of all that is seen of a table."""
    title, notes = words.text(table.title), [words.text(table.note)] if table.note else []
    if table.rows.empty:
        return DataBlock(title, table.name, notes=notes, footer=words.phrase("no_rows"))
    rows, n_more = _page_rows(table)
    figures, undrawn = _figures(table, words, currency)
    names = list(table.columns) if table.rows_shown != 0 else _drawn_columns(table)
    file = f"{table.name}.parquet"
    footer = words.phrase("more_rows" if len(rows) else "rows_in_file", n=f"{n_more:,}", file=file)
    return DataBlock(
        title,
        table.name,
        figures=figures,
        table=_page_table(table, rows, words, currency) if len(rows) else None,
        footer=footer if n_more else "",
        notes=[*notes, *undrawn],
        definitions={words.name(n): words.text(table.columns[n].definition) for n in names},
        identifiers={words.name(n): n for n in names},
    )


def _figures(
    table: ReportTable, words: Wording, currency: str | None
) -> tuple[list[Figure], list[str]]:
    """The plots of a table, and what is said of those that have nothing to draw."""
    figures, notes = [], []
    for plot in table.plots:
        chart = chart_of(plot, table, words)
        note = words.joined(undrawn_notes(plot, table, words))
        if chart is None:
            notes += [note] if note else []
            continue
        title = heading(words.text(plot.title), _unit_of(plot, table), currency)
        if isinstance(plot, LinePlot) and isinstance(chart, LineChart) and plot.by:
            title += f": {next(iter(chart.lines))}" if len(chart.lines) == 1 else ""
        figures.append(Figure(title, chart, note))
    return figures, notes


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


def _page_table(
    table: ReportTable, rows: pd.DataFrame, words: Wording, currency: str | None
) -> PageTable:
    page_rows = [
        PageRow(list(_cells(table, place, row, words)), muted=_is_incomplete(row))
        for place, row in zip(rows.index, rows.to_dict("records"), strict=True)
    ]
    heads = {n: heading(words.name(n), c.unit, currency) for n, c in table.columns.items()}
    left = frozenset(heads[n] for n, column in table.columns.items() if column.unit in FLUSH_LEFT)
    return PageTable(list(heads.values()), page_rows, left, {head: n for n, head in heads.items()})


def _is_incomplete(row: Mapping[Any, Any]) -> bool:
    """Whether the log covers only a part of the row's period."""
    return row.get("complete", True) is False


def _cells(
    table: ReportTable, place: object, row: Mapping[Any, Any], words: Wording
) -> Iterator[Cell]:
    for name, column in table.columns.items():
        if table.hidden is not None and table.hidden.at[place, name]:
            yield Cell(withheld_text(table.withheld_text(place, name), words), withheld=True)
        elif column.unit == "label":
            yield Cell(words.label(name, format_value(row[name], column.unit)))
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
