"""The commands from Python, without a command line: the same names, the same comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from growthlab.cli.compose import composed
from growthlab.cli.setting import Setting
from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.evaluation.report import Comparison
from growthlab.tasks.comparison import Contender, run_comparison


def compare(
    log: EventLog,
    models: Sequence[str] | Mapping[str, Any],
    *,
    task: str = "top_n",
    seed: int = 0,
    seeds: int = 1,
    overrides: Sequence[str] = (),
) -> Comparison:
    """An even comparison on a log of your own, nothing being logged anywhere.

    Parameters
    ----------
    log : what `EventLog.from_frames` or a source's ``prepare`` gives
    models : yaml names of the task's models, or name -> a function that makes a fresh estimator
    task : ``top_n``, ``churn`` or ``value``
    overrides : settings as on the command line, such as ``split.horizon_days=30``

    Returns
    -------
    Comparison
        Print ``.as_text()``, or take ``.leaderboard()`` as a DataFrame.

    Raises
    ------
    ConfigError, DataError
        As the commands do, in one line.
    """
    found = composed("compare", [f"task={task}", *overrides])
    setting = Setting(found, found.config.origins)
    setting.__dict__["log"] = log
    if isinstance(models, Mapping):
        contenders = [Contender(name, make, {}) for name, make in models.items()]
    else:
        family = setting.task.models
        contenders = [
            setting.contender(found.choosing("model", f"{family}/{name}")) for name in models
        ]
    if not contenders:
        raise ConfigError("models is empty: name at least one model")
    results = run_comparison(
        setting.task, setting.folds, contenders, setting.metrics, seed=seed, seeds=seeds
    )
    return setting.comparison(results)
