"""The search of one model: its study, its runs, and what came of it."""

from __future__ import annotations

import copy
import logging
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from growthlab.cli.setting import Setting, cache_of
from growthlab.config import experiment_file
from growthlab.config.compose import Command, space_named_as
from growthlab.config.space_from_config import space_of, texts_of
from growthlab.core.errors import ConfigError, ExportError, near_matches
from growthlab.evaluation.outcome import Outcome
from growthlab.search.search_loop import COSTS, Objectives, Search, TrialRecorder
from growthlab.search.search_space import Space
from growthlab.search.study import Budget, Finished, Pruning, Study
from growthlab.search.study_store import StudyStore
from growthlab.tasks.fold_evaluation import ChosenFit, FoldEvaluation
from growthlab.tasks.objective import names_of
from growthlab.tasks.run_comparison import Contender, Entry
from growthlab.tracking.search_run import SearchRun

log = logging.getLogger(__name__)


@dataclass
class ModelSearch:
    """A search over `found.config.search` of the model of `found`.

    `shared` is the arena of several models, `name` that of the study in the `store`.
    """

    setting: Setting
    store: StudyStore
    found: Command
    shared: FoldEvaluation | None
    name: str

    @cached_property
    def arena(self) -> FoldEvaluation:
        """Where the trials are judged."""
        setting = self.setting
        return self.shared or FoldEvaluation(setting.task, setting.folds[0], setting.metrics)

    @property
    def config(self) -> Any:
        """The composed config."""
        return self.found.config

    @cached_property
    def space(self) -> Space:
        """What may be tried; without a search space only the model's own settings."""
        node = self.config.get("search")
        return space_of(node, self.config.model) if node else Space({}, {})

    @cached_property
    def objectives(self) -> Objectives:
        """What the search goes by."""
        limited = [name for name, most in self.config.limits.items() if most is not None]
        return Objectives(objectives_of(self.setting), limited, self._bundle_mb)

    @cached_property
    def study(self) -> Study:
        """The study in its store."""
        prune, task = self.config.prune, self.setting.task
        return Study(
            store=self.store,
            name=self.name,
            space=self.space,
            question=self._question(),
            maximise=[_maximised(self.setting, name) for name in self.objectives.names],
            budget=Budget(self.config.budget.trials, self.config.budget.minutes),
            pruning=Pruning(prune.trials, prune.epochs)
            if prune and self.objectives.names == [task.objective]
            else None,
            seed=self.config.seed,
        )

    @cached_property
    def recorder(self) -> SearchRun:
        """The runs in MLflow."""
        config = self.setting.logged_config([self.setting.contender(self.found)])
        shown = {**config, "search": texts_of(self.config.get("search") or {}), "study": self.name}
        names = self.objectives.names
        return SearchRun(self.setting.store, self.setting.lineage, shown, self.study, names)

    def loop(self, recorder: TrialRecorder | None = None) -> Search:
        """The loop over trials, as this process or a worker runs it; `recorder`: instead of MLflow."""
        return Search(
            arena=self.arena,
            study=self.study,
            recorder=recorder or self.recorder,
            factory=lambda overrides: self.contender(overrides).factory,
            objectives=self.objectives,
            seed=self.config.seed,
            device=self.config.device,
        )

    def composed(self, overrides: Mapping[str, Any]) -> Command:
        """The command with settings of the search."""
        config = copy.deepcopy(self.config)
        for key, value in overrides.items():
            OmegaConf.update(config, key, value, merge=False)
        return replace(self.found, config=config)

    def contender(self, overrides: Mapping[str, Any]) -> Contender:
        """The model with settings of the search."""
        return self.setting.contender(self.composed(overrides))

    def best(self) -> Finished | None:
        """The best complete trial by the first objective, within the limits; the earliest of equals.

        Raises
        ------
        ConfigError
            No trial lies within the limits.
        """
        complete = [t for t in self.study.finished() if t.result.state == "complete"]
        limits = {n: most for n, most in self.config.limits.items() if most is not None}
        within = complete
        for name, most in limits.items():
            # earlier calls of the study, without this limit, may not have measured the cost
            known = [t for t in within if name in t.result.costs]
            if within and not known:
                raise ConfigError(
                    f"limits.{name}={most}: no trial of study {self.name} measured it: "
                    "raise budget.trials, or give study=NAME to begin another"
                )
            least = min((t.result.costs[name] for t in known), default=0.0)
            within = [t for t in known if t.result.costs[name] <= most]
            if known and not within:
                raise ConfigError(
                    f"limits.{name}={most}: no trial is within it, the least is {least:.4g}"
                )
        sign = 1 if self.study.maximise[0] else -1
        return max(within, key=lambda t: (sign * t.result.values[0], -t.number), default=None)

    def borders(self, best: Finished) -> list[str]:
        """Words for each setting of the best trial that lies on the border of its range."""
        given = {**self.space.default, **best.overrides}
        return [f"{key}={word_of(given[key])}" for key in self.space.borders(best.overrides)]

    def used(self) -> dict[str, Any]:
        """What a study used of its budget: trials by how they ended, and minutes."""
        states = [str(t.result.state) for t in self.study.finished()]
        ends = ("complete", "pruned", "failed")
        minutes = round(self.study.seconds_used() / 60, 2)
        return {**{end: states.count(end) for end in ends}, "minutes": minutes}

    def save_winner(self, best: Finished) -> Path | None:
        """The winner's settings as a config file, unless none is wanted or none was searched."""
        folder = self.config.experiments
        if folder is None or not self.space.ranges:
            return None
        value = f"valid {self.objectives.names[0]} {best.result.values[0]:.4f}"
        n_trials = len(self.study.finished())
        remarks = f"Trial {best.number} of {n_trials} in study {self.name}: {value}"
        winner = self.composed(best.overrides)
        return experiment_file.save(Path(str(folder)), self.name, winner, remarks)

    def _question(self) -> dict[str, str]:
        """What makes two trials comparable: all of it must be the same in a study."""
        config, setting = self.config, self.setting
        searched = set(self.space.ranges)
        model = _leaves(OmegaConf.to_container(config.model, resolve=True), "model")
        split = _leaves(OmegaConf.to_container(config.split, resolve=True), "split")
        task = _leaves(asdict(setting.task), "task")  # type: ignore[call-overload]
        return {
            "data": f"{setting.data_name} {setting.lineage.digest[:12]}",
            "cutoff": str(setting.lineage.cutoff),
            "objectives": ",".join(self.objectives.names),
            "seed": str(config.seed),
            **{k: v for k, v in task.items() if k != "task.memory_mb"},
            **split,
            **{k: v for k, v in model.items() if k not in searched},
            **{f"search.{k}": text for k, text in texts_of(config.get("search") or {}).items()},
        }

    def _bundle_mb(self, arena: FoldEvaluation, choice: ChosenFit) -> float:
        """The size of the bundle that the fitted model would leave the lab in."""
        from growthlab.export.of_outcome import write_bundle

        if not hasattr(choice.model, "scorer"):
            raise ExportError(f"{type(choice.model).__name__} has no bundle: leave bundle_mb out")
        nothing = pd.DataFrame()
        outcome = Outcome(
            model=None,
            name=self.found.name("model"),
            seed=self.config.seed,
            valid=choice.valid,
            test={},
            per_user=nothing,
            strata=nothing,
            tables={},
            fit_seconds=choice.fit_seconds,
            score_seconds=choice.score_seconds,
            peak_memory_mb=choice.peak_mb,
            coverage=1.0,
            epochs=choice.epochs,
            scorer=choice.model.scorer(),
        )
        entry = Entry(self.setting.contender(self.found), self.config.seed)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "bundle"
            write_bundle(
                place, arena.choosing, outcome, self.setting.provenance(entry, outcome, "")
            )
            return sum(f.stat().st_size for f in place.rglob("*") if f.is_file()) / 2**20

    def raise_if_a_mistake(self, loop: Search) -> None:
        """Raise the error of the trials where it is a mistake in the input."""
        from growthlab.core.errors import GrowthlabError

        if isinstance(loop.last_error, GrowthlabError):
            raise loop.last_error
        log.error("study %s: no trial succeeded; error.txt of each says why", self.name)


