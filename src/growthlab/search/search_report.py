"""The report of a search: its trials as a table, its plots, and its result as text."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd

from growthlab.evaluation.outcome import Estimate
from growthlab.evaluation.plots import metric_bars
from growthlab.pages.text_table import metric_label
from growthlab.search.setting_importance import setting_importance, settings_of_all
from growthlab.search.trial import FinishedTrial

if TYPE_CHECKING:
    import optuna
    from matplotlib.figure import Figure

MIN_TRIALS_FOR_PLOTS = 4  # complete trials, for plots of settings
FIGURE_SIZE = (8.0, 5.0)
WIDTH_PER_AXIS = 1.4  # for plots with many axes side by side


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
    """Optuna's plots of each objective by name, and the Pareto front of two or three objectives."""
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return {}
    plots: dict[str, Figure] = {}
    for position, name in enumerate(objectives):
        ending = f"_{name}" if len(objectives) > 1 else ""
        for kind, figure in _plots_of_objective(study, complete, position, name).items():
            plots[f"{kind}{ending}"] = figure
    if len(objectives) in (2, 3):
        plots["pareto_front"] = _pareto_front(study, objectives)
    return plots


def _plots_of_objective(
    study: optuna.Study, complete: Sequence[Any], position: int, name: str
) -> dict[str, Figure]:
    """History, parallel coordinates and importance; the last two if there are enough trials.

    They show the settings that every trial used: one that a certain choice alone reads has no place in
    the trials without it.
    """
    from optuna.visualization import matplotlib as optuna_plots

    def value(trial: Any) -> float:
        return float(trial.values[position])

    def figure_of(plot: Callable[..., Any], **options: Any) -> Figure:
        target = value if len(study.directions) > 1 else None
        return _draw(lambda: plot(study, target=target, target_name=name, **options))

    plots = {"history": figure_of(optuna_plots.plot_optimization_history)}
    tried = [trial for trial in complete if trial.params]
    settings = settings_of_all(tried)
    values = {value(trial) for trial in tried}
    if settings and len(complete) >= MIN_TRIALS_FOR_PLOTS and len(values) > 1:
        plots["parallel_coordinates"] = figure_of(
            optuna_plots.plot_parallel_coordinate, params=settings
        )
    shares = setting_importance(study, value)
    if shares:
        bars = {setting: Estimate(share, math.nan, math.nan) for setting, share in shares.items()}
        subtitle = f"share of the spread of {metric_label(name)} between trials"
        plots["importance"] = metric_bars(bars, "Which settings decided", subtitle=subtitle)
    return plots


def _pareto_front(study: optuna.Study, objectives: Sequence[str]) -> Figure:
    from optuna.visualization import matplotlib as optuna_plots

    names = list(objectives)
    return _draw(lambda: optuna_plots.plot_pareto_front(study, target_names=names))


def _draw(plot: Callable[[], Any]) -> Figure:
    """The figure of one of Optuna's plots, without changing the style of other figures."""
    import matplotlib.pyplot as plt
    import numpy as np

    with _own_backend_without_warnings(), plt.rc_context():
        axes = plot()
        first = np.ravel(axes)[0] if isinstance(axes, np.ndarray) else axes
        figure: Figure = first.figure
        width, height = FIGURE_SIZE
        figure.set_size_inches(max(width, WIDTH_PER_AXIS * len(figure.axes)), height)
        figure.set_layout_engine("tight")
        plt.close(figure)
    return figure


@contextmanager
def _own_backend_without_warnings() -> Iterator[None]:
    """Draw with Agg, and ignore Optuna's warning that each plot is experimental."""
    import matplotlib as mpl

    backend = mpl.get_backend()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mpl.use("Agg")
        try:
            yield
        finally:
            mpl.use(backend)
