"""A study: the trials of one search, stored so that processes share them and none is lost."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from growthlab.core.errors import ConfigError, one_line
from growthlab.core.interrupts import raise_if_interrupted
from growthlab.search.search_space import Space, key_of
from growthlab.search.study_store import StudyStore
from growthlab.search.trial import Finished, Pruned, Result
from growthlab.tracking.process_identity import is_alive, same_host, this_process

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 20.0  # between two signs of life of a process that runs a trial
SILENCE_SECONDS = 300.0  # without one, after which a process on another machine is given up
MAX_DEATHS = 3  # of its process, after which a trial has failed: it may be the trial that kills
KILLED = "its process was killed, perhaps for lack of memory"
MIN_TRIALS_FOR_MEDIAN = 3  # at an epoch


@dataclass(frozen=True)
class Budget:
    """What a study may use: trials, and minutes during which at least one trial ran."""

    trials: int
    minutes: float | None = None


@dataclass(frozen=True)
class Pruning:
    """What is never pruned: the first `trials` of a study, and the first `epochs` of any trial."""

    trials: int
    epochs: int


@dataclass
class Attempt:
    """A trial that this process runs."""

    number: int
    overrides: Mapping[str, Any]
    _trial: optuna.Trial
    _study: Study

    def report(self, epoch: int, value: float) -> bool:
        """See `growthlab.search.trial.Trial`; with several objectives nothing is pruned."""
        if value == value and self._study.prunes:
            self._trial.report(value, epoch)
            if self.number >= self._study.first_pruned and self._trial.should_prune():
                raise Pruned
        return self._study.time_is_up()

    @property
    def id(self) -> int:
        """The storage's number of the trial."""
        return int(self._trial._trial_id)


