"""growthlab compare: every model of a task in one even comparison."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from statistics import fmean

from growthlab.cli.earlier import refuse_earlier_run
from growthlab.cli.setting import Setting
from growthlab.config import mistakes
from growthlab.config.compose import Command
from growthlab.config.conf_tree import choices
from growthlab.core.errors import ConfigError, GrowthlabError, near_matches, one_line
from growthlab.tasks.run_comparison import Contender, Results, run_comparison
from growthlab.tracking.comparison_run import ComparisonRun
from growthlab.tracking.log_leaderboard import log_leaderboard

log = logging.getLogger(__name__)


def run(found: Command) -> int:
    """Run the comparison, print the leaderboard and log it on the parent run.

    The status is 1 if a model failed, 2 if none succeeded because of a mistake in the input.
    """
    refuse_earlier_run(found.config)
    setting = Setting(found, found.config.origins)
    setting.check()
    return compared(setting, contenders_of(setting, found, found.config.models))


def compared(
    setting: Setting, contenders: Sequence[Contender], notes: Mapping[str, str] | None = None
) -> int:
    """Compare the contenders and conclude, see `run`; `notes` are text files for the parent run."""
    config = setting.config
    recorder = setting.recorder(contenders, parent=True)
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
        for name, text in (notes or {}).items():
            setting.store.client.log_text(recorder.run_id, text, name)
        _conclude(setting, recorder, results)
    except BaseException as error:
        recorder.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    recorder.close("FAILED" if results.errors else "FINISHED")
    return 1 if results.errors else 0


def contenders_of(setting: Setting, found: Command, models: str | Sequence[str]) -> list[Contender]:
    """The named models, or ``all`` of the task's in the order of the config tree."""
    return [setting.contender(c) for c in compositions_of(setting, found, models)]


def compositions_of(setting: Setting, found: Command, models: str | Sequence[str]) -> list[Command]:
    """The command with each of the named models, or with ``all`` of the task's."""
    family = setting.task.models
    possible = [c.partition("/")[2] for c in choices("model") if c.startswith(f"{family}/")]
    names = possible if models == "all" else _named(models, family, possible)
    compositions = [found.with_model(f"{family}/{name}") for name in names]
    for word in found.of_models:
        if not any(word in c.of_models for c in compositions):
            nodes = [c.config.model for c in compositions]
            raise ConfigError(mistakes.of_no_model(word, nodes))
    return compositions


def _named(models: str | Sequence[str], family: str, possible: Sequence[str]) -> list[str]:
    """The names without their family, each of them possible, none twice."""
    if isinstance(models, str) or not all(isinstance(m, str) for m in models):
        raise ConfigError(f"models={models}: give all, or a list such as [{possible[0]}]")
    names = [m.removeprefix(f"{family}/") for m in models]
    for name in names:
        if name not in possible:
            what = f"models: {name} is no model of {family}"
            raise ConfigError(f"{what}: {near_matches(name, possible)}")
        if names.count(name) > 1:
            raise ConfigError(f"models: {name} is named {names.count(name)} times")
    if not names:
        raise ConfigError(f"models=[] compares nothing: possible are {', '.join(possible)}")
    return names


def _conclude(setting: Setting, recorder: ComparisonRun, results: Results) -> None:
    """Leaderboard on the console and in MLflow."""
    if not results.outcomes[0]:
        label, error = next(iter(results.errors.items()))
        if isinstance(error, GrowthlabError):
            raise error
        log.error("no model succeeded; the first error: %s: %s", label, one_line(error))
        return
    comparison = setting.comparison(results, _sizes(recorder.bundle_mb, results))
    print(comparison.as_text())
    print(f"{log_leaderboard(recorder, comparison)}; look: {setting.store.how_to_look}")


def _sizes(bundle_mb: Mapping[str, float], results: Results) -> dict[str, float]:
    """The mean size of each model's bundles."""
    sizes = {}
    for name in {o.name for o in results.outcomes[0]}:
        own = [mb for label, mb in bundle_mb.items() if label.split(" seed ")[0] == name]
        if own:
            sizes[name] = fmean(own)
    return sizes
