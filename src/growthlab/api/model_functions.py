"""Train, compare and tune from Python."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from growthlab.api.model_results import Compared, Logged, Trained, Tuned
from growthlab.config.compose import compose
from growthlab.core.errors import ConfigError, GrowthlabError, quoted
from growthlab.core.path_names import is_path_name
from growthlab.data.event_log import EventLog
from growthlab.data.given_log import GivenTable
from growthlab.data.labelled_table import LabelledTable
from growthlab.search.override_words import as_word
from growthlab.search.study_store import StudyStore
from growthlab.search.trial import FinishedTrial, Trial, TrialResult
from growthlab.tasks.run_comparison import ComparisonResults
from growthlab.tracking.comparison_run import ComparisonRun
from growthlab.tracking.log_leaderboard import log_leaderboard
from growthlab.tracking.run_links import look_lines
from growthlab.workbench.contenders import require_events
from growthlab.workbench.evaluate_models import (
    comparison_of,
    evaluate_models,
    first_failure,
    recorder_for,
)
from growthlab.workbench.own_models import Models, own_contenders, split_models
from growthlab.workbench.review_inputs import log_page
from growthlab.workbench.searches import check_search, planned_searches
from growthlab.workbench.set_up import build_parts, load_workbench
from growthlab.workbench.workbench import Parts, Workbench

Data = EventLog | LabelledTable


def train(
    log: Data,
    model: Any,
    *,
    task: str | None = None,
    seed: int = 0,
    track: bool = False,
    overrides: Sequence[str] = (),
) -> Trained:
    """Fit one model and evaluate it after the cutoff, as ``growthlab train`` does.

    Parameters
    ----------
    log : from `growthlab.read` or `growthlab.dataset`; a table from `growthlab.read_customers`
    model : a yaml name of the task's models, or a model as in `compare`
    task, seed, overrides : as in `compare`
    track : whether the run is logged in MLflow; else nothing is written to disk

    Raises
    ------
    ConfigError, DataError
        The mistakes that the command reports, in one line.
    """
    words = [*_words(log, task), f"seed={seed}", *overrides]
    _require_name(log, track)
    bench = load_workbench(_parts(log, [model], words))
    if not track:
        results = evaluate_models(bench, bench.contenders)
        _raise_failure(results)
        return Trained(outcome=results.outcomes[0][0], bench=bench)
    with recorder_for(bench, bench.contenders, parent=False) as recorder:
        results = evaluate_models(bench, bench.contenders, recorder)
        _raise_failure(results)
    lines = look_lines(bench.store, bench.lineage.experiment, next(iter(recorder.runs.values())))
    logged = Logged(runs=dict(recorder.runs), lines=tuple(lines))
    return Trained(outcome=results.outcomes[0][0], bench=bench, logged=logged)


def compare(
    log: Data,
    models: Models = "all",
    *,
    task: str | None = None,
    seed: int = 0,
    seeds: int = 1,
    track: bool = False,
    overrides: Sequence[str] = (),
) -> Compared:
    """An even comparison on your own log or customer table.

    The targets are the purchases within 28 days after the cutoff, or all events if the log has no
    purchases; a customer table has its label.

    Parameters
    ----------
    log : from `growthlab.read` or `growthlab.dataset`; a table from `growthlab.read_customers`
    models : ``all``; or a list of yaml names and models; or a mapping of names to models. A model is an
        unfitted estimator of scikit-learn or LightGBM, any object that has what the task calls (a
        recommender: ``fit(past, options)`` and ``score(histories, items=None)``), or a function that
        makes one.
    task : a file of ``conf/task``, such as ``churn``; None: the default of the command
    track : whether the runs are logged in MLflow and the page is written; else nothing is written to disk
    overrides : settings as on the command line, such as ``split.horizon_days=30``

    Returns
    -------
    Compared
        Shows its leaderboard; ``.leaderboard()`` is a DataFrame, ``.save("page.html")`` writes the page.
        Failed models are in ``.errors``.

    Raises
    ------
    ConfigError, DataError
        The mistakes that the command reports, in one line.
    """
    words = [*_words(log, task), f"seed={seed}", f"seeds={seeds}", *overrides]
    _require_name(log, track)
    parts = _parts(log, models, words)
    bench = load_workbench(parts, parts.config.origins)
    if not track:
        results = evaluate_models(bench, bench.contenders)
        _raise_failure(results)
        return Compared.of(comparison_of(bench, results), bench, bench.contenders)
    with recorder_for(bench, bench.contenders, parent=True) as recorder:
        results = evaluate_models(bench, bench.contenders, recorder)
        _raise_failure(results)
        return _logged(bench, results, recorder)


def _logged(bench: Workbench, results: ComparisonResults, recorder: ComparisonRun) -> Compared:
    """The comparison, logged on its parent run as the command does."""
    comparison = comparison_of(bench, results, recorder.bundle_mb)
    where = log_leaderboard(recorder, comparison)
    lines = log_page(bench, bench.contenders, comparison, recorder)
    logged = Logged(runs=dict(recorder.runs), lines=(where, *lines))
    return Compared.of(comparison, bench, bench.contenders, logged)


def tune(
    log: Data,
    model: str,
    *,
    task: str | None = None,
    trials: int = 15,
    minutes: float | None = None,
    seed: int = 0,
    overrides: Sequence[str] = (),
) -> Tuned:
    """A search of one model's settings on the validation window of your own log or customer table.

    The same search as the command's, but in this process and nothing is stored: to resume, share or view
    a search in MLflow, or to run its trials in several processes, use ``growthlab tune``.

    Parameters
    ----------
    log : from `growthlab.read` or `growthlab.dataset`; a table from `growthlab.read_customers`
    model : yaml name of one of the task's models; without a search space only its own settings are tried
    trials, minutes : the budget
    overrides : settings as on the command line, such as ``search.neighbours=choice(20,50)``

    Raises
    ------
    ConfigError, DataError
        The mistakes that the command reports, in one line.
    """
    limit = [] if minutes is None else [f"budget.minutes={minutes}"]
    chosen = [*_words(log, task), f"models=[{model}]"]
    words = [*chosen, f"budget.trials={trials}", f"seed={seed}"]
    parts = build_parts(compose("tune", [*words, *limit, *overrides]), log)
    check_search(parts)
    n_jobs = parts.config.n_jobs
    other = "cluster" if parts.cluster.elsewhere else f"n_jobs={n_jobs}" if n_jobs > 1 else ""
    if other:
        raise ConfigError(
            f"{other}: growthlab.tune runs its trials in this process, one after the other, as it holds the "
            "data: for several processes use the command growthlab tune"
        )
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(StudyStore(None, Path(folder) / "studies.journal")) as store,
    ):
        (planned,) = planned_searches(load_workbench(parts), store)
        search = planned.search
        search.evaluation.prepare()
        loop = search.loop(_NoRecorder())
        loop.run()
        best = search.best()
        if best is None:
            if isinstance(loop.last_error, GrowthlabError):
                raise loop.last_error
            raise ConfigError(f"{model}: no trial succeeded: {loop.last_error}")
        table = pd.DataFrame(_row(trial) for trial in search.study.finished())
    return Tuned(
        model=model,
        objective=parts.task.objective,
        make=search.contender(best.overrides).factory,
        settings=dict(best.overrides),
        value=best.result.values[0],
        trials=table,
    )


def _row(trial: FinishedTrial) -> dict[str, Any]:
    """The row of a trial in `Tuned.trials`."""
    nan, result = float("nan"), trial.result
    value, seconds = next(iter(result.values), nan), result.costs.get("fit_seconds", nan)
    row = {"state": result.state, "value": value, "seconds": seconds}
    return {"trial": trial.number, **trial.overrides, **row}


class _NoRecorder:
    """A recorder that logs nothing."""

    def start(self, trial: Trial) -> None:
        """See `TrialRecorder`."""

    def finish(self, trial: Trial, result: TrialResult, error: Exception | None) -> None:
        """See `TrialRecorder`."""


def _parts(log: Data, models: Models, words: Sequence[str]) -> Parts:
    """The parts of a comparison of named models, of models as objects, or of both.

    Raises
    ------
    ConfigError
        There are none, or one that the task cannot use.
    """
    named, own = split_models(models)
    if models == {}:
        raise ConfigError("models is empty: name at least one model")
    chosen = [_models_word(named)] if named or not own else []
    parts = build_parts(compose("compare", [*words, *chosen]), log, None if chosen else [])
    contenders = own_contenders(own, parts.task)
    require_events(contenders, parts.source, parts.task)
    twice = {c.name for c in contenders} & {c.name for c in parts.contenders}
    if twice:
        raise ConfigError(f"two models are called {min(twice)}: give yours another name")
    return replace(parts, contenders=(*parts.contenders, *contenders))


def _models_word(named: Sequence[str] | str) -> str:
    return f"models={named if isinstance(named, str) else as_word(list(named))}"


def _words(data: Data, task: str | None) -> list[str]:
    """The overrides that choose the task, and for a table its split; none for what is the default."""
    if not isinstance(data, (EventLog, LabelledTable)):
        raise ConfigError(
            f"a {type(data).__name__} is no data of ours: growthlab.read makes a log of a file or a frame"
        )
    split = [f"split={GivenTable.default_split}"] if isinstance(data, LabelledTable) else []
    return [*([] if task is None else [f"task={task}"]), *split]


def _require_name(log: Data, track: bool) -> None:
    """Raise a `ConfigError` for a name of the data that cannot be a folder, where something is written."""
    if track and not is_path_name(log.name):
        raise ConfigError(
            f"name={quoted(log.name)} cannot be the name of a folder, in which track=True writes"
        )


def _raise_failure(results: ComparisonResults) -> None:
    """Raise the first error where no model succeeded."""
    failure = first_failure(results)
    if failure is not None:
        label, error = failure
        raise RuntimeError(label) from error
