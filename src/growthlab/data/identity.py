"""One id a person, where several sources each have their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import pandas as pd

from growthlab.core.errors import DataError
from growthlab.data.columns import as_ids
from growthlab.data.raw_tables import existing, read_table, renamed

COLUMNS = ("source", "source_id", "user_id")


class JoinedIds(NamedTuple):
    """Ids of people, and how many of the source's ids the map does not know."""

    user_ids: pd.Series
    n_unmapped: int


@dataclass(frozen=True)
class IdentityMap:
    """A table of (source, source_id) -> user_id, one row a pair."""

    table: pd.DataFrame

    def __post_init__(self) -> None:
        for column in COLUMNS:
            if column not in self.table:
                raise DataError(
                    f"an identity map needs the columns {', '.join(COLUMNS)}: no {column}"
                )
        ids = pd.DataFrame({c: as_ids(self.table[c]) for c in COLUMNS}).drop_duplicates()
        if ids.isna().any(axis=None):
            row = int(ids.isna().any(axis=1).to_numpy().argmax()) + 1
            raise DataError(
                f"row {row} of the identity map has an empty cell: fill it or drop the row"
            )
        twice = ids.duplicated(["source", "source_id"])
        if twice.any():
            source, source_id, _ = ids[twice].iloc[0]
            raise DataError(
                f"the identity map gives {source_id!r} of {source} to two users: keep one"
            )
        object.__setattr__(self, "table", ids.reset_index(drop=True))

    @classmethod
    def read(cls, path: str | Path, option: str = "data.identity_path") -> Self:
        """The map of a CSV or Parquet file with the columns source, source_id and user_id."""
        path = existing(path, option)
        return cls(renamed(read_table(path), {c: c for c in COLUMNS}, path))

    def join(self, source_ids: pd.Series, sources: pd.Series) -> JoinedIds:
        """The user of each event; one that the map does not know is ``source:source_id``.

        A missing id stays missing, and is not counted.
        """
        given = pd.DataFrame({"source": as_ids(sources), "source_id": as_ids(source_ids)})
        found = given.merge(self.table, "left", ["source", "source_id"])["user_id"]
        found.index = source_ids.index
        alone = given["source"] + ":" + given["source_id"]
        unmapped = found.isna() & given["source_id"].notna()
        return JoinedIds(found.where(~unmapped, alone), alone[unmapped].nunique())
