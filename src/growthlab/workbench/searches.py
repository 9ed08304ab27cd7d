"""From a composed ``tune`` command to the searches of its models, and from a winner to its command."""

from __future__ import annotations

import copy
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from growthlab.config import experiment_file
from growthlab.config.compose import Command, compose, search_space_named_as
from growthlab.config.model_node import model_node
from growthlab.config.space_from_config import range_texts, space_of
from growthlab.core.errors import ConfigError, ExportError, near_matches
from growthlab.core.running_command import running
from growthlab.evaluation.outcome import Outcome
from growthlab.models.base import Exportable
from growthlab.search.model_search import ModelSearch
from growthlab.search.override_words import as_word, override_words
from growthlab.search.search_loop import COSTS, Objectives
from growthlab.search.search_run import SearchRun
from growthlab.search.search_space import SearchSpace
from growthlab.search.study import Budget, Pruning, Study
from growthlab.search.study_store import StudyStore
from growthlab.search.trial import FinishedTrial
from growthlab.search.workers import Worker
from growthlab.tasks.entry import Contender, Entry
from growthlab.tasks.fold_evaluation import ChosenFit, FoldEvaluation
from growthlab.tasks.objective import value_names
from growthlab.tracking.store import SQLITE
from growthlab.workbench.contenders import command_for_each_model, contender_for
from growthlab.workbench.earlier_runs import refuse_run_of_one_model
from growthlab.workbench.logged_config import (
    KEYS_OF_A_SEARCH,
    KEYS_OF_THE_MACHINES,
    command_config,
)
from growthlab.workbench.provenance import provenance_of
from growthlab.workbench.set_up import cache_folder, set_up
from growthlab.workbench.workbench import Parts, Workbench

KEYS_NOT_OF_TRAIN = (
    *(*KEYS_OF_A_SEARCH, *KEYS_OF_THE_MACHINES),
    *("metrics", "models", "seeds", "experiments", "output", "pictures"),
)
TASK_SETTINGS_THAT_MAY_DIFFER = ("task.memory_mb", "task.min_deciding")  # no value depends on them
WORDS_OF_THE_MACHINE = ("tracking", "cache=", "memory_gb=", "device=")


@dataclass(frozen=True)
class PlannedSearch:
    """The search of one model, and the command that it was composed from."""

    command: Command
    search: ModelSearch

    @property
    def model(self) -> str:
        """The yaml name of the model."""
        return self.command.choice("model")

    @property
    def has_space(self) -> bool:
        """Whether there is a search space; without one the model's own settings are the only trial."""
        return bool(self.search.study.space.ranges)

    def with_settings(self, overrides: Mapping[str, Any]) -> Command:
        """The command with the settings of a trial."""
        return _with_settings(self.command, overrides)

    def save_winner(self, best: FinishedTrial) -> Path | None:
        """Write the winner's settings to a config file, if the command has a folder for it.

        Returns
        -------
        The file; None without such a folder or without a search space.
        """
        folder = self.command.config.experiments
        if folder is None or not self.has_space:
            return None
        search = self.search
        value = f"valid {search.objectives.names[0]} {best.result.values[0]:.4f}"
        n_trials = len(search.study.finished())
        remarks = f"Trial {best.number} of {n_trials} in study {search.name}: {value}"
        winner = self.with_settings(best.overrides)
        return experiment_file.save_experiment(Path(str(folder)), search.name, winner, remarks)

    def train_words(self, best: FinishedTrial, saved: Path | None) -> list[str]:
        """The words after ``growthlab train`` that train the winner, from its file if there is one."""
        if saved is not None and experiment_file.is_on_search_path(saved):
            machine = [w for w in self.command.words if w.startswith(WORDS_OF_THE_MACHINE)]
            return [f"experiment={self.search.name}", *machine]
        kept = [w for w in self.command.words if not w.lstrip("+~").startswith(KEYS_NOT_OF_TRAIN)]
        return [*kept, *override_words(best.overrides)]


def check_search(parts: Parts) -> None:
    """Check everything that needs no data, so that mistakes show before any work is done.

    Raises
    ------
    ConfigError
        An impossible setting.
    """
    config = parts.config
    refuse_run_of_one_model(config)
    objectives_of(parts)
    limits = {f"limits.{name}": limit for name, limit in config.limits.items()}
    for key, value in {"budget.minutes": config.budget.minutes, **limits}.items():
        wrong = isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0
        if value is not None and wrong:
            raise ConfigError(f"{key} must be a positive number or null, got {value}")
    study_name(config.study, "any")
    if config.storage is None or str(config.storage).startswith(SQLITE):
        parts.cluster.require_shared("the study", "storage=postgresql+psycopg://...")
    if parts.store.uri.startswith(SQLITE):
        parts.cluster.require_shared("the MLflow store", "tracking=server")


