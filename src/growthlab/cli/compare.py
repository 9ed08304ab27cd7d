"""growthlab compare: every model of a task in one even comparison."""

from __future__ import annotations

import logging

from growthlab.cli.compose import Composed
from growthlab.cli.conf_tree import choices
from growthlab.cli.setting import Setting
from growthlab.core.errors import ConfigError, near_matches
from growthlab.tasks.comparison import Contender, Results, run_comparison
from growthlab.tracking.comparison_run import ComparisonRun
from growthlab.tracking.leaderboard import log_leaderboard

log = logging.getLogger(__name__)


def run(found: Composed) -> int:
    """Run the comparison, print the leaderboard and log it on the parent run; 1 if a model failed."""
    config = found.config
    for key in ("seeds", "origins"):
        if not isinstance(config[key], int) or config[key] < 1:
            raise ConfigError(f"{key} must be a whole number of at least 1, got {config[key]}")
    setting = Setting(found, config.origins)
    contenders = _contenders(setting, found)
    recorder = setting.recorder(parent=True)
    recorder.open()
    try:
        results = run_comparison(
            setting.task,
            setting.folds,
            contenders,
            setting.metrics,
            seed=config.seed,
            seeds=config.seeds,
            device=config.device,
            refit=config.refit,
            recorder=recorder,
        )
        _conclude(setting, recorder, results)
    except BaseException as error:
        recorder.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    recorder.close("FAILED" if results.errors else "FINISHED")
    return 1 if results.errors else 0


def _contenders(setting: Setting, found: Composed) -> list[Contender]:
    """The models of the comparison, in the order of the config tree or as named."""
    family = setting.task.models
    possible = [c.partition("/")[2] for c in choices("model") if c.startswith(f"{family}/")]
    names = found.config.models
    names = possible if names == "all" else [str(n).rpartition("/")[2] for n in names]
    for name in names:
        if name not in possible:
            raise ConfigError(
                f"models: {name} is no model of {family}: {near_matches(name, possible)}"
            )
    if not names:
        raise ConfigError(f"models=[] compares nothing: possible are {', '.join(possible)}")
    return [setting.contender(found.choosing("model", f"{family}/{name}")) for name in names]


def _conclude(setting: Setting, recorder: ComparisonRun, results: Results) -> None:
    """Leaderboard on the console and in MLflow."""
    if not results.outcomes[0]:
        raise next(iter(results.errors.values()))
    comparison = setting.comparison(results)
    print(comparison.as_text())
    print(f"{log_leaderboard(recorder, comparison)}; look: {setting.store.how_to_look}")
