"""A study: the trials of one search, stored so that several processes share them and none is lost."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from growthlab.core.errors import ConfigError, one_line, quoted
from growthlab.core.interrupts import raise_if_interrupted, uninterrupted
from growthlab.core.storage_faults import raise_if_storage_failed
from growthlab.search.search_space import SearchSpace, settings_key
from growthlab.search.stored_trial import (
    counts_for_budget,
    finished_trial,
    is_process_alive,
    overrides_of,
    result_of,
    seconds_covered,
)
from growthlab.search.study_store import StudyStore
from growthlab.search.trial import FinishedTrial, TrialPruned, TrialResult
from growthlab.tracking.process_identity import this_process
from growthlab.tracking.run_clock import CLOCK

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 20.0  # between two heartbeats of a process that runs a trial
MAX_DEATHS = 3  # killed processes after which a trial has failed: the trial itself may be the cause
KILLED = "its process was killed, perhaps for lack of memory"
MIN_TRIALS_FOR_MEDIAN = 3  # at an epoch


@dataclass(frozen=True)
class Budget:
    """The limits of a study: trials, and minutes during which at least one trial ran."""

    trials: int
    minutes: float | None = None


@dataclass(frozen=True)
class Pruning:
    """The parts that are never pruned: the first `trials` of a study, and the first `epochs` of each."""

    trials: int
    epochs: int


@dataclass
class RunningTrial:
    """A trial that this process runs."""

    number: int
    overrides: Mapping[str, Any]
    _trial: optuna.Trial
    _study: Study

    @uninterrupted()
    def report(self, epoch: int, value: float) -> bool:
        """See `growthlab.search.trial.Trial`; with several objectives nothing is pruned."""
        if value == value and self._study.prunes:
            self._trial.report(value, epoch)
            if self.number >= self._study.first_pruned and self._trial.should_prune():
                raise TrialPruned
        return self._study.time_is_up()

    @property
    def id(self) -> int:
        """The trial's id in the storage."""
        return int(self._trial._trial_id)


