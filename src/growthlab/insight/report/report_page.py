"""The report as one HTML page: no script, no request, readable on a phone and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from growthlab.insight.findings import Bars, Column, Heat, Lines, ReportTable
from growthlab.insight.report.report_contents import ReportContents, ReportPart
from growthlab.insight.report.report_plots import shades, svg
from growthlab.insight.report.report_style import CSS
from growthlab.insight.report.value_format import (
    UNDEFINED,
    WITHHELD,
    format_short,
    format_value,
    percent_change,
)
from growthlab.insight.scope import LEAST_GROUP

NUMBERS_LEFT = ("label", "date")


def page(report: ReportContents) -> str:
    """The whole document."""
    chapters = [(name, list(parts)) for name, parts in groupby(report.parts, lambda p: p.chapter)]
    body = [_header(report), _contents(report, [name for name, _ in chapters])]
    for name, parts in chapters:
        inside = "".join(_section(part) for part in parts)
        body.append(f'<section id="{_slug(name)}"><h2>{escape(name)}</h2>{inside}</section>')
    if report.left_out:
        rows = "".join(
            f"<li><b>{escape(n)}</b>: {escape(w)}</li>" for n, w in report.left_out.items()
        )
        body.append(f'<section id="left-out"><h2>Not in this report</h2><ul>{rows}</ul></section>')
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(report.title)}</title><link rel="icon" href="data:,"><style>{CSS}</style>'
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'
    )


def _header(report: ReportContents) -> str:
    scope, events = report.scope, report.scope.log
    facts = (
        f"{scope.first:%Y-%m-%d} to {scope.as_of - pd.Timedelta('1us'):%Y-%m-%d} (UTC) · "
        f"{events.n_events:,} events · {format_value(events.n_users, 'count')} customers · "
        f"{events.n_items:,} items" + (f" · money in {scope.currency}" if scope.currency else "")
    )
    least = scope.min_group
    privacy = (
        f"Figures of fewer than {least} customers are withheld, and those of fewer than {LEAST_GROUP} "
        f"of them who did something: <span class=hidden>{WITHHELD}</span> stands in their place, and in "
        f"that of what would give them away ({report.n_hidden:,} cells of all tables). {UNDEFINED} "
        "means not defined. Every table is a Parquet file of its name, with all rows; the dates are "
        "first days of periods."
    )
    title = escape(report.title)
    return f"<header><h1>{title}</h1><p>{escape(facts)}</p><p class=note>{privacy}</p></header>"


def _contents(report: ReportContents, chapters: list[str]) -> str:
    links = [f'<a href="#{_slug(name)}">{escape(name)}</a>' for name in chapters]
    if report.left_out:
        links.append('<a href="#left-out">Not in this report</a>')
    return f"<nav>{' '.join(links)}</nav>"


def _section(part: ReportPart) -> str:
    notes = "".join(f"<p class=note>{_words(note)}</p>" for note in part.findings.notes)
    tables = "".join(_table(table) for table in part.findings.tables)
    return f"<article><h3>{escape(part.title)}</h3>{notes}{tables}</article>"


def _table(table: ReportTable) -> str:
    """Plots, rows, and the definitions of all that is seen of the table."""
    head = f'<h4 id="{table.name}">{escape(table.title)} <code>{table.name}</code></h4>'
    note = f"<p class=note>{_words(table.note)}</p>" if table.note else ""
    if table.rows.empty:
        return f"<div class=table>{head}{note}<p>None was found.</p></div>"
    if table.tiles:
        return f"<div class=table>{head}{_tiles(table)}{note}</div>"
    plots = "".join(_plot(plot, table) for plot in table.plots)
    wide = 330 * len(table.plots)  # where rows still fit beside the plots they stand there
    plots = f'<div class=plots style="flex-basis:{wide}px">{plots}</div>' if plots else ""
    rows = _rows(table)
    body = f"<div class=body>{plots}<div class=rows>{rows}</div></div>"
    if table.shown == 0:
        body = f"{plots}{rows}"
    return f"<div class=table>{head}{body}{note}{_definitions(table)}</div>"


def _plot(plot: Lines | Bars | Heat, table: ReportTable) -> str:
    drawn = _heat(plot, table) if isinstance(plot, Heat) else svg(plot, table)
    if not drawn:
        return ""
    wide = " class=wide" if isinstance(plot, Heat) else ""
    return f"<figure{wide}><figcaption>{escape(plot.title)}</figcaption>{drawn}</figure>"


def _rows(table: ReportTable) -> str:
    """The rows that the page shows; the file has all."""
    rows, n = table.rows, table.shown
    if n == 0:
        return f"<p class=file>{len(rows):,} rows in {table.name}.parquet</p>"
    latest = next(iter(table.columns.values())).unit == "date"
    if n is not None:
        rows = rows.tail(n) if latest else rows.head(n)
    cells = []
    for place, row in zip(rows.index, rows.itertuples(index=False), strict=True):
        marked = ' class="part"' if getattr(row, "complete", True) is False else ""
        cells.append(f"<tr{marked}>{''.join(_cells(table, place, row))}</tr>")
    names = "".join(
        f'<th{_side(c)} scope="col">{_breakable(n)}</th>' for n, c in table.columns.items()
    )
    more = len(table.rows) - len(rows)
    rest = f"<p class=file>{more:,} more rows in {table.name}.parquet</p>" if more else ""
    body = f"<thead><tr>{names}</tr></thead><tbody>{''.join(cells)}</tbody>"
    return f"<div class=scroll tabindex=0><table>{body}</table></div>{rest}"


def _cells(table: ReportTable, place: object, row: tuple[object, ...]) -> Iterator[str]:
    for (name, column), value in zip(table.columns.items(), row, strict=True):
        if table.hidden is not None and table.hidden.at[place, name]:
            yield f"<td class=hidden>{WITHHELD}</td>"
        else:
            yield f"<td{_side(column)}>{escape(format_value(value, column.unit))}</td>"


def _side(column: Column) -> str:
    return " class=name" if column.unit in NUMBERS_LEFT else ""


def _definitions(table: ReportTable) -> str:
    """What the columns that are seen mean: those of the rows, or those that are drawn."""
    names = list(table.columns) if table.shown != 0 else _drawn(table)
    items = "".join(
        f"<div><dt>{_breakable(n)}</dt><dd>{escape(table.columns[n].definition)}</dd></div>"
        for n in names
    )
    return f"<dl>{items}</dl>"


def _drawn(table: ReportTable) -> list[str]:
    names: list[str] = []
    for plot in table.plots:
        if isinstance(plot, Lines):
            names += [plot.x, *plot.y, *([plot.by] if plot.by else [])]
        elif isinstance(plot, Bars):
            names += [plot.x, plot.y]
        else:
            names += [plot.row, plot.column, plot.value]
    return list(dict.fromkeys(names))


def _heat(plot: Heat, table: ReportTable) -> str:
    """A table of `value`, shaded; the first `most` columns."""
    rows, unit = table.rows, table.columns[plot.value].unit
    assert table.hidden is not None
    across = rows[plot.column].drop_duplicates().sort_values().tolist()[: plot.most]
    rows = rows[rows[plot.column].isin(across)]
    rows = rows.assign(hidden=table.hidden[plot.value], shade=_shades(rows, plot))
    head = "".join(f'<th scope="col">{a}</th>' for a in across)
    lines = []
    for name, part in rows.groupby(plot.row, sort=True):
        at = part.set_index(plot.column)
        cells = "".join(_heat_cell(at, a, plot.value, unit) for a in across)
        label = format_value(name, table.columns[plot.row].unit)
        lines.append(f'<tr><th scope="row">{escape(label)}</th>{cells}</tr>')
    corner = f'<th scope="col">{_breakable(plot.row)} \\ {_breakable(plot.column)}</th>'
    body = f"<thead><tr>{corner}{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class=scroll tabindex=0><table class="heat">{body}</table></div>'


def _shades(rows: pd.DataFrame, plot: Heat) -> list[float]:
    """Shares of a period of their own are 1 and would leave no shade for the others."""
    values = rows[plot.value].to_numpy(dtype=float, na_value=np.nan, copy=True)
    values[(rows[plot.column] == 0).to_numpy() & (values == 1)] = np.nan
    return shades(values.tolist())


def _heat_cell(at: pd.DataFrame, column: Any, value: str, unit: str) -> str:
    if column not in at.index:
        return "<td></td>"
    row = at.loc[column]
    if row["hidden"]:
        return f"<td class=hidden>{WITHHELD}</td>"
    if pd.isna(row[value]):
        return "<td></td>"
    shade = 0.0 if pd.isna(row["shade"]) else 0.6 * row["shade"]  # dark letters stay readable
    shown = (
        format_short(round(float(row[value]), 2), unit)
        if unit == "share"
        else format_value(row[value], unit)
    )
    return f'<td style="background:rgba(0,114,178,{shade:.2f})">{escape(shown)}</td>'


def _tiles(table: ReportTable) -> str:
    """A tile a row: figure, value, change against the month and the year before, definition."""
    tiles = []
    hidden = table.hidden
    assert hidden is not None
    for place, row in table.rows.iterrows():
        value = (
            WITHHELD
            if hidden.at[place, "value"]
            else escape(format_value(row["value"], row["unit"]))
        )
        changes = [
            f"<span>{percent_change(row['value'], row[name])} {words}</span>"
            for name, words in (
                ("month_before", "on the month before"),
                ("year_before", "on the year before"),
            )
            if not pd.isna(row["value"]) and not pd.isna(row[name]) and row[name]
        ]
        tiles.append(
            f"<div class=tile><b>{_breakable(row['figure'])}</b><strong>{value}</strong>"
            f"<small>{' '.join(changes)}</small><p>{escape(row['definition'])}</p></div>"
        )
    return f"<div class=tiles>{''.join(tiles)}</div>"


def _words(note: str) -> str:
    """A note; what stands between backticks is code."""
    parts = enumerate(escape(note).split("`"))
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in parts)


def _breakable(name: str) -> str:
    """A name that may be broken after an underscore."""
    return escape(name).replace("_", "_<wbr>")


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")
