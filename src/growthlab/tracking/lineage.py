"""The lineage of a run: data, task and split, as tags and as MLflow's data set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from growthlab.bundle.manifest import Manifest

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput


class HasContent(Protocol):
    """Data of any kind: the digest of its content, and the numbers of what it holds."""

    @property
    def digest(self) -> str:
        """A hash of the content."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """The numbers of events, or of rows, and so on."""
        ...


class HasName(Protocol):
    """A source of data."""

    @property
    def name(self) -> str:
        """The name of the kind of source."""
        ...


@runtime_checkable
class NamesPath(Protocol):
    """A source with a setting for the path of its file."""

    @property
    def path(self) -> Any:
        """The path; None for the default file."""
        ...


@dataclass(frozen=True)
class Lineage:
    """The lineage shared by all runs of a command; a child at another origin has its own cutoff.

    `counts` are the numbers of events, users and items, or of rows, customers and features; `more` are
    additional tags, such as the filter of seen items and its reason.
    """

    data: str
    digest: str
    task: str
    split: str
    cutoff: str
    source: str
    counts: Mapping[str, int] = field(default_factory=dict)
    more: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_data(
        cls,
        data_set: HasContent,
        source: HasName,
        *,
        data: str,
        task: str,
        split: str = "",
        cutoff: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> Self:
        """The lineage of runs on data that was read from `source`; `tags` are additional tags."""
        return cls(
            data=data,
            digest=data_set.digest,
            task=task,
            split=split,
            cutoff=cutoff,
            source=str((isinstance(source, NamesPath) and source.path) or source.name),
            counts=dict(data_set.counts),
            more=tags or {},
        )

    @classmethod
    def of_bundle(cls, manifest: Manifest, task: str, tags: Mapping[str, str]) -> Self:
        """The lineage of a run of another `task` about a bundle; its data is that of the bundle."""
        return cls(
            data=manifest.data,
            digest=manifest.data_digest,
            task=task,
            split=manifest.split,
            cutoff=str(manifest.cutoff or ""),
            source=manifest.data,
            more=tags,
        )

    @property
    def experiment(self) -> str:
        """The experiment's name: ``<data>/<task>``."""
        return f"{self.data}/{self.task}"

    @property
    def searches(self) -> str:
        """The name of the experiment of searches and their trials, which would hide the comparisons."""
        return f"{self.experiment}/searches"

    def tags(self) -> dict[str, str]:
        """The tags of data, task and split; who began the run is added where it is created."""
        return {
            **self.more,
            "mlflow.source.name": "growthlab",
            "mlflow.source.type": "LOCAL",
            "task": self.task,
            "data": self.data,
            "data_digest": self.digest,
            "split": self.split,
            "cutoff": self.cutoff,
        }

    def dataset(self) -> DatasetInput:
        """The data as a data set of MLflow, whose digest may have at most 36 characters."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=self.data,
            digest=self.digest[:36],
            source_type="growthlab",
            source=json.dumps({"source": self.source, "sha256": self.digest}),
            profile=json.dumps(dict(self.counts)),
        )
        return DatasetInput(dataset=dataset, tags=[InputTag("mlflow.data.context", "training")])
