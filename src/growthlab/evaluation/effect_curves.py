"""The gain curve of predicted effects with its band, from a table of predictions, and its plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from growthlab.metrics.predictions import PART, group_by_prediction, label_of, sums_of_first
from growthlab.metrics.uplift.base import Truth

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_POINTS = 20
Z = 1.959964  # the normal quantile of 95 %


def has_effects(table: pd.DataFrame) -> bool:
    """Whether the label of a table of predictions has the parts of an experiment with one arm."""
    return {PART + name for name in Truth._fields} <= set(map(str, table)) and len(table) > 0


def effect_curve(table: pd.DataFrame) -> pd.DataFrame:
    """What giving the arm to a share of the customers gains, the highest predictions first.

    Columns: ``share`` of the customers from 0 to 1, ``gain`` of the outcome per customer of all by
    doubly robust effects (ties spread evenly), its pointwise 95 % bounds ``low`` and ``high``, and
    ``any_order``, the gain of the same share in an order that says nothing. The area between the last
    two is `RateQini`. Bounds take the order as given; at a share of 1 they are those of the average
    effect.
    """
    truth = Truth.of(_label_in_order(table))
    prediction = table["prediction"].to_numpy(dtype=float)
    effect, n = truth.robust_effect, len(table)
    share = np.arange(N_POINTS + 1) / N_POINTS
    gain, _ = sums_of_first(group_by_prediction(effect, prediction), share * n)
    ordered = effect[np.argsort(-prediction, kind="stable")]
    sums, squares = (np.append(0.0, np.cumsum(v)) / n for v in (ordered, ordered**2))
    first = np.round(share * n).astype(int)
    error = np.sqrt(np.maximum(squares[first] - sums[first] ** 2, 0) / n)
    gain = gain / n
    return pd.DataFrame(
        {
            "share": share,
            "gain": gain,
            "low": gain - Z * error,
            "high": gain + Z * error,
            "any_order": share * gain[-1],
        }
    )


def effect_curve_figure(table: pd.DataFrame, title: str) -> Figure:
    """The plot of `effect_curve`."""
    from growthlab.evaluation.plots import BLUE, CHANCE, canvas

    curve = effect_curve(table)
    figure, axes = canvas(
        7.2,
        4.4,
        title,
        "gain of the outcome per customer; band: 95 % at each share; dashed: in random order",
    )
    axes.fill_between(curve["share"], curve["low"], curve["high"], color=BLUE, alpha=0.15, lw=0)
    axes.plot(curve["share"], curve["gain"], color=BLUE, linewidth=2)
    axes.plot(curve["share"], curve["any_order"], **CHANCE)
    axes.set_xlabel("share of the customers who are given the arm, the highest predictions first")
    return figure


def effect_tenths_figure(tenths: pd.DataFrame) -> Figure:
    """The predicted and observed effect of each tenth of the prediction, see `effect_tenths`."""
    from growthlab.evaluation.plots import BLUE, PALE, QUIET, canvas

    figure, axes = canvas(
        7.2,
        4.4,
        "Predicted and observed effects",
        "mean of each tenth: grey bars observed with 95 % bounds, blue dots predicted",
    )
    places = tenths["tenth"].to_numpy()
    axes.bar(places, tenths["effect"], width=0.7, color=PALE)
    axes.errorbar(
        places, tenths["effect"], Z * tenths["error"], fmt="none", ecolor=QUIET, capsize=3
    )
    axes.plot(places, tenths["prediction"], "o", color=BLUE, markersize=8)
    axes.set_xticks(places)
    axes.set_xlabel("tenth of the customers, by prediction")
    axes.grid(axis="x", visible=False)
    return figure


def _label_in_order(table: pd.DataFrame) -> np.ndarray:
    """The parts of the label in the order of `Truth`."""
    return label_of(table[[PART + name for name in Truth._fields]])
