"""The commands from Python, without a command line: the same names, the same comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from growthlab.cli.compare import contenders_of
from growthlab.cli.compose import composed
from growthlab.cli.describe import check, described
from growthlab.cli.setting import Setting
from growthlab.core.errors import ConfigError, GrowthlabError
from growthlab.data.event_log import EventLog
from growthlab.evaluation.report import Comparison
from growthlab.insight.goals import read_goals
from growthlab.insight.report import Report
from growthlab.tasks.comparison import Contender, run_comparison


def compare(
    log: EventLog,
    models: Sequence[str] | Mapping[str, Any] | str = "all",
    *,
    task: str = "top_n",
    seed: int = 0,
    seeds: int = 1,
    overrides: Sequence[str] = (),
) -> Comparison:
    """An even comparison on a log of your own; nothing is written anywhere.

    Where the log has purchases, they are what is foretold, within 28 days after the cutoff; else
    every event is.

    Parameters
    ----------
    log : what `EventLog.from_frames` or a source's ``prepare`` gives
    models : yaml names of the task's models, or name -> a function that makes a fresh estimator
    task : ``top_n``, ``churn`` or ``value``
    overrides : settings as on the command line, such as ``split.horizon_days=30``

    Returns
    -------
    Comparison
        Print ``.as_text()``, or take ``.leaderboard()`` as a DataFrame. A model that failed stands
        in ``.errors``.

    Raises
    ------
    ConfigError, DataError
        As the commands do, in one line.
    """
    words = [f"task={task}", f"seed={seed}", f"seeds={seeds}", *overrides]
    found = composed("compare", words)
    config = found.config
    setting = Setting(found, config.origins, log)
    setting.check()
    if isinstance(models, Mapping):
        contenders = [Contender(name, make, {}) for name, make in models.items()]
    else:
        contenders = contenders_of(setting, found, models)
    if not contenders:
        raise ConfigError("models is empty: name at least one model")
    results = run_comparison(
        setting.task,
        setting.folds,
        contenders,
        setting.metrics,
        seed=config.seed,
        seeds=config.seeds,
        device=config.device,
        refit=config.refit,
    )
    if not results.outcomes[0]:
        label, error = next(iter(results.errors.items()))
        raise error if isinstance(error, GrowthlabError) else RuntimeError(label) from error
    return setting.comparison(results)


def describe(
    log: EventLog,
    *,
    goals: str | Path | Sequence[Mapping[str, Any]] = (),
    overrides: Sequence[str] = (),
) -> Report:
    """The growth report of a log of your own; nothing is written anywhere.

    Parameters
    ----------
    log : what `EventLog.from_frames` or a source's ``prepare`` gives
    goals : a yaml file of goals, or the mappings that would stand in it
    overrides : settings as on the command line, such as ``privacy.min_group=50``

    Returns
    -------
    Report
        Take ``.tables`` as DataFrames by name, ``.definitions`` of every column, ``.as_html()``, or
        write all of it with ``.save(folder)``.

    Raises
    ------
    ConfigError, DataError
        As the command does, in one line.
    """
    found = composed("describe", overrides)
    check(found.config)
    wanted = read_goals(goals, found.config.currency)
    return described(log, found, log.name, wanted)
