"""Single plots of metrics, learning curves and predictions, as matplotlib figures without global state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from growthlab.core.visible_text import visible_text
from growthlab.evaluation.outcome import Estimate
from growthlab.metrics.predictions import equal_mass_bins, group_by_prediction, sums_of_first
from growthlab.pages.text_table import decimals_for, format_number, metric_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, which colour-blind readers can distinguish
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, "#E69F00")
INK, QUIET, PALE = "#222222", "#767676", "#D9D9D9"
CHANCE: dict[str, Any] = {"color": QUIET, "linewidth": 1, "linestyle": (0, (4, 3)), "zorder": 0}
MOST_FEATURES = 20
COLUMNS = 3  # of small plots beside each other


def curves(lines: Mapping[str, Sequence[float]], title: str, *, maximise: bool = True) -> Figure:
    """Values by epoch (from 1) of one quantity, one line per name, with the best epoch marked.

    A line without values is left out.
    """
    lines = {name: values for name, values in lines.items() if np.isfinite(values).any()}
    figure, axes = canvas(7.2, 4.2, title)
    ends = []
    for (name, values), colour in zip(lines.items(), _colours(len(lines)), strict=True):
        epochs = np.arange(1, len(values) + 1)
        axes.plot(epochs, values, color=colour, linewidth=2)
        best = int(np.nanargmax(values) if maximise else np.nanargmin(values))
        axes.plot(epochs[best], values[best], "o", color=colour, markersize=7)
        best_text = f"{format_number(values[best], decimals_for(values))} at {epochs[best]}"
        axes.annotate(
            best_text,
            (epochs[best], values[best]),
            xytext=(0, 9 if maximise else -18),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=colour,
        )
        ends.append((float(len(values)), values[-1], name, colour))
    axes.set_xlabel("epoch")
    axes.margins(y=0.14)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(lines) > 1:
        _name_line_ends(axes, ends)
    return figure


def metric_bars(
    estimates: Mapping[str, Estimate],
    title: str,
    *,
    subtitle: str = "",
    colours: Mapping[str, str] | None = None,
    largest_first: bool = True,
    points: bool = False,
) -> Figure:
    """One horizontal bar per name, sorted, with its bounds as a whisker and its value next to it.

    With `points` a dot in place of the bar: the axis need not begin at 0, which may mean nothing.
    """
    known = {n: e for n, e in estimates.items() if np.isfinite(e.value)}
    order = sorted(known, key=lambda n: known[n].value, reverse=not largest_first)  # from below
    figure, axes = canvas(7.6, 1.5 + 0.36 * max(len(order), 1), title, subtitle)
    digits = decimals_for([e.value for e in known.values()])
    for place, name in enumerate(order):
        value, low, high = known[name]
        colour = (colours or {}).get(name, SKY)
        if points:
            axes.plot(value, place, "o", color=colour, markersize=11, zorder=3)
        else:
            axes.barh(place, value, height=0.62, color=colour)
        end = value if points else max(value, 0)
        if np.isfinite(low):
            axes.plot([low, high], [place, place], color=INK, linewidth=1.4, solid_capstyle="butt")
            end = max(end, high)
        axes.annotate(
            format_number(value, digits),
            (end, place),
            xytext=(11 if end == value and points else 6, 0),
            textcoords="offset points",
            va="center",
            fontsize=10,
            color=INK,
        )
    axes.set_yticks(range(len(order)), [_label(name) for name in order], fontsize=10)
    axes.tick_params(axis="y", length=0)
    if not points:
        axes.axvline(0, color=QUIET, linewidth=0.8)
    axes.grid(axis="y", visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.set_ylim(-0.6, max(len(order), 1) - 0.4)
    left, right = axes.get_xlim()
    axes.set_xlim(left, right + 0.1 * (right - left))
    return figure


def reliability(predictions: Mapping[str, pd.DataFrame], *, n_bins: int = 10) -> Figure:
    """Share of positives against the predicted probability, in bins of equal mass: a line per name."""
    figure, axes = canvas(
        5.6, 5.4, "Calibration", f"{n_bins} groups of equal size; the diagonal is perfect"
    )
    bins = _reliability_bins(predictions, n_bins)
    ends = []
    for (name, (predicted, observed)), colour in zip(
        bins.items(), _colours(len(bins)), strict=True
    ):
        axes.plot(predicted, observed, "o-", color=colour, linewidth=2, markersize=6)
        ends.append((float(predicted[0]), float(observed[0]), name, colour))
    _square(axes, bins)
    axes.set_xlabel("predicted probability (mean of the group)")
    axes.set_ylabel("observed share (of the group)")
    if len(predictions) > 1:
        _legend(axes, ends)
    return figure


def reliability_of_models(predictions: Mapping[str, pd.DataFrame], *, n_bins: int = 10) -> Figure:
    """As `reliability`, a small plot per name: in one plot the lines of good models cannot be told apart."""
    rows = -(-len(predictions) // COLUMNS)
    figure, whole = canvas(
        9.0,
        0.9 + 2.9 * rows,
        "Calibration",
        f"observed share by predicted probability, {n_bins} groups of equal size; the diagonal is perfect",
    )
    bins = _reliability_bins(predictions, n_bins)
    for axes, (name, (predicted, observed)) in zip(
        small_axes(figure, whole, len(bins)), bins.items(), strict=True
    ):
        axes.plot(predicted, observed, "o-", color=BLUE, linewidth=1.6, markersize=4)
        _square(axes, bins)
        axes.set_title(_label(name), fontsize=10, color=INK, loc="left")
    return figure


def gain_curve(predictions: Mapping[str, pd.DataFrame], what: str) -> Figure:
    """Share of `what` (positives, revenue) found among the best-ranked share of the customers."""
    figure, axes = canvas(
        6.4, 4.8, f"Share of {what} found", "customers ranked by prediction, best first"
    )
    ends = []
    for (name, table), colour in zip(predictions.items(), _colours(len(predictions)), strict=True):
        share, captured = _cumulative(table)
        axes.plot(100 * share, 100 * captured, color=colour, linewidth=2)
        ends.append((0.0, float(np.trapezoid(captured, share)), name, colour))
    first = next(iter(predictions.values()))
    share, captured = _cumulative(first.assign(prediction=first["label"]))
    (perfect,) = axes.plot(100 * share, 100 * captured, color="#BBBBBB", linewidth=2, zorder=0)
    (chance,) = axes.plot([0, 100], [0, 100], **CHANCE)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 101)
    axes.set_xlabel("customers (%)")
    axes.set_ylabel(f"{what} found (%)")
    _legend(axes, ends, {"perfect order": perfect, "chance": chance})
    return figure


def lift_curve(predictions: Mapping[str, pd.DataFrame], what: str) -> Figure:
    """Share of `what` among the best-ranked relative to that of all customers; 1 is chance."""
    figure, axes = canvas(
        6.4, 4.4, "Lift", f"share of {what} among the best-ranked, relative to all customers"
    )
    ends = []
    for (name, table), colour in zip(predictions.items(), _colours(len(predictions)), strict=True):
        share, captured = _cumulative(table)
        kept = share >= 0.01
        lift = captured[kept] / share[kept]
        axes.plot(100 * share[kept], lift, color=colour, linewidth=2)
        at_ten = float(np.interp(0.1, share[kept], lift))
        ends.append((10.0, at_ten, name, colour))
        if len(predictions) == 1:
            axes.plot(10, at_ten, "o", color=colour, markersize=7)
            axes.annotate(
                f"{at_ten:.2f} at 10 %",
                (10, at_ten),
                xytext=(10, 4),
                textcoords="offset points",
                fontsize=10,
                color=colour,
            )
    axes.axhline(1, **CHANCE)
    axes.text(1, 0.98, "chance", color=QUIET, fontsize=9, va="top")
    axes.set_xlim(0, 100)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("customers contacted, best-ranked first (%)")
    axes.set_ylabel("lift")
    if len(predictions) > 1:
        _legend(axes, ends)
    return figure


def importance(table: pd.DataFrame, objective: str) -> Figure:
    """The loss of the test objective when a feature is shuffled, for the most important features."""
    rows = table.head(MOST_FEATURES).to_dict("records")
    bars = {
        r["feature"]: Estimate(
            r["importance"], r["importance"] - r["sd"], r["importance"] + r["sd"]
        )
        for r in rows
    }
    return metric_bars(
        bars,
        "Feature importance",
        subtitle=f"loss of {metric_label(objective)} when a feature is shuffled; whiskers: 1 sd",
    )


def decile_calibration(table: pd.DataFrame) -> Figure:
    """Predicted and actual mean value of ten groups of equal size, highest predictions first."""
    actual, predicted = equal_mass_bins(group_by_prediction(*_columns(table)), 10)
    places = np.arange(1, 11)
    figure, axes = canvas(
        7.2,
        4.4,
        "Predicted and actual value",
        "mean of each tenth: grey bars actual, blue dots predicted",
    )
    axes.bar(places, actual, width=0.7, color=PALE)
    axes.plot(places, predicted, "o", color=BLUE, markersize=8)
    digits = min(1, decimals_for(actual.tolist()))
    for place, value, height in zip(places, actual, np.maximum(actual, predicted), strict=True):
        axes.annotate(
            format_number(value, digits),
            (place, height),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=QUIET,
        )
    axes.set_xticks(places)
    axes.set_xlabel("tenth of the customers, by prediction")
    axes.set_ylabel("mean value")
    axes.margins(y=0.12)
    axes.grid(axis="x", visible=False)
    return figure


def small_axes(figure: Figure, whole: Axes, n: int) -> Iterator[Axes]:
    """`n` axes beside and below each other, `COLUMNS` in a row, in the place of those of `canvas`."""
    whole.remove()
    grid = figure.add_gridspec(-(-n // COLUMNS), COLUMNS)
    for place in range(n):
        axes = figure.add_subplot(grid[place // COLUMNS, place % COLUMNS])
        _style(axes)
        axes.tick_params(colors=QUIET, labelsize=8, length=0, which="both")
        axes.tick_params(labelleft=not place % COLUMNS)
        yield axes


def canvas(width: float, height: float, title: str, subtitle: str = "") -> tuple[Figure, Axes]:
    """A figure with one pair of axes, a left-aligned title and few lines."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    title_space = (0.66 if subtitle else 0.42) / height  # inches over the axes
    engine.set(w_pad=0.14, h_pad=0.1, rect=(0, 0, 1, 1 - title_space))
    axes = figure.add_subplot()
    _style(axes)
    top = 1 - 0.14 / height
    figure.text(0.02, top, _label(title), fontsize=14, fontweight="bold", color=INK, va="top")
    figure.text(0.02, top - 0.3 / height, _label(subtitle), fontsize=10, color=QUIET, va="top")
    return figure, axes


