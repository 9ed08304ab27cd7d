"""The report of a search: its trials as a table, its plots, and its result as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from growthlab.evaluation.outcome import Estimate
from growthlab.evaluation.plots import metric_bars
from growthlab.pages.text_table import metric_label
from growthlab.search.search_plots import history_figure, settings_figure, trade_off_figure
from growthlab.search.setting_importance import setting_importance
from growthlab.search.stored_trial import overrides_of
from growthlab.search.trial import FinishedTrial

if TYPE_CHECKING:
    import optuna
    from matplotlib.figure import Figure

MIN_TRIALS_FOR_PLOTS = 4  # complete trials, for plots of settings


def trials_table(finished: Sequence[FinishedTrial], objectives: Sequence[str]) -> pd.DataFrame:
    """One row a trial: number, state, objectives, seconds, epochs, settings, costs, reason."""
    rows = []
    for trial in finished:
        result = trial.result
        known = {**result.valid, **result.costs}
        values: Sequence[float | None] = result.values or [known.get(n) for n in objectives]
        best = dict(zip(objectives, values, strict=True))
        costs = {n: v for n, v in result.costs.items() if n not in objectives}
        start = {"trial": trial.number, "state": result.state, **best}
        spent = {"seconds": round(trial.ended - trial.began, 3), "epochs": result.epochs}
        rows.append({**start, **spent, **trial.overrides, **costs, "why": result.why})
    return pd.DataFrame(rows)


def search_figures(study: optuna.Study, objectives: Sequence[str]) -> dict[str, Figure]:
    """Plots of each objective by name, and of the trade-off between the first two."""
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return {}
    maximise = [direction.name == "MAXIMIZE" for direction in study.directions]
    plots: dict[str, Figure] = {}
    for position, name in enumerate(objectives):
        ending = f"_{name}" if len(objectives) > 1 else ""
        figures = _plots_of_objective(study, complete, position, name, maximise=maximise[position])
        plots |= {f"{kind}{ending}": figure for kind, figure in figures.items()}
    if len(objectives) > 1:
        points = [trial.values[:2] for trial in complete]
        plots["trade_off"] = trade_off_figure(points, objectives[:2], maximise[:2])
    return plots


def _plots_of_objective(
    study: optuna.Study, complete: Sequence[Any], position: int, name: str, *, maximise: bool
) -> dict[str, Figure]:
    """History, settings and importance; the last two if there are enough trials."""

    def value(trial: Any) -> float:
        return float(trial.values[position])

    values = [value(trial) for trial in complete]
    numbers = [trial.number for trial in complete]
    plots = {"history": history_figure(numbers, values, name, maximise=maximise)}
    if len(complete) >= MIN_TRIALS_FOR_PLOTS:
        read = [overrides_of(trial) for trial in complete]
        settings = settings_figure(read, values, name, maximise=maximise)
        plots |= {} if settings is None else {"settings": settings}
    shares = setting_importance(study, value)
    if shares:
        bars = {setting: Estimate(share, math.nan, math.nan) for setting, share in shares.items()}
        subtitle = f"share of the spread of {metric_label(name)} between trials"
        plots["importance"] = metric_bars(bars, "Which settings decided", subtitle=subtitle)
    return plots
