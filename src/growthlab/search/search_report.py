"""What a search found, for people: the trials as a table, Optuna's plots as figures."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd

from growthlab.search.trial import Finished

if TYPE_CHECKING:
    import optuna
    from matplotlib.figure import Figure

FEWEST = 4  # complete trials below which a plot of settings says nothing
SIZE = (8.0, 5.0)
WIDTH = 1.4  # of one of many axes side by side


def trials_table(finished: Sequence[Finished], objectives: Sequence[str]) -> pd.DataFrame:
    """One row a trial: number, state, objectives, seconds, epochs, settings, costs, why it ended."""
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


def figures(study: optuna.Study, objectives: Sequence[str]) -> dict[str, Figure]:
    """History, importance and parallel coordinates of each objective; the front of two or three."""
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return {}
    drawn: dict[str, Figure] = {}
    for place, name in enumerate(objectives):
        ending = f"_{name}" if len(objectives) > 1 else ""
        for kind, draw in _kinds(study, complete, place, name).items():
            drawn[f"{kind}{ending}"] = draw
    if len(objectives) in (2, 3):
        drawn["pareto_front"] = _front(study, objectives)
    return drawn


def _kinds(
    study: optuna.Study, complete: Sequence[Any], place: int, name: str
) -> dict[str, Figure]:
    """The plots of one objective, as far as there are trials enough for them."""
    from optuna.visualization import matplotlib as plots

    def value(trial: Any) -> float:
        return float(trial.values[place])

    def make(plot: Callable[..., Any], **more: Any) -> Figure:
        target = value if len(study.directions) > 1 else None
        return _drawn(lambda: plot(study, target=target, target_name=name, **more))

    drawn = {"history": make(plots.plot_optimization_history)}
    settings = _varied(complete)
    values = {value(t) for t in complete if t.params}
    if settings and len(complete) >= FEWEST and len(values) > 1:
        drawn["parallel_coordinates"] = make(plots.plot_parallel_coordinate, params=settings)
        drawn["importance"] = make(plots.plot_param_importances, params=settings)
    return drawn


def _front(study: optuna.Study, objectives: Sequence[str]) -> Figure:
    from optuna.visualization import matplotlib as plots

    return _drawn(lambda: plots.plot_pareto_front(study, target_names=list(objectives)))


def _varied(complete: Sequence[Any]) -> list[str]:
    """The settings that differ between trials."""
    tried = [t.params for t in complete if t.params]
    names = sorted(set().union(*tried)) if tried else []
    return [n for n in names if len({str(p.get(n)) for p in tried}) > 1]


def _drawn(draw: Callable[[], Any]) -> Figure:
    """The figure of a plot of Optuna's, made on a canvas of its own and without its warnings."""
    import matplotlib.pyplot as plt
    import numpy as np

    with _quiet(), plt.rc_context():
        axes = draw()
        first = np.ravel(axes)[0] if isinstance(axes, np.ndarray) else axes
        figure: Figure = first.figure
        width, height = SIZE
        figure.set_size_inches(max(width, WIDTH * len(figure.axes)), height)
        figure.set_layout_engine("tight")
        plt.close(figure)
    return figure


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna says of each plot that it is experimental."""
    import matplotlib as mpl

    backend = mpl.get_backend()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mpl.use("Agg")
        try:
            yield
        finally:
            mpl.use(backend)