def search_of(
    setting: Setting, store: StudyStore, model: str, arena: FoldEvaluation | None = None
) -> ModelSearch:
    """The search of one model: that of the command, or with ``models`` its part for `model`.

    Raises
    ------
    ConfigError
        The search space does not fit the model.
    """
    found, config = setting.found, setting.config
    parts = (setting.data_name, found.name("task"))
    if config.models is None:
        name = study_name(config.study, *parts, found.name("model"))
    else:
        found = found.with_model(model)
        name = f"{study_name(config.study, *parts)}-{found.name('model')}"
        found = replace(found, config=_with(found.config, "search", space_named_as(model)))
    search = ModelSearch(setting, store, found, arena, name)
    _ = search.space
    return search


def study_name(given: Any, *parts: str) -> str:
    """The name of a study: the given one, else data, task and model.

    Raises
    ------
    ConfigError
        It could not be the name of a file.
    """
    name = "-".join(parts) if given is None else str(given)
    if not re.fullmatch(r"\w[\w .-]*", name):
        raise ConfigError(f"study={name}: letters, digits, blanks and _ . - make a name")
    return name


def study_store(config: Any) -> StudyStore:
    """Where the studies of the config are kept."""
    url = None if config.storage is None else str(config.storage)
    return StudyStore(url, Path(cache_of(config)) / "studies.journal")