@dataclass
class Study:
    """One study of a store, created if there is none; see `growthlab.search.search_loop.TrialSource`.

    `question` is what makes values comparable: data, task, space; a study that was begun with
    another question is refused. `maximise` has an entry an objective.
    """

    store: StudyStore
    name: str
    space: Space
    question: Mapping[str, str]
    maximise: Sequence[bool]
    budget: Budget
    pruning: Pruning | None = None
    seed: int = 0
    _working: dict[int, threading.Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._storage = self.store.storage
        with self.alone():
            self.optuna = self._open()

    @property
    def prunes(self) -> bool:
        """Whether hopeless trials are ended early."""
        return self.pruning is not None and len(self.maximise) == 1

    @property
    def first_pruned(self) -> int:
        """The number from which trials may be pruned."""
        return self.pruning.trials if self.pruning is not None else 0

    @property
    def id(self) -> str:
        """A text that no other study has, whatever its name."""
        return str(self.optuna.user_attrs["id"])

    @property
    def ending(self) -> str:
        """Why there is nothing to do any more; empty if there is."""
        return self._over(self._trials())

    def alone(self) -> AbstractContextManager[None]:
        """In the block, no other process reads or changes this study."""
        return self.store.alone(f"study {self.name}")

    def ask(self) -> Attempt | None:
        """The next settings: first the model's own, then what the sampler proposes, nothing twice."""
        from growthlab.search.sampling import Fresh

        with self.alone():
            self._give_up_dead_trials()
            self._enqueue_default()
            trials = self._trials()
            if self._over(trials):
                return None
            tried = {key_of(_overrides_of(t)) for t in trials}
            self.optuna.sampler = Fresh(self.space, tried, self.seed, self.budget.trials)
            waiting = next((t for t in trials if t.state.name == "WAITING"), None)
            outside = waiting is not None and self._is_outside(waiting)
            trial = self.optuna.ask(None if outside else self.space.distributions())
            trial.set_user_attr("process", this_process())
            trial.set_user_attr("began", time.time())
            overrides = {} if outside else self.space.settings(trial.params)
            trial.set_user_attr("overrides", overrides)
        attempt = Attempt(trial.number, overrides, trial, self)
        ended = self._working[attempt.id] = threading.Event()
        threading.Thread(target=self._beat, args=(attempt.id, ended), daemon=True).start()
        return attempt

    def tell(self, trial: Any, result: Result) -> None:
        """Record how the trial ended; an interrupted one will be tried again."""
        self._tell(trial.number, trial.id, result, time.time())

    def end_own_trials(self) -> None:
        """Mark the trials that this process began and did not finish as interrupted."""
        for trial in self._trials("RUNNING"):
            if trial._trial_id in self._working:
                end = Result("interrupted", why="the search was ended")
                self._tell(trial.number, trial._trial_id, end, time.time())

    def fail(self, process: str, why: str) -> int:
        """Mark the trials of a process that was killed as failed; returns how many."""
        with self.alone():
            trials = [t for t in self._trials("RUNNING") if t.user_attrs.get("process") == process]
            for trial in trials:
                self._tell(trial.number, trial._trial_id, Result("failed", why=why), time.time())
        return len(trials)

    def finished(self) -> list[Finished]:
        """The trials that ended, without those that were interrupted and tried again."""
        return [_finished(t) for t in self._trials("COMPLETE", "PRUNED", "FAIL") if _counts(t)]

    def ended(self, number: int) -> Finished | None:
        """The trial of that number, if it ended in any way."""
        ended = [t for t in self._trials() if t.number == number and t.state.is_finished()]
        return _finished(ended[0]) if ended and "result" in ended[0].user_attrs else None

    def n_used(self) -> int:
        """How many trials of the budget are used up or running."""
        return sum(_counts(t) for t in self._trials())

    def running(self) -> set[int]:
        """The numbers of trials that some process runs, as far as can be known on this machine."""
        return {t.number for t in self._trials("RUNNING") if self._is_running(t)}

    def seconds_used(self) -> float:
        """Seconds during which at least one trial ran, in all calls together."""
        now = time.time()
        return _covered((t.user_attrs["began"], _end_of(t, now)) for t in self._begun())

    def time_is_up(self) -> bool:
        """Whether the minutes of the budget are used up."""
        minutes = self.budget.minutes
        return minutes is not None and self.seconds_used() >= 60 * minutes

    def pareto_front(self) -> list[Finished]:
        """The complete trials than which no other is better in every objective."""
        return [_finished(t) for t in self.optuna.best_trials]

    def _open(self) -> optuna.Study:
        """The study in the store, if it was begun with the same question."""
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
                self._check(study)
                return study
            study = optuna.create_study(
                study_name=self.name, storage=storage, directions=directions, pruner=pruner
            )
            study.set_user_attr("question", dict(self.question))
            study.set_user_attr("id", uuid.uuid4().hex)
        except ConfigError:
            raise
        except Exception as error:
            raise_if_interrupted()
            where = self.store.shown
            raise ConfigError(f"storage {where} cannot be read: {one_line(error)[:200]}") from error
        return study

    def _check(self, study: optuna.Study) -> None:
        """Raise a `ConfigError` where values would not be comparable."""
        before = study.user_attrs.get("question")
        if before is None or "id" not in study.user_attrs:
            raise ConfigError(
                f"study={self.name} was not made by growthlab tune: give another name"
            )
        for key in sorted({*before, *self.question}):
            old, new = before.get(key, "nothing"), self.question.get(key, "nothing")
            if old != new:
                raise ConfigError(
                    f"study={self.name} was begun with {key}={old}, and now it is {new}: "
                    "give study=NAME to begin another"
                )

    def _over(self, trials: Sequence[FrozenTrial]) -> str:
        """Why there is nothing to do any more; empty if there is."""
        n_used = sum(map(_counts, trials))
        if n_used >= self.budget.trials:
            return f"all {self.budget.trials} trials are used"
        if n_used and self.time_is_up():
            return f"all {self.budget.minutes:g} minutes are used"
        if any(t.state.name == "WAITING" for t in trials):
            return ""
        if not self.space.ranges:
            return "there is nothing to search" if n_used else ""
        n_tried = len({key_of(_overrides_of(t)) for t in trials if t.params})
        if self.space.n_settings is not None and n_tried >= self.space.n_settings:
            return f"all {self.space.n_settings} settings of the space are tried"
        return ""

    def _enqueue_default(self) -> None:
        """The model's own settings come first; outside of the space they are tried as they are."""
        own = [t for t in self._trials() if t.user_attrs.get("default")]
        if any(t.state.name == "WAITING" or _counts(t) for t in own):
            return
        inside = self.space.holds_default
        params = self.space.encoded(self.space.default) if inside else {}
        deaths = sum(_result_of(t).why == KILLED for t in own)
        attributes = {"default": True, "deaths": deaths}
        self.optuna.enqueue_trial(params, user_attrs=attributes)

    def _is_outside(self, trial: FrozenTrial) -> bool:
        """Whether the trial is that of the model's own settings, and they lie outside of the space."""
        return bool(trial.user_attrs.get("default")) and not self.space.holds_default

    def give_up_dead_trials(self) -> None:
        """End the trials whose process was killed; they will be tried again, at most twice."""
        with self.alone():
            self._give_up_dead_trials()

    def _give_up_dead_trials(self) -> None:
        now = time.time()
        for trial in self._trials("RUNNING"):
            if self._is_running(trial):
                continue
            end = trial.user_attrs.get("seen", trial.user_attrs.get("began", now))
            last = trial.user_attrs.get("deaths", 0) + 1 >= MAX_DEATHS
            result = Result("failed" if last else "interrupted", why=KILLED)
            self._tell(trial.number, trial._trial_id, result, end)
            log.info(
                "trial %d was interrupted%s", trial.number, "" if last else ": it is tried again"
            )

    def _is_running(self, trial: FrozenTrial) -> bool:
        """Whether this process or another one that lives works on the running trial."""
        return trial._trial_id in self._working or _process_lives(trial, time.time())

    def _tell(self, number: int, trial_id: int, result: Result, ended: float) -> None:
        """Store the result before the state, so that no finished trial lacks a result."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        finished = self._working.pop(trial_id, None)
        if finished is not None:
            finished.set()
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
        state = states.get(result.state, TrialState.FAIL)
        try:
            self._storage.set_trial_user_attr(trial_id, "ended", ended)
            self._storage.set_trial_user_attr(trial_id, "result", result.as_json())
            values = list(result.values) if result.state == "complete" else None
            self.optuna.tell(number, values, state=state)
        except UpdateFinishedTrialError:
            log.warning("trial %d had been given up by another process", number)
            return
        if result.state == "interrupted":
            trial = next(t for t in self._trials() if t.number == number)
            self._repeat(trial, trial.user_attrs.get("deaths", 0) + (result.why == KILLED))

    def _repeat(self, trial: FrozenTrial, deaths: int) -> None:
        """Try the settings of an interrupted trial next."""
        params = trial.system_attrs.get("fixed_params", trial.params)
        if not trial.user_attrs.get("default") and set(params) == set(self.space.ranges):
            self.optuna.enqueue_trial(params, user_attrs={"deaths": deaths})

    def _beat(self, trial_id: int, ended: threading.Event) -> None:
        """Write signs of life of a running trial, for processes on other machines."""
        while not ended.wait(HEARTBEAT_SECONDS):
            try:
                self._storage.set_trial_user_attr(trial_id, "seen", time.time())
            except Exception as error:
                log.debug("no sign of life: %s", error)

    def _trials(self, *states: str) -> list[FrozenTrial]:
        trials = self.optuna.get_trials(deepcopy=False)
        return [t for t in trials if not states or t.state.name in states]

    def _begun(self) -> list[FrozenTrial]:
        return [t for t in self._trials() if "began" in t.user_attrs]


def _counts(trial: FrozenTrial) -> bool:
    """Whether a trial counts against the budget: it has begun, and was not interrupted."""
    if trial.state.name == "WAITING":
        return False
    return not (trial.state.is_finished() and _result_of(trial).state == "interrupted")


def _result_of(trial: FrozenTrial) -> Result:
    """How a finished trial ended."""
    text = trial.user_attrs.get("result")
    return Result("interrupted") if text is None else Result.from_json(text)


def _overrides_of(trial: FrozenTrial) -> Mapping[str, Any]:
    """The settings of a trial, also of one that waits or has just begun."""
    fixed = trial.system_attrs.get("fixed_params", trial.params)
    overrides: Mapping[str, Any] = trial.user_attrs.get("overrides", fixed)
    return overrides


def _finished(trial: FrozenTrial) -> Finished:
    attributes = trial.user_attrs
    began, ended = float(attributes.get("began", 0)), float(attributes.get("ended", 0))
    overrides = attributes.get("overrides", {})
    return Finished(trial.number, overrides, _result_of(trial), began, ended)


def _process_lives(trial: FrozenTrial, now: float) -> bool:
    """Whether the process of a running trial lives, as far as can be known from here."""
    process = trial.user_attrs.get("process", "")
    if process in ("", this_process()):
        return False  # it was killed while it asked, or is an earlier search of this process
    if same_host(process):
        return is_alive(process)
    seen = trial.user_attrs.get("seen", trial.user_attrs.get("began", now))
    return bool(now - seen < SILENCE_SECONDS)


def _end_of(trial: FrozenTrial, now: float) -> float:
    """When a trial ended; now, if it is at work."""
    return float(trial.user_attrs.get("ended", now))


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of spans.

    >>> _covered([(0.0, 10.0), (5.0, 12.0), (20.0, 21.0)])
    13.0
    """
    total, reach = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reach))
        reach = max(reach, end)
    return total
