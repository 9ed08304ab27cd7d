"""What a run is about: data, task, split and code, as tags and as MLflow's data lineage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from growthlab.data.event_log import EventLog
from growthlab.data.source import Source
from growthlab.tracking.store import code_version

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput


@dataclass(frozen=True)
class Lineage:
    """The same for all runs of a command; a child at another origin has a cutoff of its own.

    `counts` are events, users and items of the log; `more` are further tags, such as the filter of
    seen items and its reason.
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
    def of_log(
        cls,
        events: EventLog,
        source: Source,
        *,
        data: str,
        task: str,
        split: str = "",
        cutoff: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> Self:
        """The lineage of runs on a log that was read from `source`; `tags` are further tags."""
        return cls(
            data=data,
            digest=events.digest,
            task=task,
            split=split,
            cutoff=cutoff,
            source=str(
                getattr(source, "path", None) or source.name
            ),  # sources without files have no path
            counts={"events": events.n_events, "users": events.n_users, "items": events.n_items},
            more=tags or {},
        )

    @property
    def experiment(self) -> str:
        """The experiment's name: ``<data>/<task>``."""
        return f"{self.data}/{self.task}"

    def tags(self) -> dict[str, str]:
        """The tags that every run has."""
        return {
            "task": self.task,
            "data": self.data,
            "data_digest": self.digest,
            "split": self.split,
            "cutoff": self.cutoff,
            "code_version": code_version(),
            **self.more,
        }

    def dataset(self) -> DatasetInput:
        """The log as MLflow's data lineage shows it; its digest holds 36 characters at most."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=self.data,
            digest=self.digest[:36],
            source_type="growthlab",
            source=json.dumps({"source": self.source, "sha256": self.digest}),
            profile=json.dumps(dict(self.counts)),
        )
        return DatasetInput(dataset=dataset, tags=[InputTag("mlflow.data.context", "training")])