def objectives_of(setting: Setting) -> list[str]:
    """The names of what the search goes by.

    Raises
    ------
    ConfigError
        One that is neither a metric of the run nor a cost, or that is named twice.
    """
    given = setting.config.objectives
    if given is None:
        return [setting.task.objective]
    if not OmegaConf.is_list(given) or not given:
        raise ConfigError(f"objectives={given}: give a list, such as [{setting.task.objective}]")
    names = [str(name) for name in given]
    possible = [*_metric_names(setting), *COSTS]
    for name in names:
        if name not in possible:
            raise ConfigError(f"objectives: {name}: {near_matches(name, possible)}")
        if names.count(name) > 1:
            raise ConfigError(f"objectives: {name} is named {names.count(name)} times")
    return names


def word_of(value: Any) -> str:
    """A value as a word of the command line."""
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(word_of, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _metric_names(setting: Setting) -> dict[str, Any]:
    """The metric that gives each name."""
    return {n: m for key, m in setting.metrics.items() for n in names_of(m, key)}


def _maximised(setting: Setting, name: str) -> bool:
    """Whether more of it is better; costs are better low."""
    if name == setting.task.objective:
        return setting.task.maximise
    return name not in COSTS and bool(_metric_names(setting)[name].larger_is_better)


def _leaves(node: Any, prefix: str) -> dict[str, str]:
    """Dotted path and text of everything in plain settings that is no mapping."""
    if isinstance(node, Mapping):
        found: dict[str, str] = {}
        for key, value in node.items():
            found |= _leaves(value, f"{prefix}.{key}")
        return found
    plain = list(node) if isinstance(node, Sequence) and not isinstance(node, str) else node
    return {prefix: word_of(plain)}


def _with(config: Any, key: str, value: Any) -> Any:
    """The config with another value of a key."""
    from omegaconf import OmegaConf

    changed = config.copy()
    OmegaConf.set_struct(changed, False)
    OmegaConf.update(changed, key, value, merge=False)
    return changed
