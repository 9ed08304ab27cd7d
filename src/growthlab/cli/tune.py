"""growthlab tune: a persistent Optuna search of one model's settings, on the validation window only."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from growthlab.cli.compose import Composed
from growthlab.cli.conf_tree import choices
from growthlab.cli.setting import Setting
from growthlab.core.errors import ConfigError
from growthlab.tasks.runner import Arena, choose
from growthlab.tracking.search_run import SearchRun

if TYPE_CHECKING:
    from optuna import Study, Trial

log = logging.getLogger(__name__)


def run(found: Composed) -> int:
    """Search until the budget is used; what an earlier call of the same study found counts."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    config = found.config
    _check_budget(config.budget)
    found = _with_space(found)
    setting = Setting(found)
    setting.contender()
    space = _space(found)
    task = setting.task
    study = optuna.create_study(
        storage=_storage(config),
        study_name=config.study or "-".join([setting.lineage.data, task.name, found.name("model")]),
        direction="maximize" if task.maximise else "minimize",
        sampler=optuna.samplers.TPESampler(seed=config.seed),
        load_if_exists=True,
    )
    arena = Arena(task, setting.folds[0], setting.metrics)
    recorder = SearchRun(setting.store, setting.lineage, setting.logged_config(), study.study_name)
    _search(study, space, arena, found, recorder)
    best = study.best_trial
    settings = " ".join(f"{k}={v}" for k, v in best.user_attrs["overrides"].items())
    print(
        f"best of {_n_finished(study)} trials: valid {task.objective} {best.value:.4f} with {settings}"
    )
    print(f"study {study.study_name}; look: {setting.store.how_to_look}")
    print(f"next: growthlab train {' '.join(_chosen(found))} {settings}")
    return 0


def _search(
    study: Study, space: dict[str, Any], arena: Arena, found: Composed, recorder: SearchRun
) -> None:
    """Ask, fit, tell, until trials or minutes are used up; a failing trial is noted."""
    import optuna

    config, started = found.config, time.monotonic()
    while _n_finished(study) < config.budget.trials:
        if config.budget.minutes and time.monotonic() - started > 60 * config.budget.minutes:
            log.info("the budget of %s minutes is used up", config.budget.minutes)
            break
        trial = study.ask()
        overrides = {key: _suggest(trial, key, sweep) for key, sweep in space.items()}
        trial.set_user_attr("overrides", overrides)
        model = OmegaConf.merge(found.config, _nested(overrides)).model
        try:
            value = _value(arena, model, config)
        except Exception as error:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            recorder.trial(trial.number, overrides, None, error)
            log.error("trial %d failed: %s", trial.number, error)
            continue
        study.tell(trial, value)
        recorder.trial(trial.number, overrides, value, None)
        log.info("trial %d: %.4f (best %.4f) %s", trial.number, value, study.best_value, overrides)
    recorder.close()
    if not _n_finished(study):
        raise ConfigError("no trial of the search succeeded: see the errors above")


def _value(arena: Arena, model: Any, config: Any) -> float:
    """The objective on the validation window."""
    from growthlab.core.build import build

    chosen = choose(arena, lambda: build(model), seed=config.seed, device=config.device)
    return chosen.valid[arena.task.objective]


def _with_space(found: Composed) -> Composed:
    """The config with a search space: the one named, else the one that is named as the model."""
    if found.config.get("search"):
        return found
    name = found.chosen["model"]
    if name not in choices("search"):
        possible = ", ".join(choices("search"))
        raise ConfigError(f"model={name} has no search space: there are spaces for {possible}")
    return found.choosing("search", name)


def _space(found: Composed) -> dict[str, Any]:
    """Setting -> parsed sweep, in Hydra's sweep grammar."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser = OverridesParser.create()
    space = {}
    for key, text in OmegaConf.to_container(found.config.search).items():  # type: ignore[union-attr]
        parsed = parser.parse_override(f"model.{key}={text}")
        if not parsed.is_sweep_override():
            possible = "choice(...), range(...) or interval(...)"
            raise ConfigError(f"search.{key}={text} is no range: use {possible}")
        space[f"model.{key}"] = parsed.value()
    return space


def _suggest(trial: Trial, key: str, sweep: Any) -> Any:
    """A value of the sweep for this trial."""
    from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep

    if isinstance(sweep, ChoiceSweep):
        return trial.suggest_categorical(key, list(sweep.list))
    low, high = (
        (sweep.start, sweep.stop) if isinstance(sweep, RangeSweep) else (sweep.start, sweep.end)
    )
    if isinstance(sweep, RangeSweep):
        return trial.suggest_int(key, int(low), int(high) - 1, step=int(sweep.step))
    assert isinstance(sweep, IntervalSweep)
    logarithmic = "log" in sweep.tags
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(key, low, high, log=logarithmic)
    return trial.suggest_float(key, float(low), float(high), log=logarithmic)


def _nested(overrides: dict[str, Any]) -> Any:
    """Dotted settings as a config."""
    return OmegaConf.from_dotlist(
        [f"{k}={'null' if v is None else v}" for k, v in overrides.items()]
    )


def _storage(config: Any) -> Any:
    """The store of the study: a URL, or a journal file that survives a kill."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if config.storage:
        return str(config.storage)
    Path(config.cache).mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(Path(config.cache) / "studies.journal")))


def _check_budget(budget: Any) -> None:
    if not isinstance(budget.trials, int) or budget.trials < 1:
        raise ConfigError(
            f"budget.trials must be a whole number of at least 1, got {budget.trials}"
        )


def _n_finished(study: Study) -> int:
    return sum(t.state.name == "COMPLETE" for t in study.get_trials(deepcopy=False))


def _chosen(found: Composed) -> list[str]:
    """The call's own choices of groups and data settings."""
    kept = ("task=", "model=", "data", "split")
    return [o for o in found.overrides if o.startswith(kept)]
