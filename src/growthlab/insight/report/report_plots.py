"""The plots of protected tables as charts of `growthlab.pages`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from growthlab.insight.findings import BarPlot, HeatMap, LinePlot, Plot, ReportTable
from growthlab.insight.report.value_format import format_short, format_value, withheld_text
from growthlab.insight.report.wording import Wording
from growthlab.pages.charts import BarChart, LineChart, Point
from growthlab.pages.page import Chart, ShadedCell, ShadedTable

MOST_LINES = 6


def chart_of(plot: Plot, table: ReportTable, words: Wording) -> Chart | ShadedTable | None:
    """What the page draws of a protected table; None where there is nothing to draw."""
    if isinstance(plot, LinePlot):
        return _line_chart(plot, table, words)
    if isinstance(plot, BarPlot):
        return _bar_chart(plot, table, words)
    return _shaded_table(plot, table, words)


def undrawn_notes(plot: Plot, table: ReportTable, words: Wording) -> list[str]:
    """What a plot of lines does not draw of its rows, in sentences; none where it draws all."""
    if not isinstance(plot, LinePlot) or table.hidden is None:
        return []
    rows = _whole_periods(table.rows)
    n_hidden = int(table.hidden.loc[rows.index, list(plot.y)].any(axis=1).sum())
    n_lines = 0 if plot.by is None else rows[plot.by].nunique()
    notes = []
    if n_hidden:
        notes.append(words.phrase("points_undrawn", n=f"{n_hidden:,}", all=f"{len(rows):,}"))
    if n_lines > MOST_LINES:
        notes.append(words.phrase("lines_undrawn", n=MOST_LINES, all=n_lines))
    return notes


def _line_chart(plot: LinePlot, table: ReportTable, words: Wording) -> LineChart | None:
    """Values over `x`; a gap where one is withheld or unknown."""
    lines = _lines(plot, table.rows, words)
    lines = {name: line for name, line in lines.items() if line.notna().any()}
    if not lines or max(len(line) for line in lines.values()) < 2:
        return None
    is_date = table.columns[plot.x].unit == "date"
    return LineChart(
        {name: _points(line, is_date) for name, line in lines.items()},
        partial(format_short, unit=table.columns[plot.y[0]].unit, sizes=words.sizes),
        x_label="" if is_date else words.name(plot.x),
        date_words=words.dates,
    )


def _whole_periods(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["complete"]] if "complete" in rows else rows


def _lines(plot: LinePlot, rows: pd.DataFrame, words: Wording) -> dict[str, pd.Series]:
    """A series over `x` for each line, whole periods only; with `by` the lines with most points."""
    rows = _whole_periods(rows)
    if plot.by is None:
        return {words.name(name): _line(rows, plot.x, name) for name in plot.y}
    counts = rows.groupby(plot.by)[plot.y[0]].count().sort_values(ascending=False, kind="stable")
    return {
        words.label(plot.by, str(name)): _line(rows[rows[plot.by] == name], plot.x, plot.y[0])
        for name in sorted(counts.index[:MOST_LINES])
    }


def _line(rows: pd.DataFrame, x: str, y: str) -> pd.Series:
    return pd.Series(_numbers(rows[y]), index=rows[x])


def _points(line: pd.Series, is_date: bool) -> list[Point]:
    xs = pd.DatetimeIndex(line.index).to_pydatetime() if is_date else line.index.astype(float)
    return list(zip(xs.tolist(), line.tolist(), strict=True))


def _bar_chart(plot: BarPlot, table: ReportTable, words: Wording) -> BarChart | None:
    """A bar a row, the first row on top."""
    values = _numbers(table.rows[plot.y])
    if np.isnan(values).all():
        return None
    return BarChart(
        [words.label(plot.x, str(name)) for name in table.rows[plot.x]],
        {words.name(plot.y): values.tolist()},
        partial(format_short, unit=table.columns[plot.y].unit, sizes=words.sizes),
        missing=words.phrase("withheld"),
    )


def _shaded_table(plot: HeatMap, table: ReportTable, words: Wording) -> ShadedTable:
    """`value` by row and column, the first `most` columns."""
    assert table.hidden is not None
    columns = table.rows[plot.column].drop_duplicates().sort_values().tolist()[: plot.max_columns]
    rows = table.rows[table.rows[plot.column].isin(columns)]
    texts = [withheld_text(table.withheld_text(place, plot.value), words) for place in rows.index]
    rows = rows.assign(hidden=table.hidden[plot.value], shade=_shades(rows, plot), band=texts)
    unit, row_unit = table.columns[plot.value].unit, table.columns[plot.row].unit
    shaded_rows = [
        (
            words.label(plot.row, format_value(name, row_unit)),
            _shaded_cells(part.set_index(plot.column), columns, plot, unit),
        )
        for name, part in rows.groupby(plot.row, sort=True)
    ]
    corner = f"{words.name(plot.row)} \\ {words.name(plot.column)}"
    return ShadedTable(corner, [words.label(plot.column, str(c)) for c in columns], shaded_rows)


def _shaded_cells(
    part: pd.DataFrame, columns: list[Any], plot: HeatMap, unit: str
) -> list[ShadedCell]:
    cells = []
    for column in columns:
        row = part.loc[column] if column in part.index else None
        if row is None or (not row["hidden"] and pd.isna(row[plot.value])):
            cells.append(ShadedCell(""))
        elif row["hidden"]:
            cells.append(ShadedCell(row["band"], withheld=True))
        else:
            value = row[plot.value]
            is_share = unit == "share"
            text = (
                format_short(round(float(value), 2), unit)
                if is_share
                else format_value(value, unit)
            )
            cells.append(ShadedCell(text, 0.0 if pd.isna(row["shade"]) else float(row["shade"])))
    return cells


def _shades(rows: pd.DataFrame, plot: HeatMap) -> np.ndarray:
    """Each value as a share of the one that is furthest from 0, NaN where there is none.

    The shares of a cohort in its own period are 1, and would leave no shade for the others.
    """
    values = _numbers(rows[plot.value]).copy()
    values[(rows[plot.column] == 0).to_numpy() & (values == 1)] = np.nan
    largest = np.nanmax(np.abs(values)) if np.isfinite(values).any() else 1.0
    return values / largest if largest > 0 else values * 0


def _numbers(values: pd.Series) -> np.ndarray:
    return values.to_numpy(dtype=float, na_value=np.nan)
