"""The plots of protected tables as charts of `growthlab.pages`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from growthlab.insight.findings import BarPlot, HeatMap, LinePlot, Plot, ReportTable
from growthlab.insight.report.value_format import WITHHELD, format_short, format_value
from growthlab.pages.charts import BarChart, Chart, LineChart, Point
from growthlab.pages.page import ShadedCell, ShadedTable

MOST_LINES = 6


def chart_of(plot: Plot, table: ReportTable) -> Chart | ShadedTable | None:
    """What the page draws of a protected table; None where there is nothing to draw."""
    if isinstance(plot, LinePlot):
        return _line_chart(plot, table)
    return _bar_chart(plot, table) if isinstance(plot, BarPlot) else _shaded_table(plot, table)


def undrawn_note(plot: Plot, table: ReportTable) -> str:
    """What a plot of lines does not draw of its rows, in a sentence; empty where it draws all."""
    if not isinstance(plot, LinePlot) or table.hidden is None:
        return ""
    rows = table.rows[table.rows["complete"]] if "complete" in table.rows else table.rows
    n_hidden = int(table.hidden.loc[rows.index, list(plot.y)].any(axis=1).sum())
    sentences = []
    if n_hidden:
        sentences.append(
            f"{plot.title}: {n_hidden:,} of {len(rows):,} points are withheld, as too few customers are "
            "behind them; the lines have gaps there."
        )
    n_lines = 0 if plot.by is None else rows[plot.by].nunique()
    if n_lines > MOST_LINES:
        sentences.append(
            f"{plot.title}: {MOST_LINES} of {n_lines} lines are drawn, those with the most points."
        )
    return " ".join(sentences)


def _line_chart(plot: LinePlot, table: ReportTable) -> LineChart | None:
    """Values over `x`; a gap where one is withheld or unknown."""
    lines = {name: line for name, line in _lines(plot, table.rows).items() if line.notna().any()}
    if not lines or max(len(line) for line in lines.values()) < 2:
        return None
    is_date = table.columns[plot.x].unit == "date"
    return LineChart(
        {name: _points(line, is_date) for name, line in lines.items()},
        partial(format_short, unit=table.columns[plot.y[0]].unit),
        x_label="" if is_date else plot.x.replace("_", " "),
    )


def _lines(plot: LinePlot, rows: pd.DataFrame) -> dict[str, pd.Series]:
    """A series over `x` for each line, whole periods only; with `by` the lines with most points."""
    if "complete" in rows:
        rows = rows[rows["complete"]]
    if plot.by is None:
        return {name.replace("_", " "): _line(rows, plot.x, name) for name in plot.y}
    counts = rows.groupby(plot.by)[plot.y[0]].count().sort_values(ascending=False, kind="stable")
    return {
        str(name): _line(rows[rows[plot.by] == name], plot.x, plot.y[0])
        for name in sorted(counts.index[:MOST_LINES])
    }


def _line(rows: pd.DataFrame, x: str, y: str) -> pd.Series:
    return pd.Series(_numbers(rows[y]), index=rows[x])


def _points(line: pd.Series, is_date: bool) -> list[Point]:
    xs = pd.DatetimeIndex(line.index).to_pydatetime() if is_date else line.index.astype(float)
    return list(zip(xs.tolist(), line.tolist(), strict=True))


def _bar_chart(plot: BarPlot, table: ReportTable) -> BarChart | None:
    """A bar a row, the first row on top."""
    values = _numbers(table.rows[plot.y])
    if np.isnan(values).all():
        return None
    return BarChart(
        [str(name) for name in table.rows[plot.x]],
        {plot.y: values.tolist()},
        partial(format_short, unit=table.columns[plot.y].unit),
        missing="withheld",
    )


def _shaded_table(plot: HeatMap, table: ReportTable) -> ShadedTable:
    """`value` by row and column, the first `most` columns."""
    assert table.hidden is not None
    columns = table.rows[plot.column].drop_duplicates().sort_values().tolist()[: plot.max_columns]
    rows = table.rows[table.rows[plot.column].isin(columns)]
    texts = [table.withheld_text(place, plot.value) or WITHHELD for place in rows.index]
    rows = rows.assign(hidden=table.hidden[plot.value], shade=_shades(rows, plot), band=texts)
    unit, row_unit = table.columns[plot.value].unit, table.columns[plot.row].unit
    shaded_rows = [
        (
            format_value(name, row_unit),
            _shaded_cells(part.set_index(plot.column), columns, plot, unit),
        )
        for name, part in rows.groupby(plot.row, sort=True)
    ]
    corner = f"{plot.row} \\ {plot.column}"
    return ShadedTable(corner, [str(column) for column in columns], shaded_rows)


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
    """Each value as a share of the largest, NaN where there is none.

    The shares of a cohort in its own period are 1, and would leave no shade for the others.
    """
    values = _numbers(rows[plot.value]).copy()
    values[(rows[plot.column] == 0).to_numpy() & (values == 1)] = np.nan
    largest = np.nanmax(values) if np.isfinite(values).any() else 1.0
    return values / largest if largest > 0 else values * 0


def _numbers(values: pd.Series) -> np.ndarray:
    return values.to_numpy(dtype=float, na_value=np.nan)
