"""Diginetica: the item views of a shop, session by session (CIKM Cup 2016)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.file_settings import INPUT_FILE
from growthlab.data.event_log import EventLog
from growthlab.data.raw_tables import read_table, rename_columns
from growthlab.data.readers.files import existing_file
from growthlab.data.source import Source


@dataclass(frozen=True, kw_only=True)
class Diginetica(Source):
    """202,633 sessions of views of 43,097 items, with the published split; a session is a user.

    This is the version on which SR-GNN (AAAI 2019) and GCE-GNN (SIGIR 2020) were evaluated: rare
    items and sessions with one view are left out, and the sessions of the last days are `test`.
    There are no timestamps, but session ids increase with time: the last sessions of `train` become
    `valid`, so that validation follows its training data as closely as test does.

    Parameters
    ----------
    path
        sessions.parquet with session_id, item_id, position and split, or its folder.
    valid_share
        The share of the sessions of train that becomes valid, the newest ones; 0: none.
    """

    name: ClassVar[str] = "diginetica"
    usual_name: ClassVar[str] = "sessions.parquet"

    path: str | None = field(default=None, metadata=INPUT_FILE)
    valid_share: float = 0.08
    filter_seen: str = "none"
    filter_seen_reason: str = (
        "people come back to an item in a session, and published numbers count it"
    )
    horizon_days: float | None = None
    history_events: tuple[str, ...] = ("view",)
    target_events: tuple[str, ...] = ("view",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.valid_share < 1:
            raise ConfigError(f"data.valid_share must be in [0, 1), got {self.valid_share}")

    def input_files(self) -> list[Path]:
        """The file of sessions."""
        if self.path is None:
            raise DataError(
                f"data={self.name} needs data.path=.../{self.usual_name}: the sessions as Parquet "
                "or CSV, from https://competitions.codalab.org/competitions/11161"
            )
        path = Path(self.path).expanduser()
        return [existing_file(path / self.usual_name if path.is_dir() else path)]

    def read(self) -> EventLog:
        """One view event per row; the column `split` is train, valid or test."""
        (path,) = self.input_files()
        names = ("item_id", "position", "split")
        columns: dict[str, str | None] = {"user_id": "session_id", **{c: c for c in names}}
        events = rename_columns(read_table(path), columns, path)
        events["split"] = self._with_valid(events["user_id"], events["split"])
        return EventLog.from_frames(events.assign(event_type="view"), name=self.name)

    def _with_valid(self, sessions: pd.Series, split: pd.Series) -> pd.Series:
        """The split, in which the newest sessions of train are valid."""
        numbers = pd.to_numeric(sessions, errors="coerce")
        if numbers.isna().any():
            raise DataError(
                f"{self.name}: the session_id {sessions[numbers.isna()].iloc[0]!r} is not a number: "
                "the newest sessions are those with the largest numbers"
            )
        trained = np.unique(numbers[split == "train"])
        n_valid = round(self.valid_share * len(trained))
        newest = np.isin(numbers, trained[len(trained) - n_valid :])
        return split.mask((split == "train") & newest, "valid")
