"""Selected tags as features of churn and value models, one column a tag."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.as_of import untimed_columns
from growthlab.data.event_log import EventLog
from growthlab.features.portrait.dictionary import select_portrait_tags
from growthlab.features.portrait.portrait import Portrait, available
from growthlab.features.portrait.tag import Tag

PREFIX = "tag_"  # the customer table has columns of some of the names


@dataclass(frozen=True)
class TagFeatures:
    """The tags that all tables of a fold have, chosen once at its cutoff."""

    tags: tuple[Tag, ...]
    portrait: Portrait

    @classmethod
    def of(cls, log: EventLog, cutoff: datetime, names: str | Iterable[str], setting: str) -> Self:
        """The named tags; ``all``: those that the log gives, without lists and sensitive tags.

        Nor is a tag among ``all`` that reads a table which does not say since when its rows were
        known: what it holds may have been written after the cutoff.

        Raises
        ------
        ConfigError
            There is no such tag, or it is a list.
        DataError
            The log lacks what a named tag needs.
        """
        wanted = select_portrait_tags(names, setting)
        if names == "all":
            timed = [t for t in wanted if not untimed_columns(log, t.table_columns())]
            wanted = available(log, cutoff, [t for t in timed if t.kind != "list"])[0]
        for tag in wanted:
            if tag.kind == "list":
                raise ConfigError(f"{setting}: {tag.name} is a list, and no feature: leave it out")
        lacks = available(log, cutoff, wanted)[1]
        for name, why in lacks.items():
            raise DataError(f"{setting}: {name} needs {why}, which {log.name} does not have")
        return cls(tuple(wanted), Portrait())

    def table(self, log: EventLog, snapshot: datetime, user_ids: np.ndarray) -> pd.DataFrame:
        """Features as of the snapshot: float64, texts as categories, names with the `PREFIX`."""
        table = self.portrait.table(log, snapshot, user_ids, self.tags).drop(columns="user_id")
        kinds = {t.name: "category" if t.kind == "text" else np.float64 for t in self.tags}
        texts = [t.name for t in self.tags if t.kind == "text"]
        table[texts] = table[texts].astype(object)
        return table.astype(kinds).add_prefix(PREFIX)
