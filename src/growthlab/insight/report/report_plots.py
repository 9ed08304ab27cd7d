"""Plots of protected tables as SVG: small enough for a phone, and sharp on paper."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from growthlab.evaluation.plots import BLUE, COLOURS, INK, PALE, QUIET
from growthlab.insight.findings import Bars, Lines, ReportTable
from growthlab.insight.report.value_format import format_short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 4.6  # inches: a phone's width in points, so that letters keep their size there
LONG = 40  # more points than that need no dots
MOST_LINES = 6


def svg(plot: Lines | Bars, table: ReportTable) -> str:
    """The plot of a protected table as an ``<svg>`` element; empty where there is nothing to draw."""
    figure = _lines(plot, table) if isinstance(plot, Lines) else _bars(plot, table)
    if figure is None:
        return ""
    out = io.StringIO()
    # letters stay letters, and the same plot is the same text
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": f"{table.name}/{plot.title}"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(out.getvalue(), plot.title)


def _inline(text: str, title: str) -> str:
    """The element without the declarations of a file and of a fixed size."""
    text = text[text.index("<svg") :]
    opening, _, rest = text.partition(">")
    box = opening.partition('viewBox="')[2].partition('"')[0]
    label = title.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    inside = (
        rest[rest.index("</metadata>") + len("</metadata>") :] if "</metadata>" in rest else rest
    )
    return f'<svg viewBox="{box}" role="img" aria-label="{label}">{inside.strip()}'


def _lines(plot: Lines, table: ReportTable) -> Figure | None:
    """Values over `x`; a gap where one is withheld or unknown."""
    lines = _curves(plot, table.rows)
    lines = {name: line for name, line in lines.items() if line.notna().any()}
    if not lines or max(len(line) for line in lines.values()) < 2:
        return None
    figure, axes = _canvas(2.9)
    for (name, line), colour in zip(lines.items(), COLOURS * 3, strict=False):
        dots = "o" if len(line) <= LONG else ""
        axes.plot(
            line.index,
            line.to_numpy(),
            color=colour,
            linewidth=1.8,
            marker=dots,
            markersize=3.5,
            label=name,
        )
    if len(lines) > 1:
        axes.legend(
            frameon=False,
            fontsize=9,
            ncols=2 if len(lines) > 3 else len(lines),
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            handlelength=1.4,
            borderaxespad=0.2,
        )
    unit = table.columns[plot.y[0]].unit
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_short(value, unit)))
    if table.columns[plot.x].unit == "date":
        dates = AutoDateLocator(minticks=3, maxticks=6)
        axes.xaxis.set_major_locator(dates)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(dates))
    else:
        axes.set_xlabel(plot.x.replace("_", " "), fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    highest = max(line.max() for line in lines.values())
    lowest = min(line.min() for line in lines.values())
    axes.set_ylim(min(0.0, 1.08 * lowest), 1.08 * highest if highest > 0 else None)
    return figure


def _curves(plot: Lines, rows: pd.DataFrame) -> dict[str, pd.Series]:
    """A series over `x` for each line, whole periods only."""
    if "complete" in rows:
        rows = rows[rows["complete"]]
    if plot.by is None:
        return {
            name.replace("_", " "): _numbers(rows, name).set_axis(rows[plot.x]) for name in plot.y
        }
    largest = rows.groupby(plot.by)[plot.y[0]].count().sort_values(ascending=False, kind="stable")
    kept = sorted(largest.index[:MOST_LINES])
    parts = {str(name): rows[rows[plot.by] == name] for name in kept}
    return {n: _numbers(part, plot.y[0]).set_axis(part[plot.x]) for n, part in parts.items()}


def _bars(plot: Bars, table: ReportTable) -> Figure | None:
    """A bar a row with its value beside it, the first row on top."""
    values = _numbers(table.rows, plot.y)
    if not values.notna().any():
        return None
    figure, axes = _canvas(0.5 + 0.3 * len(values))
    places = np.arange(len(values))[::-1]
    axes.barh(places, values.fillna(0), height=0.62, color=BLUE)
    unit = table.columns[plot.y].unit
    for place, value in zip(places, values, strict=True):
        text = "withheld" if np.isnan(value) else format_short(value, unit)
        at = 0 if np.isnan(value) else value
        axes.annotate(
            text,
            (at, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=INK,
        )
    axes.set_yticks(places, [str(name) for name in table.rows[plot.x]])
    axes.set_xlim(0, 1.18 * float(values.max()) or 1)
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    return figure


def _canvas(height: float) -> tuple[Figure, Axes]:
    """A figure with one pair of axes; its title stands above it on the page."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    axes.set_axisbelow(True)
    axes.grid(color="#E4E4E4", linewidth=0.7)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(PALE)
    axes.tick_params(colors=INK, length=0, labelsize=9)
    axes.xaxis.label.set_color(QUIET)
    return figure, axes


def _numbers(rows: pd.DataFrame, column: str) -> pd.Series:
    return pd.Series(rows[column].to_numpy(dtype=float, na_value=np.nan), index=rows.index)


def shades(values: Sequence[float]) -> list[float]:
    """How dark each value of a heat map is, 0 to 1 of the largest; NaN where there is none."""
    found = np.asarray(values, dtype=float)
    top = np.nanmax(found) if np.isfinite(found).any() else 1.0
    return list(found / top if top > 0 else found * 0)