def planned_searches(bench: Workbench, store: StudyStore) -> list[PlannedSearch]:
    """A search for each model of the command; all share the data of the newest fold.

    Raises
    ------
    ConfigError
        A search space that does not fit its model, or a study that was begun with other settings.
    """
    bench.folds[0].for_choosing()  # a search on nothing is a mistake
    evaluation = FoldEvaluation(bench.task, bench.folds[0], bench.metrics)
    return [
        planned_search(bench, store, command, evaluation)
        for command in command_for_each_model(bench.command, bench.task, bench.source)
    ]


def planned_search(
    bench: Workbench, store: StudyStore, command: Command, evaluation: FoldEvaluation
) -> PlannedSearch:
    """The search of the model of `command`, see `planned_searches`."""
    config = bench.config
    default = (bench.data_name, bench.command.choice("task"))
    if config.models is None:
        name = study_name(config.study, *default, command.choice("model"))
    else:
        name = f"{study_name(config.study, *default)}-{command.choice('model')}"
        command = _with_search_space(command)
    objectives = _objectives(bench, command)
    study = _study(bench, store, command, name, objectives)
    contender = contender_for(command, bench.task)
    search = ModelSearch(
        study=study,
        evaluation=evaluation,
        objectives=objectives,
        contender=lambda overrides: contender_for(_with_settings(command, overrides), bench.task),
        open_recorder=partial(_search_run, bench, command, contender, study, objectives),
        worker=Worker(work_on_study, (_here(bench.command.words), command.chosen["model"])),
        cluster=bench.cluster,
        limits={name: limit for name, limit in config.limits.items() if limit is not None},
        n_jobs=config.n_jobs,
        seed=config.seed,
        device=config.device,
    )
    return PlannedSearch(command, search)


def work_on_study(words: Sequence[str], model: str) -> None:
    """The work of a worker process: the trials of `model` in the command with these `words`."""
    with running(["tune", *words]):
        _work_on_study(words, model)


def _work_on_study(words: Sequence[str], model: str) -> None:
    bench = set_up(compose("tune", words))
    (command,) = (
        each
        for each in command_for_each_model(bench.command, bench.task, bench.source)
        if each.chosen["model"] == model
    )
    evaluation = FoldEvaluation(bench.task, bench.folds[0], bench.metrics)
    with closing(study_store(bench.config)) as store:
        search = planned_search(bench, store, command, evaluation).search
        search.loop(search.open_recorder()).run()


def _here(words: Sequence[str]) -> list[str]:
    """The words of a command for a worker, which runs its trials where it is."""
    kept = [word for word in words if not word.lstrip("+~").startswith(KEYS_OF_THE_MACHINES)]
    return [*kept, "cluster=this_machine"]


def study_name(setting: Any, *default: str) -> str:
    """The name of a study: that of the setting ``study``, else the joined defaults.

    Raises
    ------
    ConfigError
        It could not be the name of a file.
    """
    name = "-".join(default) if setting is None else str(setting)
    if not re.fullmatch(r"\w[\w .-]*", name):
        raise ConfigError(f"study={name}: use letters, digits, blanks and _ . - only")
    return name


def study_store(config: Any) -> StudyStore:
    """The store of studies of a config."""
    url = None if config.storage is None else str(config.storage)
    return StudyStore(url, cache_folder(config) / "studies.journal")


def objectives_of(parts: Parts) -> list[str]:
    """The names of what the search optimises.

    Raises
    ------
    ConfigError
        A name that is neither a metric of the run nor a cost, or a repeated name.
    """
    setting = parts.config.objectives
    if setting is None:
        return [parts.task.objective]
    if not OmegaConf.is_list(setting) or not setting:
        raise ConfigError(f"objectives={setting}: give a list, such as [{parts.task.objective}]")
    names = [str(name) for name in setting]
    possible = [*_metric_by_name(parts), *COSTS]
    for name in names:
        if name not in possible:
            raise ConfigError(f"objectives: {name}: {near_matches(name, possible)}")
        if names.count(name) > 1:
            raise ConfigError(f"objectives: {name} is named {names.count(name)} times")
    return names


def _study(
    bench: Workbench, store: StudyStore, command: Command, name: str, objectives: Objectives
) -> Study:
    """The study in its store, created if there is none."""
    config = command.config
    space = space_of(config.search, config.model) if config.get("search") else SearchSpace({}, {})
    single = objectives.names == [bench.task.objective]
    prune = config.prune if single else None
    return Study(
        store=store,
        name=name,
        space=space,
        fixed_settings=_fixed_settings(bench, command, space, objectives),
        maximise=[_is_maximised(bench, name) for name in objectives.names],
        budget=Budget(config.budget.trials, config.budget.minutes),
        pruning=Pruning(prune.trials, prune.epochs) if prune else None,
        seed=config.seed,
    )


