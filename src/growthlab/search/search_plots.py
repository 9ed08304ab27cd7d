"""Plots of a search: what each trial reached, by its number, by each setting, and by two objectives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from growthlab.core.visible_text import visible_text
from growthlab.evaluation.plots import (
    BLUE,
    COLUMNS,
    INK,
    SKY,
    canvas,
    small_axes,
    write_beside,
)
from growthlab.pages.text_table import decimals_for, format_number, metric_label
from growthlab.search.override_words import as_word

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST = 20  # characters of a choice below its axis
LOG_SPAN = 50  # the largest value is so many times the smallest: the axis is logarithmic


def history_figure(
    numbers: Sequence[int], values: Sequence[float], name: str, *, maximise: bool
) -> Figure:
    """The value of each trial in its order, and the best so far as a line that ends in its value."""
    best = np.maximum.accumulate(values) if maximise else np.minimum.accumulate(values)
    label = metric_label(name)
    figure, axes = canvas(7.2, 4.2, f"{label} of each trial", "line: the best so far")
    axes.step(numbers, best, where="post", color=BLUE, linewidth=2)
    axes.plot(numbers, values, "o", color=SKY, markeredgecolor="white", markersize=7)
    reached = float(best[-1])
    write_beside(axes, format_number(reached, decimals_for(values)), (numbers[-1], reached), BLUE)
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def settings_figure(
    trials: Sequence[Mapping[str, Any]], values: Sequence[float], name: str, *, maximise: bool
) -> Figure | None:
    """A small plot a setting: its value in each trial that read it, and what the trial reached.

    `trials` has the settings of each trial, without those that it did not read. None where no setting has
    two values.
    """
    every = dict.fromkeys(setting for trial in trials for setting in trial)
    varied = [s for s in every if len({str(t[s]) for t in trials if s in t}) > 1]
    if not varied:
        return None
    rows = math.ceil(len(varied) / COLUMNS)
    title = f"{metric_label(name)} by each setting"
    figure, whole = canvas(
        9.0, 0.9 + 2.1 * rows, title, "a dot a trial that read it; dark: the best"
    )
    best = int(np.argmax(values) if maximise else np.argmin(values))
    for setting, axes in zip(varied, small_axes(figure, whole, len(varied)), strict=True):
        read = [n for n, trial in enumerate(trials) if setting in trial]
        _draw_setting(axes, [trials[n][setting] for n in read], [values[n] for n in read])
        if best in read:
            spots = np.asarray(axes.collections[0].get_offsets())
            axes.plot(*spots[read.index(best)], "o", color=BLUE, markersize=8, zorder=3)
        axes.set_ylim(*_with_margin(values))
        axes.set_title(_label(setting.removeprefix("model.")), fontsize=10, color=INK, loc="left")
    return figure


def trade_off_figure(
    points: Sequence[Sequence[float]], names: Sequence[str], maximise: Sequence[bool]
) -> Figure:
    """Trials by two objectives; those that no other beats in both are dark and joined by a line."""
    labels = [
        f"{metric_label(name)} ({'higher' if up else 'lower'} is better)"
        for name, up in zip(names, maximise, strict=True)
    ]
    figure, axes = canvas(
        7.2, 4.6, "What one objective costs of the other", "dark: no trial is better in both"
    )
    signs = np.where(maximise, 1, -1)
    signed = np.asarray(points, dtype=float) * signs
    beaten = [
        any((other >= own).all() and (other > own).any() for other in signed) for own in signed
    ]
    xs, ys = np.asarray(points, dtype=float).T
    front = np.flatnonzero(~np.array(beaten))
    front = front[np.argsort(xs[front])]
    axes.plot(xs, ys, "o", color=SKY, markeredgecolor="white", markersize=7)
    axes.plot(xs[front], ys[front], "o-", color=BLUE, markersize=8, linewidth=1.4)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    return figure


def _draw_setting(axes: Axes, settings: Sequence[Any], values: Sequence[float]) -> None:
    """Dots over numbers, or over names in a row."""
    numbers = [v for v in settings if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) == len(settings):
        axes.scatter(numbers, values, s=36, color=SKY, edgecolors="white")
        if min(numbers) > 0 and max(numbers) / min(numbers) > LOG_SPAN:
            axes.set_xscale("log")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4))
        return
    words = [as_word(v) for v in settings]
    names = sorted(set(words))
    places = [names.index(word) for word in words]
    axes.scatter(places, values, s=36, color=SKY, edgecolors="white")
    axes.set_xticks(range(len(names)), [_short(name) for name in names], rotation=20, ha="right")
    axes.set_xlim(-0.5, len(names) - 0.5)


def _with_margin(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or 0.5
    return low - margin, high + margin


def _short(name: str) -> str:
    return _label(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…")


def _label(text: str) -> str:
    """The text as it is, not as a formula."""
    return visible_text(text).replace("$", r"\$")
