"""A pandas frame as a source: read by the same mapping and the same rules as a file."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import duckdb
import pandas as pd

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.kinds import EVENT_COLUMNS, ITEM_KINDS, Kind
from growthlab.data.read_events import READING_KINDS, EventReading
from growthlab.data.readers.frame_table import FrameTable
from growthlab.data.readers.table_file import ROW, TableFile
from growthlab.data.tabular_file import TabularFile

log = logging.getLogger(__name__)

# names that the staged table has itself
TAKEN = (*EVENT_COLUMNS, *READING_KINDS, ROW, "file_number", "respelt", "problem", "cell")
SEPARATORS = "|=\n"  # which attributes cannot hold
SETTINGS_OF_FILES = ("path", "files", "sql", "query", "identity_path")


@dataclass(frozen=True, kw_only=True)
class FrameSource(TabularFile):
    """The events of a frame, with the items and users of other frames.

    Columns of events that are none of ours stay in the log under their own names, for `EventLog.query`
    and `EventLog.where`. Texts of items that are none of ours become their `attributes`; of users all
    columns are kept, as of a file.
    """

    name: ClassVar[str] = "frame"
    events: pd.DataFrame
    items: pd.DataFrame | None = None
    users: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for setting in SETTINGS_OF_FILES:
            if getattr(self, setting) is not None:
                raise ConfigError(
                    f"data.{setting} is of files, and a frame was given: leave it out"
                )
        twice = self.events.columns[self.events.columns.duplicated()]
        if len(twice):
            raise DataError(f"the frame has several columns {twice[0]!r}: rename or drop them")

    def grouped_files(self) -> dict[str, list[Path]]:
        """None: everything is in memory."""
        return {}

    def _event_files(self) -> dict[str, list[Path]]:
        return {}

    def _label(self, files: Mapping[str, Sequence[Path]]) -> str:
        return self.label or "own_log"

    @contextmanager
    def _tables(
        self, files: Mapping[str, list[Path]], connection: duckdb.DuckDBPyConnection
    ) -> Iterator[Sequence[TableFile]]:
        kept = self.events[[c for c in self.events if not _holds_lists(self.events[c])]]
        with FrameTable.of(kept, connection) as table:
            yield [table]

    def _reading(self) -> EventReading:
        return replace(super()._reading(), extra=self._extra())

    def _extra(self) -> dict[str, Kind]:
        """The kind of each column of events that is none of ours."""
        read = {str(theirs or ours) for ours, theirs in self.columns.items()}
        taken = {*read, *TAKEN}
        known = {name.lower() for name in TAKEN}
        extra: dict[str, Kind] = {}
        for column in self.events:
            if column in taken:
                continue
            name, values = str(column), self.events[column]
            usable = isinstance(column, str) and '"' not in name and not _holds_lists(values)
            if not usable or name.lower() in known:
                log.info("column %s is not read: rename it, or map it to one of ours", name)
                continue
            known.add(name.lower())
            extra[name] = _kind_of(values)
        return extra

    def _items(self) -> pd.DataFrame | None:
        if self.items is None:
            return super()._items()
        columns = {ours: theirs or ours for ours, theirs in self.item_columns.items()}
        if columns.get("attributes", "attributes") in self.items:
            return self._item_table(self.items, Path("items"))
        ours = {*ITEM_KINDS, *columns.values()}
        others = self.items[[c for c in self.items if c not in ours]]
        return self._item_table(self.items.assign(attributes=_attributes(others)), Path("items"))

    def _users(self) -> pd.DataFrame | None:
        if self.users is None:
            return super()._users()
        return self._user_table(self.users, Path("users"))


def _kind_of(values: pd.Series) -> Kind:
    if pd.api.types.is_bool_dtype(values):
        return "text"
    if pd.api.types.is_numeric_dtype(values):
        return "number"
    return "time" if pd.api.types.is_datetime64_any_dtype(values) else "text"


def _holds_lists(values: pd.Series) -> bool:
    """Whether a column holds lists or tables, which no column of a log can."""
    return values.dtype == object and any(
        hasattr(value, "__iter__") and not isinstance(value, (str, bytes)) for value in values
    )


def _attributes(table: pd.DataFrame) -> pd.Series:
    """Texts as ``brand=acme|colour=red``; columns of numbers, times and lists are left out."""
    joined = pd.Series("", index=table.index)
    for column in table:
        values = table[column]
        if _kind_of(values) != "text" or _holds_lists(values):
            log.info("column %s of items is not read: attributes are texts", column)
            continue
        cells = (
            values.astype("string").fillna("").str.translate(dict.fromkeys(map(ord, SEPARATORS)))
        )
        named = (f"{column}=" + cells).where(cells != "", "")
        joined = joined.where((joined == "") | (named == ""), joined + "|") + named
    return joined