@dataclass
class Study:
    """A study of a store, created if there is none; see `growthlab.search.search_loop.TrialSource`.

    `fixed_settings` must be the same in every call of the study, so that values are comparable: data,
    task, space and so on; otherwise it is refused. `maximise` has one entry an objective.
    """

    store: StudyStore
    name: str
    space: SearchSpace
    fixed_settings: Mapping[str, str]
    maximise: Sequence[bool]
    budget: Budget
    pruning: Pruning | None = None
    seed: int = 0
    _heartbeats: dict[int, threading.Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._storage = self.store.storage
        with self.locked():
            self.optuna = self._open()

    @property
    def prunes(self) -> bool:
        """Whether unpromising trials are ended early."""
        return self.pruning is not None and len(self.maximise) == 1

    @property
    def first_pruned(self) -> int:
        """The number of the first trial that may be pruned."""
        return self.pruning.trials if self.pruning is not None else 0

    @property
    def id(self) -> str:
        """The unique id of this study."""
        return str(self.optuna.user_attrs["id"])

    @property
    def stop_reason(self) -> str:
        """Why the study wants no more trials; empty if it does."""
        return self._stop_reason(self._trials())

    def locked(self) -> AbstractContextManager[None]:
        """In the block, no other process reads or changes this study."""
        return self.store.locked(f"study {self.name}")

    def ask(self) -> RunningTrial | None:
        """The next settings: first the model's own, then untried ones from the sampler."""
        from growthlab.search.sampling import UntriedSampler

        with self.locked(), uninterrupted():
            self._give_up_dead_trials()
            self._enqueue_default()
            trials = self._trials()
            if self._stop_reason(trials):
                return None
            tried = {settings_key(overrides_of(t)) for t in trials}
            place = sum(map(counts_for_budget, trials))
            self.optuna.sampler = UntriedSampler(
                self.space, tried, self.seed, self.budget.trials, place
            )
            waiting = next((t for t in trials if t.state.name == "WAITING"), None)
            outside = waiting is not None and self._is_outside(waiting)
            trial = self.optuna.ask(None if outside else self.space.distributions())
            trial.set_user_attr("process", this_process())
            trial.set_user_attr("began", CLOCK.seconds())
            overrides = {} if outside else self.space.settings(trial.params)
            trial.set_user_attr("overrides", overrides)
            running = RunningTrial(trial.number, overrides, trial, self)
            ended = self._heartbeats[running.id] = threading.Event()
            thread = threading.Thread(target=self._send_heartbeats, args=(running.id, ended))
            thread.daemon = True
            thread.start()
            return running

    def tell(self, trial: Any, result: TrialResult) -> None:
        """Store the result of a trial; an interrupted one will be tried again."""
        self._store_result(trial.number, trial.id, result, CLOCK.seconds())

    def end_own_trials(self) -> None:
        """Mark the unfinished trials of this process as interrupted."""
        for trial in self._trials("RUNNING"):
            if trial._trial_id in self._heartbeats:
                end = TrialResult("interrupted", why="the search was ended")
                self._store_result(trial.number, trial._trial_id, end, CLOCK.seconds())

    def fail(self, process: str, why: str) -> int:
        """Mark the trials of a killed process as failed, and return their number."""
        with self.locked():
            trials = [t for t in self._trials("RUNNING") if t.user_attrs.get("process") == process]
            for trial in trials:
                self._store_result(
                    trial.number, trial._trial_id, TrialResult("failed", why=why), CLOCK.seconds()
                )
        return len(trials)

    def finished(self) -> list[FinishedTrial]:
        """The trials that ended, except those that were interrupted and will be tried again."""
        return [
            self._checked(t)
            for t in self._trials("COMPLETE", "PRUNED", "FAIL")
            if counts_for_budget(t)
        ]

    def ended(self, number: int) -> FinishedTrial | None:
        """The trial of that number if it ended, interrupted or not."""
        ended = [t for t in self._trials() if t.number == number and t.state.is_finished()]
        return self._checked(ended[0]) if ended and "result" in ended[0].user_attrs else None

    def n_used(self) -> int:
        """The number of trials that count against the budget, running ones included."""
        return sum(counts_for_budget(t) for t in self._trials())

    def running(self) -> set[int]:
        """The numbers of trials that some process runs, as far as this machine can tell."""
        return {t.number for t in self._trials("RUNNING") if self._is_running(t)}

    def seconds_used(self) -> float:
        """Seconds during which at least one trial ran, in all calls together."""
        begun = [t for t in self._trials() if "began" in t.user_attrs]
        return seconds_covered(begun, CLOCK.seconds())

    def time_is_up(self) -> bool:
        """Whether the minutes of the budget are used up."""
        minutes = self.budget.minutes
        return minutes is not None and self.seconds_used() >= 60 * minutes

    def pareto_front(self) -> list[FinishedTrial]:
        """The complete trials for which no other trial is better in every objective."""
        return [self._checked(t) for t in self.optuna.best_trials]

    def _checked(self, trial: FrozenTrial) -> FinishedTrial:
        """A trial that ended; ConfigError if its settings are none that this study could have tried."""
        finished = finished_trial(trial)
        outside = self.space.outside(finished.overrides)
        if outside:
            raise ConfigError(
                f"study={self.name}, trial {trial.number}: {quoted(outside[0])} is not in the search "
                "space, so something else wrote to the storage: give study=NAME to begin another"
            )
        return finished

    def _open(self) -> optuna.Study:
        """The study in the store, created if there is none, with the same fixed settings."""
        import optuna

        direction = optuna.study.StudyDirection
        directions = [direction.MAXIMIZE if m else direction.MINIMIZE for m in self.maximise]
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if self.pruning is not None and self.prunes:
            pruner = optuna.pruners.MedianPruner(
                n_startup_trials=self.pruning.trials,
                n_warmup_steps=self.pruning.epochs + 1,
                n_min_trials=MIN_TRIALS_FOR_MEDIAN,
            )
        storage = self.store.storage
        try:
            if self.name in optuna.get_all_study_names(storage):
                study = optuna.load_study(study_name=self.name, storage=storage, pruner=pruner)
                self._require_same_settings(study)
                return study
            study = optuna.create_study(
                study_name=self.name, storage=storage, directions=directions, pruner=pruner
            )
            study.set_user_attr("question", dict(self.fixed_settings))
            study.set_user_attr("id", uuid.uuid4().hex)
        except ConfigError:
            raise
        except Exception as error:
            raise_if_interrupted()
            raise_if_storage_failed(error)
            reason = one_line(error)[:200]
            raise ConfigError(f"storage {self.store.safe_url} cannot be read: {reason}") from error
        return study

    def _require_same_settings(self, study: optuna.Study) -> None:
        """Raise a `ConfigError` if the stored study has other fixed settings."""
        before = study.user_attrs.get("question")
        if before is None or "id" not in study.user_attrs:
            raise ConfigError(
                f"study={self.name} was not created by growthlab tune: give another name"
            )
        for key in sorted({*before, *self.fixed_settings}):
            old, new = before.get(key, "nothing"), self.fixed_settings.get(key, "nothing")
            if old != new:
                raise ConfigError(
                    f"study={self.name} was begun with {key}={old}, and now it is {new}: "
                    "give study=NAME to begin another"
                )

    def _stop_reason(self, trials: Sequence[FrozenTrial]) -> str:
        """See `stop_reason`."""
        n_used = sum(map(counts_for_budget, trials))
        if n_used >= self.budget.trials:
            return f"all {self.budget.trials} trials are used"
        if n_used and self.time_is_up():
            return f"all {self.budget.minutes:g} minutes are used"
        if any(t.state.name == "WAITING" for t in trials):
            return ""
        if not self.space.ranges:
            return "there is nothing to search" if n_used else ""
        n_tried = len({settings_key(overrides_of(t)) for t in trials if t.params})
        if self.space.n_settings is not None and n_tried >= self.space.n_settings:
            return f"all {self.space.n_settings} settings of the space are tried"
        return ""

    def _enqueue_default(self) -> None:
        """Have the model's own settings tried first, even if they are outside the space."""
        own = [t for t in self._trials() if t.user_attrs.get("default")]
        if any(t.state.name == "WAITING" or counts_for_budget(t) for t in own):
            return
        inside = self.space.contains_default
        params = self.space.encoded(self.space.default) if inside else {}
        deaths = sum(result_of(t).why == KILLED for t in own)
        attributes = {"default": True, "deaths": deaths}
        self.optuna.enqueue_trial(params, user_attrs=attributes)

    def _is_outside(self, trial: FrozenTrial) -> bool:
        """Whether the trial is that of the model's own settings, and they are outside the space."""
        return bool(trial.user_attrs.get("default")) and not self.space.contains_default

    def give_up_dead_trials(self) -> None:
        """End the trials whose process was killed; they will be tried again, at most twice."""
        with self.locked():
            self._give_up_dead_trials()

    def _give_up_dead_trials(self) -> None:
        now = CLOCK.seconds()
        for trial in self._trials("RUNNING"):
            if self._is_running(trial):
                continue
            end = trial.user_attrs.get("seen", trial.user_attrs.get("began", now))
            given_up = trial.user_attrs.get("deaths", 0) + 1 >= MAX_DEATHS
            result = TrialResult("failed" if given_up else "interrupted", why=KILLED)
            self._store_result(trial.number, trial._trial_id, result, end)
            again = "" if given_up else ": it is tried again"
            log.info("trial %d was interrupted%s", trial.number, again)

    def _is_running(self, trial: FrozenTrial) -> bool:
        """Whether this process or another live one works on the trial."""
        return trial._trial_id in self._heartbeats or is_process_alive(trial, CLOCK.seconds())

    @uninterrupted()
    def _store_result(self, number: int, trial_id: int, result: TrialResult, ended: float) -> None:
        """Store the result before the state, so that no finished trial lacks a result."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        heartbeat = self._heartbeats.pop(trial_id, None)
        if heartbeat is not None:
            heartbeat.set()
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
        state = states.get(result.state, TrialState.FAIL)
        try:
            self._storage.set_trial_user_attr(trial_id, "ended", ended)
            self._storage.set_trial_user_attr(trial_id, "result", result.as_json())
            values = list(result.values) if result.state == "complete" else None
            self.optuna.tell(number, values, state=state)
        except UpdateFinishedTrialError:
            log.warning("another process had already given trial %d up", number)
            return
        if result.state == "interrupted":
            trial = next(t for t in self._trials() if t.number == number)
            self._enqueue_again(trial, trial.user_attrs.get("deaths", 0) + (result.why == KILLED))

    def _enqueue_again(self, trial: FrozenTrial, deaths: int) -> None:
        """Have the settings of an interrupted trial tried next."""
        params = trial.system_attrs.get("fixed_params", trial.params)
        if not trial.user_attrs.get("default") and set(params) == set(self.space.ranges):
            self.optuna.enqueue_trial(params, user_attrs={"deaths": deaths})

    def _send_heartbeats(self, trial_id: int, ended: threading.Event) -> None:
        """Store heartbeats of a running trial until it ended, for processes on other machines."""
        while not ended.wait(HEARTBEAT_SECONDS):
            try:
                self._storage.set_trial_user_attr(trial_id, "seen", CLOCK.seconds())
            except Exception as error:
                log.debug("the heartbeat was not stored: %s", error)

    @uninterrupted()
    def _trials(self, *states: str) -> list[FrozenTrial]:
        """The stored trials in one of the states, or all."""
        trials = self.optuna.get_trials(deepcopy=False)
        return [t for t in trials if not states or t.state.name in states]
