"""growthlab tune: a persistent Optuna search of one model's settings, on the validation window only."""

from __future__ import annotations

import logging
import re
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from growthlab.cli.compose import Composed
from growthlab.cli.conf_tree import choices
from growthlab.cli.search_space import Space, space_of
from growthlab.cli.setting import Setting, cache_of
from growthlab.core.build import build
from growthlab.core.errors import ConfigError, GrowthlabError, one_line
from growthlab.core.interrupts import raise_if_interrupted
from growthlab.tasks.runner import Arena, choose
from growthlab.tracking.search_run import SearchRun

if TYPE_CHECKING:
    from optuna import Study

log = logging.getLogger(__name__)

OF_THE_SEARCH = ("budget", "study=", "storage=", "search", "metrics")


def run(found: Composed) -> int:
    """Search until the budget is used; what an earlier call of the same study found counts."""
    config = found.config
    minutes = config.budget.minutes
    if minutes is not None and (not isinstance(minutes, (int, float)) or minutes <= 0):
        raise ConfigError(f"budget.minutes must be a positive number or null, got {minutes}")
    if not config.get("search"):
        model, possible = found.chosen["model"], ", ".join(choices("search"))
        raise ConfigError(f"model={model} has no search space: there are spaces for {possible}")
    setting = Setting(found)
    setting.check()
    contender = setting.contender()
    space = space_of(config.search, config.model)
    arena = Arena(setting.task, setting.folds[0], setting.metrics)
    arena.prepare()
    study = _study(setting, found)
    recorder = SearchRun(
        setting.store, setting.lineage, setting.logged_config([contender]), study.study_name
    )
    search = _Search(study, space, arena, found, recorder)
    try:
        search.run()
    except BaseException as error:
        recorder.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    if not search.finished("COMPLETE"):
        recorder.close("FAILED")
        return search.fail()
    best = study.best_trial
    settings = best.user_attrs["overrides"]
    recorder.close("FINISHED", settings)
    n_trials, objective = search.finished("COMPLETE"), setting.task.objective
    words = [f"{k}={_word(v)}" for k, v in settings.items()]
    shown = f"valid {objective} {best.value:.4f} with {' '.join(words)}"
    print(f"best of {n_trials} trials (number {best.number}): {shown}")
    print(f"study {study.study_name}; look: {setting.store.how_to_look}")
    kept = [w for w in found.given if not w.startswith(OF_THE_SEARCH)]
    print(f"next: growthlab train {shlex.join([*kept, *words])}")
    return 0


@dataclass
class _Search:
    """Ask, fit, tell, until trials or minutes are used up; a failing trial is noted."""

    study: Study
    space: Space
    arena: Arena
    found: Composed
    recorder: SearchRun
    last_error: Exception | None = None

    def run(self) -> None:
        """All trials that the budget still allows."""
        budget, started = self.found.config.budget, time.monotonic()
        before = self.finished("COMPLETE", "FAIL")
        if before:
            log.info("study %s has %d trials already", self.study.study_name, before)
        while self.finished("COMPLETE", "FAIL") < budget.trials:
            if budget.minutes and time.monotonic() - started > 60 * budget.minutes:
                log.info("the budget of %s minutes is used up", budget.minutes)
                return
            self._trial()

    def finished(self, *states: str) -> int:
        """How many trials of the study ended so."""
        return sum(t.state.name in states for t in self.study.get_trials(deepcopy=False))

    def fail(self) -> int:
        """What a search without any success ends with."""
        if isinstance(self.last_error, GrowthlabError):
            raise self.last_error
        log.error("no trial succeeded: error.txt of each says why")
        return 1

    def _trial(self) -> None:
        from optuna.trial import TrialState

        trial = self.study.ask()
        overrides = self.space.suggested(trial)
        trial.set_user_attr("overrides", overrides)
        self.recorder.start(trial.number, overrides)
        try:
            chosen = self._chosen(overrides)
        except Exception as error:
            raise_if_interrupted()
            self.last_error = error
            self.study.tell(trial, state=TrialState.FAIL)
            self.recorder.fail(error)
            log.error("trial %d failed: %s", trial.number, one_line(error))
            return
        value = chosen.valid[self.arena.task.objective]
        if value != value:  # NaN: Optuna takes it for a failure
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, value)
        self.recorder.finish(chosen.valid, chosen.fit_seconds)
        log.info("trial %d: %.4f %s", trial.number, value, overrides)

    def _chosen(self, overrides: Mapping[str, Any]) -> Any:
        config = self.found.config
        words = [f"{key}={_word(value)}" for key, value in overrides.items()]
        model = OmegaConf.merge(config, OmegaConf.from_dotlist(words)).model
        return choose(
            self.arena, lambda: build(model, "model"), seed=config.seed, device=config.device
        )


def _study(setting: Setting, found: Composed) -> Study:
    """The study, made where there is none; a trial that a killed process left open is forgotten."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    config, task = found.config, setting.task
    parts = [setting.data_name, found.name("task"), found.name("model")]
    name = str(config.study or "-".join(parts))
    if not re.fullmatch(r"[\w .-]+", name):
        raise ConfigError(f"study={name}: letters, digits, blanks and _ . - make a name")
    try:
        return optuna.create_study(
            storage=_storage(config),
            study_name=name,
            direction="maximize" if task.maximise else "minimize",
            sampler=optuna.samplers.TPESampler(seed=config.seed),
            load_if_exists=True,
        )
    except Exception as error:
        raise_if_interrupted()
        where = config.storage or config.cache
        raise ConfigError(f"storage {where} cannot be opened: {one_line(error)[:200]}") from error


def _storage(config: Any) -> Any:
    """The store of the study: a URL, or a journal file that survives a kill."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if config.storage:
        return str(config.storage)
    return JournalStorage(JournalFileBackend(str(Path(cache_of(config)) / "studies.journal")))


def _word(value: Any) -> str:
    """A value as a word of the command line."""
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_word, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
