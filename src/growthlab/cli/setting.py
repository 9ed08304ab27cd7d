"""From a composed config to the objects of a run: source, log, folds, task, metrics, store."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from growthlab.cli.compose import Composed
from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.data.source import Source
from growthlab.evaluation.report import Comparison
from growthlab.export.manifest import Provenance
from growthlab.split.fold import Fold
from growthlab.split.leakage import leakage_report
from growthlab.tasks.base import Task, settled
from growthlab.tasks.comparison import Contender, Entry, Results
from growthlab.tracking.comparison_run import ComparisonRun, Lineage
from growthlab.tracking.store import Store, code_version

log = logging.getLogger(__name__)

NOT_OF_A_RUN = ("rerun", "models", "seeds", "origins", "budget", "study", "storage", "search")


@dataclass(frozen=True)
class Setting:
    """What a command works with, each part made when it is first asked for."""

    found: Composed
    origins: int = 1

    @property
    def config(self) -> Any:
        """The composed config."""
        return self.found.config

    @cached_property
    def source(self) -> Source:
        """The data source."""
        source = build(self.config.data)
        assert isinstance(source, Source)
        return source

    @cached_property
    def task(self) -> Task:
        """The task, with the data set's defaults where it leaves something open."""
        return settled(build(self.config.task), self.source)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The metrics of the task, by name."""
        return {str(name): build(node) for name, node in self.config.metrics.items()}

    @cached_property
    def store(self) -> Store:
        """Where the runs go."""
        store = build(self.config.tracking)
        assert isinstance(store, Store)
        return store

    @cached_property
    def log(self) -> EventLog:
        """The prepared log."""
        started = time.perf_counter()
        events = self.source.prepare(Path(self.config.cache))
        seconds = time.perf_counter() - started
        counts = f"{events.n_events:,} events of {events.n_users:,} users"
        log.info("data %s: %s in %.1f s", self.found.name("data"), counts, seconds)
        return events

    @cached_property
    def folds(self) -> list[Fold]:
        """One fold an origin, the newest first."""
        splitter = build(self.config.split)
        folds: list[Fold] = splitter.folds(self.log, self.source.horizon_days, self.origins)
        if self.source.cleaning is not None:
            folds = [fold.with_past(self.source.cleaning.restrict) for fold in folds]
        for fold in folds:
            log.info("cutoff %s, horizon %s", fold.cutoff or "none", fold.horizon or "none")
        return folds

    @cached_property
    def lineage(self) -> Lineage:
        """What all runs of this call are about."""
        history = tuple(self.source.history_events)
        leakage = leakage_report(self.folds[0], history, tuple(self.source.target_events))
        return Lineage(
            data=self.found.name("data"),
            digest=self.log.digest,
            task=self.found.name("task"),
            split=self.found.name("split"),
            cutoff=str(self.folds[0].cutoff or ""),
            source=str(getattr(self.source, "path", None) or self.source.name),
            reports={"leakage": leakage, "cleaning": self.log.cleaning},
        )

    def contender(self, found: Composed | None = None) -> Contender:
        """The model of the config (or of another composition) as a contender."""
        found = found or self.found
        chosen = found.chosen.get("model", "")
        family = chosen.partition("/")[0]
        if family != self.task.models:
            raise ConfigError(
                f"model={chosen} is not a model of task={self.found.name('task')}: "
                f"it takes models of the family {self.task.models}"
            )
        settings = OmegaConf.to_container(found.config.model, resolve=True)
        assert isinstance(settings, dict)
        build(settings)  # a mistake shows before any work is done
        named = {str(k): v for k, v in settings.items()}
        return Contender(found.name("model"), lambda: build(named), named)

    def logged_config(self, entry: Entry | None = None) -> dict[str, Any]:
        """The config as it is logged: of the whole call, or that of one entry, which can be run again."""
        plain = OmegaConf.to_container(self.config, resolve=True)
        assert isinstance(plain, dict)
        config = {str(k): v for k, v in plain.items()}
        chosen = {g: self.found.chosen[g] for g in ("data", "split", "task", "model")}
        if entry is None:
            config.pop("rerun", None)
            return {**config, "chosen": chosen}
        for key in NOT_OF_A_RUN:
            config.pop(key, None)
        cutoff = self.folds[entry.origin].cutoff
        if entry.origin and cutoff is not None:
            config["split"] = {**config["split"], "cutoff": str(cutoff)}
        chosen["model"] = f"{self.task.models}/{entry.contender.name}"
        own = {"model": dict(entry.contender.settings), "seed": entry.seed}
        return {**config, **own, "chosen": chosen}

    def comparison(self, results: Results) -> Comparison:
        """What the results say together."""
        task = self.task
        return Comparison(
            outcomes=results.outcomes,
            objective=task.objective,
            maximise=task.maximise,
            baselines=task.baselines,
            title=f"{self.lineage.data}: {self.lineage.task}",
            leakage=self.lineage.reports["leakage"],
            metrics=self.metrics,
            errors={label: str(error) for label, error in results.errors.items()},
        )

    def recorder(self, *, parent: bool) -> ComparisonRun:
        """The MLflow recorder of this call."""
        from growthlab.export.of_outcome import write_outcome

        def bundle(entry: Entry, arena: Any, outcome: Any, folder: Path) -> Any:
            run_id = recorder.runs[entry.label]
            provenance = self.provenance(entry, outcome, run_id)
            return write_outcome(folder, arena.judging, outcome, provenance)

        recorder = ComparisonRun(
            store=self.store,
            lineage=self.lineage,
            config=self.logged_config(),
            child_config=self.logged_config,
            bundle=bundle,
            figures=self.task.figures,
            checkpoints=Path(self.config.cache) / "checkpoints",
            parent=parent,
        )
        return recorder

    def provenance(self, entry: Entry, outcome: Any, run_id: str) -> Provenance:
        """Where a model comes from, for its bundle."""
        fold, task = self.folds[entry.origin], self.task
        horizon = fold.horizon
        return Provenance(
            task=self.found.name("task"),
            model=outcome.name,
            data=self.lineage.data,
            data_digest=self.lineage.digest,
            split=self.lineage.split,
            seed=entry.seed,
            tie_seed=getattr(task, "tie_seed", 0),
            run_id=run_id,
            cutoff=fold.cutoff.isoformat() if fold.cutoff else None,
            horizon_days=horizon.total_seconds() / 86_400 if horizon else None,
            filter_seen=getattr(task, "filter_seen", None) or "none",
            filter_seen_reason=self.source.filter_seen_reason,
            history_events=tuple(getattr(task, "history_events", None) or ()),
            target_events=tuple(getattr(task, "target_events", None) or ()),
            metrics={n: e._asdict() for n, e in outcome.test.items()},
            valid=outcome.valid,
            code_version=code_version(),
        )


def as_composed(logged: Mapping[str, Any]) -> Composed:
    """A logged config, ready to run again."""
    config = dict(logged)
    chosen = config.pop("chosen")
    return Composed(OmegaConf.create(config), dict(chosen), "train")
