"""Joining the ids that several sources have for the same person."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from growthlab.core.errors import DataError
from growthlab.data.columns import as_ids

IDENTITY_COLUMNS = ("source", "source_id", "user_id")


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
