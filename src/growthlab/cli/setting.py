"""From a composed config to the objects of a run: source, log, folds, task, metrics, store."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from omegaconf import OmegaConf

from growthlab.bundle.manifest import Provenance
from growthlab.config.compose import Command
from growthlab.core.build import build
from growthlab.core.errors import ConfigError, DataError, one_line
from growthlab.data.event_log import EventLog
from growthlab.data.source import Source
from growthlab.evaluation.comparison import Comparison
from growthlab.evaluation.leaderboard_columns import MetricColumn, build_metrics
from growthlab.split.fold import Fold
from growthlab.split.leakage import leakage_report
from growthlab.tasks.base import Task, settled
from growthlab.tasks.objective import objective_metric
from growthlab.tasks.run_comparison import Contender, Entry, Results
from growthlab.tracking.comparison_run import ComparisonRun
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.store import Store, code_version

log = logging.getLogger(__name__)

INTERACTIONS = ("view", "favourite", "cart", "purchase", "review", "click")
OF_A_SEARCH = ("budget", "prune", "objectives", "limits", "n_jobs", "study", "storage", "search")
NOT_OF_A_RUN = ("rerun", "models", "seeds", "origins", "experiments", *OF_A_SEARCH)
NOT_OF_A_CALL = ("rerun", "model", "n_jobs", "storage", "experiments")  # nor a password


@dataclass(frozen=True)
class Setting:
    """What a command works with, each part made when it is first asked for."""

    found: Command
    origins: int = 1
    given: EventLog | None = None  # a log of one's own, instead of the data set of the config
    _leakages: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def config(self) -> Any:
        """The composed config."""
        return self.found.config

    @cached_property
    def source(self) -> Source:
        """The data source."""
        if self.given is not None:
            return OwnLog.of(self.given)
        source = build(self.config.data)
        assert isinstance(source, Source)
        return source

    @cached_property
    def task(self) -> Task:
        """The task, with the data set's defaults where it leaves something open."""
        return settled(build(self.config.task), self.source)

    @cached_property
    def _metrics(self) -> tuple[dict[str, Any], list[MetricColumn]]:
        nodes = self.config.get("metrics") or {}
        if not nodes:
            raise ConfigError("metrics=[] leaves nothing to judge a model by: name some, or none")
        family = f"growthlab.metrics.{self.task.metrics}."
        for name, node in nodes.items():
            target = str(node.get("_target_"))
            if target.startswith("growthlab.metrics.") and not target.startswith(family):
                raise ConfigError(
                    f"metrics.{name} is no metric of task={self.found.name('task')}: "
                    f"it takes those of the family {self.task.metrics}"
                )
        metrics, columns = build_metrics(nodes)
        objective_metric(self.task, metrics)
        return metrics, columns

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics of the task, by name."""
        return self._metrics[0]

    @property
    def metric_columns(self) -> list[MetricColumn]:
        """The metrics that are columns of the leaderboard, in its order."""
        return self._metrics[1]

    @cached_property
    def splitter(self) -> Any:
        """What cuts the log into past and future."""
        return build(self.config.split)

    def check(self) -> None:
        """Make everything that needs no data, so that mistakes show before any work is done."""
        _ = self.source, self.task, self.metrics, self.splitter

    @cached_property
    def store(self) -> Store:
        """Where the runs go."""
        store = build(self.config.tracking)
        assert isinstance(store, Store)
        return store

    @cached_property
    def log(self) -> EventLog:
        """The prepared log."""
        if self.given is not None:
            return self.given
        started = time.perf_counter()
        events = self.source.prepare(cache_of(self.config))
        seconds = time.perf_counter() - started
        counts = f"{events.n_events:,} events of {events.n_users:,} users"
        log.info("data %s: %s in %.1f s", self.data_name, counts, seconds)
        return events

    @property
    def data_name(self) -> str:
        """The yaml name of the data set, or the name of a log of one's own."""
        return self.found.name("data") if self.given is None else self.given.name

    @cached_property
    def folds(self) -> list[Fold]:
        """One fold an origin, the newest first."""
        folds: list[Fold] = self.splitter.folds(self.log, self.source.horizon_days, self.origins)
        if self.source.cleaning is not None:
            folds = [fold.with_past(self.source.cleaning.restrict) for fold in folds]
        for fold in folds:
            if fold.cutoff is not None and fold.horizon is not None:
                days = fold.horizon.total_seconds() / 86_400
                log.info("cutoff %s, horizon %g days", fold.cutoff, days)
        return folds

    @cached_property
    def lineage(self) -> Lineage:
        """What all runs of this call are about."""
        log = self.log
        more = {str(name): str(value) for name, value in (self.config.get("tags") or {}).items()}
        if self.config.get("warm"):
            more["warm_from"] = str(self.config.warm)
        if getattr(self.task, "filter_seen", None):
            more["filter_seen"] = str(self.task.filter_seen)  # type: ignore[attr-defined]
            more["filter_seen_reason"] = self.source.filter_seen_reason
        return Lineage(
            data=self.data_name,
            digest=log.digest,
            task=self.found.name("task"),
            split=self.found.name("split"),
            cutoff=str(self.folds[0].cutoff or ""),
            source=str(getattr(self.source, "path", None) or self.source.name),
            counts={"events": log.n_events, "users": log.n_users, "items": log.n_items},
            more=more,
        )

    def reports(self, origin: int) -> dict[str, Any]:
        """The leakage report of an origin, and what cleaning dropped."""
        return {"leakage": self._leakage(origin), "cleaning": self.log.cleaning}

    def _leakage(self, origin: int) -> dict[str, Any]:
        if origin not in self._leakages:
            kinds = ("history_events", "target_events")
            history, target = (
                tuple(getattr(self.task, k, None) or getattr(self.source, k)) for k in kinds
            )
            self._leakages[origin] = leakage_report(self.folds[origin], history, target)
        return self._leakages[origin]

    def contender(self, found: Command | None = None) -> Contender:
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
        named = {str(k): v for k, v in settings.items()}
        build(named, "model")  # a mistake shows before any work is done
        return Contender(found.name("model"), lambda: build(named, "model"), named)

    def logged_config(self, contenders: Sequence[Contender]) -> dict[str, Any]:
        """The config of the whole call as it is logged, with the settings of every contender."""
        config = {k: v for k, v in self._plain().items() if k not in NOT_OF_A_CALL}
        chosen = {g: self.found.chosen[g] for g in ("data", "split", "task")}
        models = {c.name: dict(c.settings) for c in contenders}
        return {**config, "models": models, "chosen": chosen}

    def entry_config(self, entry: Entry) -> dict[str, Any]:
        """The config of one entry as it is logged: it can be run again."""
        config = {k: v for k, v in self._plain().items() if k not in NOT_OF_A_RUN}
        cutoff = self.folds[entry.origin].cutoff
        if entry.origin and cutoff is not None:
            config["split"] = {**config["split"], "cutoff": str(cutoff)}
        chosen = {g: self.found.chosen[g] for g in ("data", "split", "task")}
        chosen["model"] = f"{self.task.models}/{entry.contender.name}"
        own = {"model": dict(entry.contender.settings), "seed": entry.seed}
        return {**config, **own, "chosen": chosen}

    def _plain(self) -> dict[str, Any]:
        """The composed config as plain values."""
        plain = OmegaConf.to_container(self.config, resolve=True)
        assert isinstance(plain, dict)
        return {str(k): v for k, v in plain.items()}

    def comparison(
        self, results: Results, bundle_mb: Mapping[str, float] | None = None
    ) -> Comparison:
        """What the results say together; `bundle_mb` are sizes by model."""
        task = self.task
        return Comparison(
            outcomes=results.outcomes,
            objective=task.objective,
            maximise=task.maximise,
            baselines=task.baselines,
            title=f"{self.data_name}: {self.found.name('task')}",
            leakage=self._leakage(0),
            metrics=self.metrics,
            columns=self.metric_columns,
            errors={label: one_line(error) for label, error in results.errors.items()},
            bundle_mb=bundle_mb or {},
        )

    def recorder(self, contenders: Sequence[Contender], *, parent: bool) -> ComparisonRun:
        """The MLflow recorder of this call."""
        from growthlab.export.of_outcome import write_bundle
        from growthlab.export.parity import write_asked

        def bundle(entry: Entry, arena: Any, outcome: Any, folder: Path) -> Any:
            run_id = recorder.runs[entry.label]
            provenance = self.provenance(entry, outcome, run_id)
            write_asked(folder.parent, arena.judging)
            return write_bundle(folder, arena.judging, outcome, provenance)

        recorder = ComparisonRun(
            store=self.store,
            lineage=self.lineage,
            config=self.logged_config(contenders),
            child_config=self.entry_config,
            reports=self.reports,
            bundle=bundle,
            figures=lambda outcome: self.task.figures(outcome, self.metric_columns),
            checkpoints=cache_of(self.config) / "checkpoints",
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


@dataclass(frozen=True, kw_only=True)
class OwnLog(Source):
    """A log that is there already: what it says of its use follows from its event types."""

    name: ClassVar[str] = "own_log"

    @classmethod
    def of(cls, events: EventLog) -> OwnLog:
        """Purchases are foretold where there are any, else what there is."""
        kinds = events.query("SELECT DISTINCT event_type FROM events")["event_type"]
        seen = tuple(t for t in INTERACTIONS if t in set(kinds)) or tuple(sorted(set(kinds)))
        target = ("purchase",) if "purchase" in seen else seen
        return cls(history_events=seen, target_events=target)

    def read(self) -> EventLog:
        """Nothing is read."""
        raise DataError("a log of one's own is given, not read")


def cache_of(config: Any) -> Path:
    """The folder of prepared data and checkpoints.

    Raises
    ------
    ConfigError
        It cannot be made.
    """
    folder = Path(str(config.cache))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = f"cache={folder} cannot be written ({error.strerror})"
        raise ConfigError(f"{why}: choose another folder") from error
    return folder


def as_composed(logged: Mapping[str, Any], now: Command) -> Command:
    """A logged config, ready to run again with the store and the cache of now."""
    config = {**logged, **{k: now.config[k] for k in ("tracking", "cache")}}
    chosen = config.pop("chosen")
    return Command(OmegaConf.create(config), dict(chosen), "train")
