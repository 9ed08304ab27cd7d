"""Any CSV or Parquet file as a source, by a mapping of its columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.histories import EVENT_TYPES
from growthlab.data.cleaning import raw_row
from growthlab.data.columns import EVENT_COLUMNS, ITEM_COLUMNS, as_numbers, parse_times
from growthlab.data.event_log import EventLog
from growthlab.data.identity import IdentityMap
from growthlab.data.normalise import Currencies, to_utc
from growthlab.data.raw_tables import existing, read_table, renamed
from growthlab.data.source import INPUT_FILE, Source

USED_UP = ("currency", "source")  # columns that reading needs and the log does not keep
Columns = Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True)
class TabularFile(Source):
    """A log in one CSV or Parquet file, or in several that have the same columns.

    Only a user is required of an event. Without a `timestamp` the log is order-only: by `position`,
    or else by the order of a user's rows. What reading drops or changes is in the cleaning report.

    Parameters
    ----------
    path
        A file, or a list of files.
    label
        The name of the log; null: that of the first file.
    columns
        Our name -> the file's. A name mapped to null stands for itself, where the file has it.
        Beside the columns of an event log there are `currency` and `source`.
    event_type
        The type of every event, where no column says it.
    event_types
        The file's words for event types -> ours (``{order: purchase}``).
    unit, timestamp_format, timezone
        Of times that are numbers since 1970 (s, ms, us); of strings that are not ISO 8601; of times
        that carry no zone of their own (``Europe/London``; null: UTC).
    drop_undated
        Whether events without a time are dropped; otherwise one is an error.
    separator, encoding
        Of CSV files.
    items_path, item_columns, users_path, user_columns
        Tables of items and of users. All columns of users stay, as attributes.
    currency, rates
        The currency of all prices, where no column says it, and what one unit of each currency is
        in that of the log; null: prices stay as they are.
    source, identity_path
        What the user ids belong to, where no column says it (null: the file's name), and a table of
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
            ("columns", self.columns, (*EVENT_COLUMNS, *USED_UP)),
            ("item_columns", self.item_columns, tuple(ITEM_COLUMNS)),
            ("user_columns", self.user_columns, ("user_id",)),
        ):
            for ours in given:
                if ours not in possible:
                    raise ConfigError(f"{option} has no {ours!r}: {near_matches(ours, possible)}")
        for event_type in {self.event_type, *self.event_types.values()} - {None, *EVENT_TYPES}:
            hint = near_matches(str(event_type), EVENT_TYPES)
            raise ConfigError(f"{event_type!r} is not an event type: {hint}")

    def files(self) -> list[Path]:
        """The files of events, then those of items, users and identities that are given."""
        if not self.path:
            raise DataError(
                "data=tabular_file needs data.path=FILE.csv (or .parquet), and where the file says "
                "user_id, item_id or timestamp otherwise data.columns.user_id=... and so on"
            )
        paths = [self.path] if isinstance(self.path, (str, Path)) else self.path
        named = [(path, "data.path") for path in paths]
        for option in ("items_path", "users_path", "identity_path"):
            if getattr(self, option) is not None:
                named.append((getattr(self, option), f"data.{option}"))
        return [existing(path, option) for path, option in named]

    def read(self) -> EventLog:
        """The events of all files, not cleaned; DataError names the file and the row at fault."""
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
        names = _names(self.columns, (*EVENT_COLUMNS, *USED_UP), "user_id")
        events = renamed(self._table(path), names, path)
        if not len(events):
            raise DataError(f"{path} has no rows below its header")
        try:
            for column in ("timestamp", "ingested_at", "cancelled_at"):
                if column in events:
                    events[column] = self._times(events, column, report)
            events = self._dated(events, report)
            self._set_types(events)
            self._set_prices(events)
            self._set_users(events, path, report)
        except DataError as error:
            raise DataError(f"{path.name}: {error}") from None
        return events

    def _times(self, table: pd.DataFrame, column: str, report: list[dict[str, Any]]) -> pd.Series:
        times = parse_times(table[column], column, unit=self.unit, format=self.timestamp_format)
        times, n_ambiguous, n_nonexistent = to_utc(times, self.timezone)
        twice = "clocks went back and the hour came twice: taken as the first"
        never = "clocks went forward and the hour was left out: taken as its end"
        for why, n in ((twice, n_ambiguous), (never, n_nonexistent)):
            if n:
                report.append(raw_row(f"unclear local {column}", why, table, table, n))
        return times

    def _dated(self, events: pd.DataFrame, report: list[dict[str, Any]]) -> pd.DataFrame:
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
        report.append(raw_row("no timestamp", why, events, dated))
        return dated

    def _set_types(self, events: pd.DataFrame) -> None:
        if self.event_type is not None:
            events["event_type"] = self.event_type
        elif "event_type" in events:
            events["event_type"] = events["event_type"].replace(dict(self.event_types))
        else:
            raise DataError(
                "no column of event types: map one with data.columns.event_type, or say what every "
                "event is with data.event_type=purchase"
            )

    def _set_prices(self, events: pd.DataFrame) -> None:
        currencies = events.pop("currency") if "currency" in events else None
        if self.rates is None or "unit_price" not in events:
            return
        if currencies is None and self.currency is None:
            raise DataError(
                "data.rates needs to know the currencies: map their column with "
                "data.columns.currency, or say with data.currency=EUR what all prices are in"
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
        why = f"{joined.n_unmapped:,} ids are not in the identity map: kept apart as source:id"
        report.append(raw_row("identities joined", why, before, events, len(events)))

    def _items(self) -> pd.DataFrame | None:
        if self.items_path is None:
            return None
        path = existing(self.items_path, "data.items_path")
        names = _names(self.item_columns, tuple(ITEM_COLUMNS), "item_id")
        items = renamed(self._table(path), names, path)
        if "available_from" in items:
            items["available_from"] = self._times(items, "available_from", [])
        return items

    def _users(self) -> pd.DataFrame | None:
        if self.users_path is None:
            return None
        path = existing(self.users_path, "data.users_path")
        table = self._table(path)
        theirs = self.user_columns.get("user_id") or "user_id"
        return pd.concat(
            [renamed(table, {"user_id": theirs}, path), table.drop(columns=theirs)], axis=1
        )

    def _table(self, path: Path) -> pd.DataFrame:
        return read_table(path, separator=self.separator, encoding=self.encoding)


def _names(given: Columns, possible: tuple[str, ...], required: str) -> dict[str, str | None]:
    """A file's name of each of our columns; null where it may be missing."""
    names = {column: given.get(column) for column in possible}
    return {**names, required: names[required] or required}
