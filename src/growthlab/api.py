"""The commands as Python functions, with the same names and the same results."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from growthlab.config.compose import compose
from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.data.given_log import GivenLog, GivenTable
from growthlab.data.labelled_table import LabelledTable
from growthlab.evaluation.comparison import Comparison
from growthlab.insight.goals import read_goals
from growthlab.insight.report.growth_report import GrowthReport
from growthlab.insight.report.report_settings import ReportSettings
from growthlab.promotion.ruling import Ruling
from growthlab.search.override_words import as_word
from growthlab.search.study_store import StudyStore
from growthlab.search.trial import FinishedTrial, Trial, TrialResult
from growthlab.tasks.entry import Contender
from growthlab.workbench.challenge import rule_on_challenger
from growthlab.workbench.evaluate_models import comparison_of, evaluate_models, first_failure
from growthlab.workbench.searches import check_search, planned_searches
from growthlab.workbench.set_up import build_parts, load_workbench, shop_calendar


class Tuned(NamedTuple):
    """The result of a search.

    `make` builds an unfitted estimator with the best `settings` (by config path, such as
    ``model.neighbours``), for the `models` of `compare`; `value` is the objective on the validation
    window; `trials` has one row a trial: its settings, ``state``, ``value`` and ``seconds`` of fitting.
    """

    make: Callable[[], Any]
    settings: dict[str, Any]
    value: float
    trials: pd.DataFrame


def compare(
    log: EventLog | LabelledTable,
    models: Sequence[str] | Mapping[str, Any] | str = "all",
    *,
    task: str | None = None,
    seed: int = 0,
    seeds: int = 1,
    overrides: Sequence[str] = (),
) -> Comparison:
    """An even comparison on your own log or customer table; nothing is written to disk.

    The targets are the purchases within 28 days after the cutoff, or all events if the log has no
    purchases; a customer table has its label.

    Parameters
    ----------
    log : from `EventLog.from_frames` or a source's ``prepare``; a table from `CustomerFile.read`
    models : yaml names of the task's models, or name -> a function that builds an unfitted estimator
    task : a file of ``conf/task``, such as ``churn``; None: the default of the command
    overrides : settings as on the command line, such as ``split.horizon_days=30``

    Returns
    -------
    Comparison
        Print ``.as_text()``, or get ``.leaderboard()`` as a DataFrame. Failed models are in ``.errors``.

    Raises
    ------
    ConfigError, DataError
        The mistakes that the command reports, in one line.
    """
    words = [*_task_words(task), *_split_words(log), f"seed={seed}", f"seeds={seeds}", *overrides]
    contenders = None
    if isinstance(models, Mapping):
        contenders = [Contender(name, make, {}) for name, make in models.items()]
    else:
        words.append(f"models={models if isinstance(models, str) else as_word(list(models))}")
    if contenders == []:
        raise ConfigError("models is empty: name at least one model")
    parts = build_parts(compose("compare", words), log, contenders)
    bench = load_workbench(parts, parts.config.origins)
    results = evaluate_models(bench, bench.contenders)
    failure = first_failure(results)
    if failure is not None:
        label, error = failure
        raise RuntimeError(label) from error
    return comparison_of(bench, results)


def tune(
    log: EventLog | LabelledTable,
    model: str,
    *,
    task: str | None = None,
    trials: int = 15,
    minutes: float | None = None,
    seed: int = 0,
    overrides: Sequence[str] = (),
) -> Tuned:
    """A search of one model's settings on the validation window of your own log or customer table.

    The same search as the command's, but nothing is stored: to resume, share or view a search in MLflow,
    use ``growthlab tune``.

    Parameters
    ----------
    log : from `EventLog.from_frames` or a source's ``prepare``; a table from `CustomerFile.read`
    model : yaml name of one of the task's models; without a search space only its own settings are tried
    trials, minutes : the budget
    overrides : settings as on the command line, such as ``search.neighbours=choice(20,50)``

    Raises
    ------
    ConfigError, DataError
        The mistakes that the command reports, in one line.
    """
    limit = [] if minutes is None else [f"budget.minutes={minutes}"]
    chosen = [*_task_words(task), *_split_words(log), f"models=[{model}]"]
    words = [*chosen, f"budget.trials={trials}", f"seed={seed}"]
    parts = build_parts(compose("tune", [*words, *limit, *overrides]), log)
    check_search(parts)
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
            search.raise_input_error(loop)
            raise ConfigError(f"{model}: no trial succeeded: {loop.last_error}")
        table = pd.DataFrame(_row(trial) for trial in search.study.finished())
    make = search.contender(best.overrides).factory
    return Tuned(make, dict(best.overrides), best.result.values[0], table)


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


def describe(
    log: EventLog,
    *,
    goals: str | Path | Sequence[Mapping[str, Any]] = (),
    overrides: Sequence[str] = (),
) -> GrowthReport:
    """The growth report of your own log; nothing is written to disk.

    Parameters
    ----------
    log : from `EventLog.from_frames` or a source's ``prepare``
    goals : a yaml file of goals, or its content as mappings
    overrides : settings as on the command line, such as ``privacy.min_group=50``

    Returns
    -------
    GrowthReport
        Has ``.tables`` (DataFrames by name), ``.definitions`` of every column and ``.as_html()``;
        ``.save(folder)`` writes all of it.

    Raises
    ------
    ConfigError, DataError
        The mistakes that the command reports, in one line.
    """
    config = compose("describe", overrides).config
    settings = ReportSettings.from_config(config, shop_calendar(config, GivenLog()))
    return settings.report(log, log.name, read_goals(goals, config.currency))


def promote(
    challenger: str,
    *,
    task: str | None = None,
    dry_run: bool = False,
    overrides: Sequence[str] = (),
) -> Ruling:
    """The gate's ruling on a run that challenges the champion of the registry.

    Unless it is a dry run, it is carried out like the command: the alias moves if the gate allows it,
    and decision and evidence are kept with the version and the run.

    Parameters
    ----------
    challenger : id of a run of one model, or its first 8 characters or more
    task : a file of ``conf/task``, such as ``churn``; None: the default of the command
    overrides : settings as on the command line, such as ``gate.min_rel_gain=0.01``

    Returns
    -------
    Ruling
        Has ``.decision.promote`` and ``.decision.reason``; ``.report`` is Markdown.

    Raises
    ------
    ConfigError, ExportError
        The mistakes that the command reports, in one line.
    """
    words = [*_task_words(task), f"challenger={challenger}", f"dry_run={str(dry_run).lower()}"]
    return rule_on_challenger(compose("promote", [*words, *overrides]))


def _task_words(task: str | None) -> list[str]:
    """The override that chooses the task; none for the default."""
    return [] if task is None else [f"task={task}"]


def _split_words(data: EventLog | LabelledTable) -> list[str]:
    """The override that chooses a split for a table; none for a log, which has the default."""
    return [f"split={GivenTable.default_split}"] if isinstance(data, LabelledTable) else []