def _fixed_settings(
    bench: Workbench, command: Command, space: SearchSpace, objectives: Objectives
) -> dict[str, str]:
    """Everything that must be the same for all trials of a study, so that they are comparable."""
    config = command.config
    model = _leaves(model_node(config), "model")
    split = _leaves(OmegaConf.to_container(config.split, resolve=True), "split")
    task = _leaves(asdict(bench.task), "task")  # type: ignore[call-overload]
    return {
        "data": f"{bench.data_name} {bench.lineage.digest[:12]}",
        "cutoff": str(bench.lineage.cutoff),
        "objectives": ",".join(objectives.names),
        "seed": str(config.seed),
        **{k: v for k, v in task.items() if k not in TASK_SETTINGS_THAT_MAY_DIFFER},
        **split,
        **{k: v for k, v in model.items() if k not in space.ranges},
        **{f"search.{k}": text for k, text in range_texts(config.get("search") or {}).items()},
    }


def _objectives(bench: Workbench, command: Command) -> Objectives:
    """The objectives of the search, and the costs that have limits."""
    limited = [name for name, limit in command.config.limits.items() if limit is not None]
    return Objectives(objectives_of(bench), limited, partial(_bundle_mb, bench, command))


def _bundle_mb(
    bench: Workbench, command: Command, evaluation: FoldEvaluation, chosen: ChosenFit
) -> float:
    """The size of the fitted model's bundle, from a temporary export."""
    from growthlab.export.write_bundle import write_bundle

    if not isinstance(chosen.model, Exportable):
        raise ExportError(f"{type(chosen.model).__name__} has no bundle: leave bundle_mb out")
    empty = pd.DataFrame()
    outcome = Outcome(
        model=None,
        name=command.choice("model"),
        seed=command.config.seed,
        valid=chosen.valid,
        test={},
        per_user=empty,
        strata=empty,
        tables={},
        fit_seconds=chosen.fit_seconds,
        score_seconds=chosen.score_seconds,
        peak_memory_mb=chosen.peak_mb,
        coverage=1.0,
        epochs=chosen.epochs,
        scorer=chosen.model.scorer(),
    )
    entry = Entry(contender_for(command, bench.task), command.config.seed)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        provenance = provenance_of(bench, entry, outcome, "")
        write_bundle(bundle, evaluation.selection_data, outcome, provenance)
        return sum(f.stat().st_size for f in bundle.rglob("*") if f.is_file()) / 2**20


def _search_run(
    bench: Workbench,
    command: Command,
    contender: Contender,
    study: Study,
    objectives: Objectives,
) -> SearchRun:
    """The run of a search in MLflow, started or continued."""
    config = command_config(bench, [contender])
    search = range_texts(command.config.get("search") or {})
    logged = {**config, "search": search, "study": study.name}
    return SearchRun(bench.store, bench.lineage, logged, study, objectives.names)


def _metric_by_name(parts: Parts) -> dict[str, Any]:
    """Each name of a value, with the metric that gives it."""
    return {n: m for key, m in parts.metrics.items() for n in value_names(m, key)}


def _is_maximised(parts: Parts, name: str) -> bool:
    """Whether larger values of an objective are better; costs are minimised."""
    if name == parts.task.objective:
        return parts.task.maximise
    return name not in COSTS and bool(_metric_by_name(parts)[name].larger_is_better)


def _with_settings(command: Command, overrides: Mapping[str, Any]) -> Command:
    """The command with other values at some config paths."""
    config = copy.deepcopy(command.config)
    for key, value in overrides.items():
        OmegaConf.update(config, key, value, merge=False)
    return replace(command, config=config)


def _with_search_space(command: Command) -> Command:
    """The command with the search space named as its model; null if there is none."""
    config = command.config.copy()
    OmegaConf.set_struct(config, False)
    space = search_space_named_as(command.chosen["model"])
    OmegaConf.update(config, "search", space, merge=False)
    return replace(command, config=config)


def _leaves(node: Any, prefix: str) -> dict[str, str]:
    """Dotted path and text of each value of nested settings."""
    if isinstance(node, Mapping):
        leaves: dict[str, str] = {}
        for key, value in node.items():
            leaves |= _leaves(value, f"{prefix}.{key}")
        return leaves
    plain = list(node) if isinstance(node, Sequence) and not isinstance(node, str) else node
    return {prefix: as_word(plain)}
