"""A run that the gate judges: its artifacts, and the bundle that would be promoted."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from growthlab.bundle.bundle import Bundle
from growthlab.core.errors import ConfigError, ExportError, one_line
from growthlab.core.storage_faults import raise_if_storage_failed
from growthlab.export.parity import STEP_HISTORIES
from growthlab.export.sign_and_index import sign_and_index
from growthlab.metrics.predictions import label_columns
from growthlab.registry.download import bundle_of
from growthlab.tracking.find_run import find_exportable_run
from growthlab.tracking.run_files import PREDICTIONS, download_artifact, values_of_run
from growthlab.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


@dataclass(frozen=True)
class ModelRun:
    """A finished run of one model; its artifacts are downloaded to `folder` when they are needed.

    `version` is its model version in the registry, by default the newest; None where the run is not
    registered: then its bundle gets an index if the catalogue has more than `index_above` items, as
    it would at registration.
    """

    store: Store
    run: Run
    folder: Path
    version: str | None = None
    index_above: int = sys.maxsize

    @classmethod
    def named(
        cls, store: Store, word: str, task: str, folder: Path, *, index_above: int
    ) -> ModelRun:
        """The run that a word such as ``challenger=ID`` names, see `find_run`.

        Raises
        ------
        ConfigError
            There is no such run, or it is of another task or of an earlier origin.
        ExportError
            Its model cannot be exported.
        """
        run = find_exportable_run(store, word)
        tags = run.data.tags
        if tags.get("task") != task:
            raise ConfigError(f"{word} is a run of task={tags.get('task')}, not of task={task}")
        if tags.get("origin", "0") != "0":
            raise ConfigError(f"{word} was evaluated at an earlier origin: name a run of origin 0")
        run_id = str(run.info.run_id)
        version = newest_version(store.client, f"{tags['data']}-{task}", run_id)
        return cls(store, run, folder / run_id, version, index_above)

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self.run.info.run_id)

    @property
    def tags(self) -> dict[str, str]:
        """The run's tags."""
        return dict(self.run.data.tags)

    @cached_property
    def files(self) -> frozenset[str]:
        """The names of its artifacts at the top level."""
        return frozenset(a.path for a in self.store.client.list_artifacts(self.id))

    def file(self, name: str) -> Path:
        """An artifact, downloaded once.

        Raises
        ------
        ExportError
            There is no such artifact, or it cannot be read.
        """
        path = self.folder / name
        if path.exists():
            return path
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            return download_artifact(self.store.client, self.id, name, self.folder)
        except Exception as error:
            raise_if_storage_failed(error)
            raise ExportError(f"run {self.id} has no artifact {name}: {one_line(error)}") from error

    def table(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        """A Parquet artifact."""
        return pd.read_parquet(self.file(f"{name}.parquet"), columns=columns)

    @property
    def registered_name(self) -> str:
        """The name of its model in the registry."""
        return f"{self.tags['data']}-{self.tags['task']}"

    @cached_property
    def bundle(self) -> Bundle:
        """The bundle of its version in the registry, or the copy that a promotion would register.

        Raises
        ------
        BundleError, ExportError
            It is gone or damaged, or not signed where a signing key is set.
        """
        if self.version is None:
            return sign_and_index(self.file("bundle"), self.index_above)
        version = self.store.client.get_model_version(self.registered_name, self.version)
        folder = self.folder / f"version {self.version}"
        folder.mkdir(parents=True)
        return bundle_of(version, folder, uri=self.store.address)

    @cached_property
    def leakage(self) -> dict[str, Any]:
        """The leakage report; empty where the run has none."""
        if "leakage.json" not in self.files:
            return {}
        return dict(json.loads(self.file("leakage.json").read_text()))

    @property
    def predictions(self) -> pd.DataFrame:
        """The customers with their predictions and labels, see `label_of`."""
        columns = pq.read_schema(self.file(f"{PREDICTIONS}.parquet")).names
        return self.table(PREDICTIONS, ["user_id", *label_columns(columns), "prediction"])

    @cached_property
    def truth(self) -> pd.DataFrame:
        """The targets of the evaluation, which are the same for all models evaluated alike."""
        if f"{PREDICTIONS}.parquet" in self.files:
            return self.predictions.drop(columns="prediction")
        return self.table("truth")

    def values_of(self, objective: str) -> pd.DataFrame:
        """The values of the objective, or the predictions where it has none for a single customer.

        A row a customer, sorted by id.
        """
        name = PREDICTIONS if f"{PREDICTIONS}.parquet" in self.files else "per_user"
        if objective in pq.read_schema(self.file(f"{name}.parquet")).names:
            table = self.table(name, ["user_id", objective])
        else:
            table = self.predictions
        return table.assign(user_id=table["user_id"].astype(str)).sort_values(
            "user_id", kind="stable", ignore_index=True
        )

    def answers(self) -> dict[str, pd.DataFrame]:
        """The lists, or the predictions."""
        name = PREDICTIONS if f"{PREDICTIONS}.parquet" in self.files else "recommendations"
        return {name: self.table(name)}

    def step_histories(self) -> dict[str, np.ndarray] | None:
        """The stored histories of a task whose rows are steps; None for other tasks."""
        if STEP_HISTORIES not in self.files:
            return None
        with np.load(self.file(STEP_HISTORIES), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    @cached_property
    def values(self) -> dict[str, float]:
        """Every value that was logged, by name."""
        return values_of_run(self.run, self.file)

    @cached_property
    def undefined(self) -> frozenset[str]:
        """The names of what was measured and has no value."""
        return frozenset(filter(None, self.tags.get("undefined", "").split(",")))

    @property
    def was_evaluated(self) -> bool:
        """Whether something was measured after the cutoff."""
        return any(n.startswith("test/") for n in (*self.run.data.metrics, *self.undefined))

    @cached_property
    def measured(self) -> frozenset[str]:
        """The names of everything that was measured, undefined values included."""
        return frozenset(self.values) | self.undefined

    def metric(self, name: str) -> float:
        """A logged value; NaN where it was undefined."""
        metrics = self.run.data.metrics
        return float(metrics[name] if name in metrics else self.values.get(name, math.nan))


def newest_version(client: MlflowClient, name: str, run_id: str) -> str | None:
    """The newest version that was registered from the run; None where there is none."""
    versions = client.search_model_versions(f"name = '{name}' AND run_id = '{run_id}'")
    return str(max(int(v.version) for v in versions)) if versions else None
