"""Joining the ids that several sources have for the same person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from growthlab.core.errors import DataError
from growthlab.data.columns import as_ids

IDENTITY_COLUMNS = ("source", "source_id", "user_id")


class JoinedIds(NamedTuple):
    """The joined ids, and how many ids of the sources are not in the map."""

    user_ids: pd.Series
    n_unmapped: int


@dataclass(frozen=True)
class IdentityMap:
    """A table of (source, source_id) -> user_id, one row per pair."""

    table: pd.DataFrame

    def __post_init__(self) -> None:
        for column in IDENTITY_COLUMNS:
            if column not in self.table:
                raise DataError(
                    f"an identity map needs the columns {', '.join(IDENTITY_COLUMNS)}: {column} is missing"
                )
        ids = pd.DataFrame({c: as_ids(self.table[c]) for c in IDENTITY_COLUMNS}).drop_duplicates()
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

    def join(self, source_ids: pd.Series, sources: pd.Series) -> JoinedIds:
        """The user of each event; an id that is not in the map becomes ``source:source_id``.

        A missing id stays missing, and is not counted.
        """
        pairs = pd.DataFrame({"source": as_ids(sources), "source_id": as_ids(source_ids)})
        user_ids = pairs.merge(self.table, "left", ["source", "source_id"])["user_id"]
        user_ids.index = source_ids.index
        own_ids = pairs["source"] + ":" + pairs["source_id"]
        unmapped = user_ids.isna() & pairs["source_id"].notna()
        return JoinedIds(user_ids.where(~unmapped, own_ids), own_ids[unmapped].nunique())
