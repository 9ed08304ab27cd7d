"""The plots of one outcome and of a comparison, by file name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from growthlab.evaluation.leaderboard_columns import MetricColumn
from growthlab.evaluation.outcome import Estimate, Outcome
from growthlab.evaluation.plots import (
    BLUE,
    QUIET,
    SKY,
    curves,
    decile_calibration,
    gain_curve,
    importance,
    lift_curve,
    metric_bars,
    reliability,
    reliability_of_models,
)
from growthlab.evaluation.standings import predictions_of
from growthlab.pages.text_table import metric_label

if TYPE_CHECKING:
    from growthlab.evaluation.standings import Standings

MOST_LINES = 5


def outcome_figures(
    outcome: Outcome, objective: str, columns: Sequence[MetricColumn], *, maximise: bool = True
) -> dict[str, Figure]:
    """The plots of one outcome by file name: learning curves, metrics, predictions, features.

    `columns` are the metrics of the leaderboard, of which those within [-1, 1] are drawn.
    """
    figures = {}
    for name, values in outcome.curves.items():
        larger_is_better = maximise and name != "loss"
        file = "curve_" + name.replace("/", "_")
        figures[file] = curves(
            {name: values},
            f"{outcome.name}: {metric_label(name.replace('/', ' '))}",
            maximise=larger_is_better,
        )
    bounded = [
        column
        for column in columns
        if column.metric in outcome.test and _is_bounded(outcome.test[column.metric])
    ]
    if bounded:
        names = {
            column.metric: metric_label(column.metric)
            + (" \N{DOWNWARDS ARROW}" if not column.larger_is_better else "")
            for column in bounded
        }
        falling = any(not column.larger_is_better for column in bounded)
        figures["metrics"] = metric_bars(
            {shown: outcome.test[name] for name, shown in names.items()},
            outcome.name,
            subtitle="test window; dark: the objective; whiskers: 95 % bounds"
            + ("; \N{DOWNWARDS ARROW} lower is better" if falling else ""),
            colours={names.get(objective, ""): BLUE},
            points=True,
        )
    table = predictions_of(outcome)
    if {"label", "prediction"} <= set(table) and len(table):
        figures.update(_prediction_figures({outcome.name: table}))
        if "calibration" in figures and "uncalibrated" in table:
            before = table.assign(prediction=table["uncalibrated"])
            figures["calibration"] = reliability({"calibrated": table, "before": before})
    features = outcome.tables.get("importance", pd.DataFrame())
    if len(features):
        figures["importance"] = importance(features, objective)
    return figures


def _is_bounded(estimate: Estimate) -> bool:
    """Whether it has bounds and lies within [-1, 1], the range of the axis."""
    return bool(np.isfinite(estimate.low)) and -1 <= estimate.value <= 1


def comparison_figures(standings: Standings) -> dict[str, Figure]:
    """The plots of a comparison by file name: leaderboard, learning curves, predictions."""
    objective, winner = standings.objective, standings.winner().name
    estimates = {
        row["model"]: Estimate(row[objective], row["low"], row["high"])
        for row in standings.table.to_dict("records")
    }
    colours = {n: QUIET if n in standings.baselines else SKY for n in estimates}
    colours |= {winner: BLUE} if standings.chosen else {}
    figures = {
        "leaderboard": metric_bars(
            estimates,
            f"{metric_label(objective)} on the test window",
            subtitle="dark: winner by validation; grey: baselines; whiskers: 95 % bounds",
            colours=colours,
            largest_first=standings.maximise,
            points=True,
        )
    }
    best = list(standings.models)[:MOST_LINES]
    name = f"valid/{objective}"
    lines = {m: s[0].curves[name] for m, s in standings.models.items() if s[0].curves.get(name)}
    if lines:
        title = f"Validation {metric_label(objective)} by epoch"
        shown = dict(list(lines.items())[:MOST_LINES])
        figures["curves"] = curves(shown, title, maximise=standings.maximise)
    tables = {m: predictions_of(standings.models[m][0]) for m in best}
    if all({"label", "prediction"} <= set(t) and len(t) for t in tables.values()):
        figures.update(_prediction_figures(tables))
    return figures


def _prediction_figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Reliability, lift and gain for labels of 0 and 1; gain and decile calibration for values."""
    first = next(iter(tables.values()))
    usable = {n: t for n, t in tables.items() if t["label"].sum() > 0}
    if not usable:
        return {}
    if first["label"].isin([0, 1]).all():
        probabilities = {n: t for n, t in usable.items() if t["prediction"].between(0, 1).all()}
        figures = {"lift": lift_curve(usable, "leavers"), "gain": gain_curve(usable, "leavers")}
        if probabilities:
            several = len(probabilities) > 1
            draw = reliability_of_models if several else reliability
            figures["calibration"] = draw(probabilities)
        return figures
    figures = {"gain": gain_curve(usable, "revenue")}
    if len(usable) == 1:
        figures["calibration"] = decile_calibration(first)
    return figures
