"""Any CSV or Parquet file as a source, through a mapping of its columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.file_settings import INPUT_FILE
from growthlab.core.histories import EVENT_TYPES
from growthlab.data.cleaning import frame_report_row
from growthlab.data.columns import (
    EVENT_COLUMNS,
    ITEM_COLUMNS,
    KNOWN_FROM,
    as_numbers,
    parse_times,
)
from growthlab.data.event_log import EventLog
from growthlab.data.identity import IdentityMap
from growthlab.data.normalise import Currencies, to_utc
from growthlab.data.raw_tables import existing_file, read_table, rename_columns
from growthlab.data.source import Source

READING_COLUMNS = ("currency", "source")  # used while reading, not kept in the log
USER_COLUMNS = ("user_id", KNOWN_FROM)
Columns = Mapping[str, str | None]  # our name -> the file's


@dataclass(frozen=True, kw_only=True)
class TabularFile(Source):
    """A log in one CSV or Parquet file, or in several that have the same columns.

    An event needs only a user. Without a `timestamp` events are ordered by `position`, or else by
    the order of a user's rows. The cleaning report lists what reading drops or changes.

    Parameters
    ----------
    path
        A file, or a list of files.
    label
        The name of the log; null: that of the first file.
    columns
        Our name -> the file's. A name mapped to null is the same in the file, if it has the column.
        Besides the columns of an event log there are `currency` and `source`.
    event_type
        The type of every event, if no column holds it.
    event_types
        The file's words for event types -> ours (``{order: purchase}``).
    unit, timestamp_format, timezone
        The unit of times that are numbers since 1970 (s, ms, us); the strptime format of strings
        that are not ISO 8601; the zone of times without one (``Europe/London``; null: UTC).
    drop_undated
        Whether to drop events without a time; otherwise they are an error.
    separator, encoding
        Of CSV files.
    items_path, item_columns, users_path, user_columns
        Tables of items and of users. All columns of users are kept, as attributes. With
        `known_from`, since when a row was known, an item or a user has as many rows as versions.
    currency, rates
        The currency of all prices, if no column holds it, and the value of one unit of each
        currency in that of the log; null: prices are not converted.
    source, identity_path
        The source of the user ids, if no column holds it (null: the file's name), and a table of
        source, source_id and user_id that joins the ids of several sources. An id that is not in
        the table becomes ``source:id``.
    """

    name: ClassVar[str] = "tabular_file"
    path: str | list[str] | None = field(default=None, metadata=INPUT_FILE)
    label: str | None = None
    columns: Columns = field(default_factory=dict)
    event_type: str | None = None
    event_types: Mapping[str, str] = field(default_factory=dict)
    unit: str | None = None
    timestamp_format: str | None = None
    timezone: str | None = None
    drop_undated: bool = False
    separator: str | None = None
    encoding: str = "utf-8-sig"
    items_path: str | None = field(default=None, metadata=INPUT_FILE)
    item_columns: Columns = field(default_factory=dict)
    users_path: str | None = field(default=None, metadata=INPUT_FILE)
    user_columns: Columns = field(default_factory=dict)
    currency: str | None = None
    rates: Mapping[str, float] | None = None
    source: str | None = None
    identity_path: str | None = field(default=None, metadata=INPUT_FILE)
    filter_seen_reason: str = (
        "not stated: say data.filter_seen=interacted where nobody wants an item twice"
    )

    def __post_init__(self) -> None:
        for option, given, possible in (
            ("columns", self.columns, (*EVENT_COLUMNS, *READING_COLUMNS)),
            ("item_columns", self.item_columns, tuple(ITEM_COLUMNS)),
            ("user_columns", self.user_columns, USER_COLUMNS),
        ):
            for ours in given:
                if ours not in possible:
                    raise ConfigError(f"{option} has no {ours!r}: {near_matches(ours, possible)}")
        for event_type in {self.event_type, *self.event_types.values()} - {None, *EVENT_TYPES}:
            hint = near_matches(str(event_type), EVENT_TYPES)
            raise ConfigError(f"{event_type!r} is not an event type: {hint}")

    def files(self) -> list[Path]:
        """The files of events, then those of items, users and identities that are set."""
        if not self.path:
            raise DataError(
                "data=tabular_file needs data.path=FILE.csv (or .parquet), and data.columns.user_id=... "
                "and so on where the file has other names for user_id, item_id or timestamp"
            )
        paths = [self.path] if isinstance(self.path, (str, Path)) else self.path
        files = [(path, "data.path") for path in paths]
        for option in ("items_path", "users_path", "identity_path"):
            if getattr(self, option) is not None:
                files.append((getattr(self, option), f"data.{option}"))
        return [existing_file(path, option) for path, option in files]

    def read(self) -> EventLog:
        """The events of all files, before cleaning; DataError names the wrong file and row."""
        n_paths = 1 if isinstance(self.path, (str, Path)) else len(self.path or [])
        paths = self.files()[:n_paths]
        report: list[dict[str, Any]] = []
        events = pd.concat([self._events(p, report) for p in paths], ignore_index=True)
        if "timestamp" not in events and "position" not in events:
            events["position"] = events.groupby("user_id", dropna=False).cumcount()
        return EventLog.from_frames(
            events,
            self._items(),
            self._users(),
            name=self.label or re.sub(r"[^\w.-]+", "_", paths[0].stem),
            cleaning=report,
        )

    def _events(self, path: Path, report: list[dict[str, Any]]) -> pd.DataFrame:
        names = _names(self.columns, (*EVENT_COLUMNS, *READING_COLUMNS), "user_id")
        events = rename_columns(self._table(path), names, path)
        if not len(events):
            raise DataError(f"{path} has no rows below its header")
        try:
            for column in ("timestamp", "ingested_at", "cancelled_at"):
                if column in events:
                    events[column] = self._times(events, column, report)
            events = self._drop_undated(events, report)
            self._set_types(events)
            self._set_prices(events)
            self._set_users(events, path, report)
        except DataError as error:
            raise DataError(f"{path.name}: {error}") from None
        return events

    def _times(self, table: pd.DataFrame, column: str, report: list[dict[str, Any]]) -> pd.Series:
        times = parse_times(table[column], column, unit=self.unit, format=self.timestamp_format)
        times, n_ambiguous, n_nonexistent = to_utc(times, self.timezone)
        twice = "clocks went back and the hour occurred twice: taken as the first"
        never = "clocks went forward and the hour was skipped: taken as its end"
        for why, n in ((twice, n_ambiguous), (never, n_nonexistent)):
            if n:
                report.append(frame_report_row(f"unclear local {column}", why, table, table, n))
        return times

    def _drop_undated(self, events: pd.DataFrame, report: list[dict[str, Any]]) -> pd.DataFrame:
        if "timestamp" not in events or not events["timestamp"].isna().any():
            return events
        undated = events["timestamp"].isna()
        if not self.drop_undated:
            raise DataError(
                f"row {int(undated.to_numpy().argmax()) + 1}: no timestamp ({undated.sum():,} of "
                f"{len(events):,} rows have none): map another column with data.columns.timestamp, "
                "or drop them with data.drop_undated=true"
            )
        dated = events[~undated].reset_index(drop=True)
        why = "drop_undated: an event without a time has no place in a history"
        report.append(frame_report_row("no timestamp", why, events, dated))
        return dated

    def _set_types(self, events: pd.DataFrame) -> None:
        if self.event_type is not None:
            events["event_type"] = self.event_type
        elif "event_type" in events:
            events["event_type"] = events["event_type"].replace(dict(self.event_types))
        else:
            raise DataError(
                "no column of event types: map one with data.columns.event_type, or give all events "
                "the same type with data.event_type=purchase"
            )

    def _set_prices(self, events: pd.DataFrame) -> None:
        currencies = events.pop("currency") if "currency" in events else None
        if self.rates is None or "unit_price" not in events:
            return
        if currencies is None and self.currency is None:
            raise DataError(
                "data.rates needs the currency of each price: map its column with "
                "data.columns.currency, or give all prices the same currency with data.currency=EUR"
            )
        if currencies is None:
            currencies = pd.Series(self.currency, index=events.index)
        prices = as_numbers(events["unit_price"], "unit_price")
        events["unit_price"] = Currencies(self.rates).to_base(prices, currencies)

    def _set_users(self, events: pd.DataFrame, path: Path, report: list[dict[str, Any]]) -> None:
        one_source = pd.Series(self.source or path.stem, index=events.index)
        sources = events.pop("source") if "source" in events else one_source
        if self.identity_path is None:
            return
        before = events.copy()
        joined = IdentityMap.read(self.identity_path).join(events["user_id"], sources)
        events["user_id"] = joined.user_ids
        why = f"{joined.n_unmapped:,} ids are not in the identity map: kept as source:id"
        report.append(frame_report_row("identities joined", why, before, events, len(events)))

    def _items(self) -> pd.DataFrame | None:
        if self.items_path is None:
            return None
        path = existing_file(self.items_path, "data.items_path")
        names = _names(self.item_columns, tuple(ITEM_COLUMNS), "item_id")
        items = rename_columns(self._table(path), names, path)
        return self._with_times(items, ("available_from", KNOWN_FROM), path)

    def _users(self) -> pd.DataFrame | None:
        if self.users_path is None:
            return None
        path = existing_file(self.users_path, "data.users_path")
        table = self._table(path)
        names = _names(self.user_columns, USER_COLUMNS, "user_id")
        known = rename_columns(table, names, path)
        theirs = [name or ours for ours, name in names.items()]
        others = table.drop(columns=theirs, errors="ignore")
        return self._with_times(pd.concat([known, others], axis=1), (KNOWN_FROM,), path)

    def _with_times(
        self, table: pd.DataFrame, columns: tuple[str, ...], path: Path
    ) -> pd.DataFrame:
        """The table with these columns as times, where it has them."""
        try:
            return table.assign(**{c: self._times(table, c, []) for c in columns if c in table})
        except DataError as error:
            raise DataError(f"{path.name}: {error}") from None

    def _table(self, path: Path) -> pd.DataFrame:
        return read_table(path, separator=self.separator, encoding=self.encoding)


def _names(columns: Columns, possible: tuple[str, ...], required: str) -> dict[str, str | None]:
    """The file's name for each of our columns; null where it may be missing."""
    names = {column: columns.get(column) for column in possible}
    return {**names, required: names[required] or required}