def _style(axes: Axes) -> None:
    """Few and pale lines."""
    axes.set_axisbelow(True)
    axes.grid(color="#EBEBEB", linewidth=0.8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(PALE)
    axes.tick_params(colors=INK, length=0, labelsize=10)
    axes.xaxis.label.set(color=INK, size=11)
    axes.yaxis.label.set(color=INK, size=11)


def _reliability_bins(
    predictions: Mapping[str, pd.DataFrame], n_bins: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean prediction and share of positives of each group."""
    bins = {}
    for name, table in predictions.items():
        observed, predicted = equal_mass_bins(group_by_prediction(*_columns(table)), n_bins)
        bins[name] = predicted, observed
    return bins


def _square(axes: Axes, bins: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """The same range, from 0, for both directions and all `bins`, with the diagonal."""
    top = max((float(np.nanmax(values)) for values in bins.values()), default=0.0)
    top = min(1.0, 1.08 * top) if top else 1.0
    axes.plot([0, top], [0, top], **CHANCE)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_aspect("equal")


def _label(text: str) -> str:
    """The text as it is: between two dollars Matplotlib reads formulas, and fails on other texts."""
    return visible_text(text).replace("$", r"\$")


def _colours(n: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(n)]


def _name_line_ends(axes: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Write each line's name to the right of its end, without overlaps."""
    low, high = axes.get_ylim()
    gap, last = 0.055 * (high - low), -np.inf
    for x, y, name, colour in sorted(ends, key=lambda end: end[1]):
        last = max(y, last + gap)
        write_beside(axes, _label(name), (x, last), colour)


def write_beside(axes: Axes, text: str, point: tuple[float, float], colour: str) -> None:
    """Write a text to the right of a point, outside the axes too."""
    axes.annotate(
        text,
        point,
        xytext=(7, 0),
        textcoords="offset points",
        va="center",
        fontsize=10,
        color=colour,
        annotation_clip=False,
    )


def _legend(
    axes: Axes,
    ends: list[tuple[float, float, str, str]],
    references: Mapping[str, Line2D] | None = None,
) -> None:
    """A legend of the names in their colours, in the order of the lines from the top."""
    ordered = sorted(ends, key=lambda end: -end[1])
    handles = [Line2D([], [], color=colour, linewidth=3) for *_, colour in ordered]
    references = references or {}
    axes.legend(
        [*handles, *references.values()],
        [*(_label(name) for _, _, name, _ in ordered), *references],
        frameon=False,
        fontsize=10,
        labelcolor="linecolor",
        handlelength=1.6,
        loc="best",
    )


def _columns(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return table["label"].to_numpy(dtype=float), table["prediction"].to_numpy(dtype=float)


def _cumulative(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Shares of customers from 0 to 1, and the share of all labels among the best-ranked ones."""
    groups = group_by_prediction(*_columns(table))
    share = np.linspace(0, 1, 201)
    sums, _ = sums_of_first(groups, share * groups.mass.sum())
    return share, sums / groups.label.sum()
