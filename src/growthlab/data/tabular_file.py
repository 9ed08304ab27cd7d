"""Any file of events as a source, through a mapping of its columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import duckdb
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.file_settings import INPUT_FILE
from growthlab.core.histories import EVENT_TYPES
from growthlab.core.pseudonyms import PSEUDONYM
from growthlab.data.addresses import check_addresses, fetched
from growthlab.data.columns import typed_columns
from growthlab.data.database import database
from growthlab.data.event_log import EventLog
from growthlab.data.file_digests import delivered_once
from growthlab.data.identity import IDENTITY_COLUMNS, IdentityMap
from growthlab.data.kept_parts import KeptParts
from growthlab.data.kinds import EVENT_COLUMNS, ITEM_KINDS, KNOWN_FROM, ORDERS, Kind
from growthlab.data.normalise import local_zone
from growthlab.data.personal_columns import HASH, check_decisions, decided_log
from growthlab.data.raw_tables import read_table, rename_columns
from growthlab.data.read_events import READING_KINDS, EventReading
from growthlab.data.readers.files import existing_file, files_of_setting
from growthlab.data.readers.folder_values import folder_values
from growthlab.data.readers.open_table import FileFormat, open_tables
from growthlab.data.readers.table_file import TableFile
from growthlab.data.source import Source
from growthlab.data.source_code import code_digest
from growthlab.data.sql_tables import Selection
from growthlab.data.staging import NOT_READ, ValueFormat

USER_KINDS: dict[str, Kind] = {"user_id": "id", KNOWN_FROM: "time"}
USER_COLUMNS = tuple(USER_KINDS)
Columns = Mapping[str, str | None]  # our name -> the file's


@dataclass(frozen=True, kw_only=True)
class TabularFile(Source):
    """A log in one file, or in several that have the same columns.

    An event needs only a user. Without a `timestamp` events are ordered by `position`, or else by
    the order of a user's rows. The cleaning report lists what reading drops or changes.

    Parameters
    ----------
    path
        A file (CSV of any dialect, JSON lines, Parquet, Excel, packed or not), a folder, a pattern
        such as ``days/*.csv``, or a list of them.
    files, sql, sql_minutes
        In place of `path`: files by names that one SELECT in DuckDB's SQL reads as tables, such as
        ``{orders: orders.csv, lines: days/*.csv}``, see `Selection`; `columns` maps the columns that it
        gives. One that takes longer than `sql_minutes` is stopped.
    query
        The SELECT that a database runs where `path` is its address without a table, see `fetched`.
    label
        The name of the log; null: that of the first file.
    columns
        Our name -> the file's. A name mapped to null is the same in the file, if it has the column;
        one mapped to ``none`` is not read. Columns of a file without a header are 1, 2, ...
        Besides the columns of an event log there are `currency` and `source`.
    event_type
        The type of every event, if no column holds it.
    event_types
        The file's words for event types -> ours (``{order: purchase, 4: view}``), or null for those
        to be dropped.
    unit, timestamp_format, timezone
        The unit of times that are numbers since 1970 (s, ms, us); the strptime format of strings
        that are not ISO 8601; the zone of times without one (``Europe/London``; null: UTC).
    drop_undated
        Whether to drop events without a time; otherwise they are an error.
    decimal, thousands
        The signs in numbers; null: as the first rows show them.
    separator, encoding, quote, header, skip_lines, sheet, max_bad_rows
        How files are written, see `FileFormat`; null: as each file shows it. Up to `max_bad_rows` rows
        that cannot be read are left out and counted. A list as `sheet` names sheets that are one log.
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
    personal_data
        What becomes of columns with e-mail addresses, phone numbers, names, addresses, IP addresses or
        free text, of events and of users: ``drop``, ``hash`` or ``allow``. Without it they are an error.
    """

    name: ClassVar[str] = "tabular_file"
    path: str | list[str] | None = field(default=None, metadata=INPUT_FILE)
    files: Mapping[str, str | list[str]] | None = field(default=None, metadata=INPUT_FILE)
    sql: str | None = None
    sql_minutes: float = 60.0
    query: str | None = None
    label: str | None = None
    columns: Columns = field(default_factory=dict)
    event_type: str | None = None
    event_types: Mapping[Any, str | None] | None = None
    unit: str | None = None
    timestamp_format: str | None = None
    timezone: str | None = None
    drop_undated: bool = False
    decimal: str | None = None
    thousands: str | None = None
    separator: str | None = None
    encoding: str | None = None
    quote: str | None = None
    header: bool | None = None
    skip_lines: int | None = None
    sheet: str | Sequence[str] | None = None
    max_bad_rows: int = 0
    items_path: str | None = field(default=None, metadata=INPUT_FILE)
    item_columns: Columns = field(default_factory=dict)
    users_path: str | None = field(default=None, metadata=INPUT_FILE)
    user_columns: Columns = field(default_factory=dict)
    currency: str | None = None
    rates: Mapping[str, float] | None = None
    source: str | None = None
    identity_path: str | None = field(default=None, metadata=INPUT_FILE)
    user_ids: str = PSEUDONYM
    personal_data: Mapping[str, str] | None = None
    filter_seen_reason: str = (
        "not stated: say data.filter_seen=interacted where nobody wants an item twice"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_addresses(self)
        for option, given, possible in (
            ("columns", self.columns, (*EVENT_COLUMNS, *READING_KINDS)),
            ("item_columns", self.item_columns, tuple(ITEM_KINDS)),
            ("user_columns", self.user_columns, USER_COLUMNS),
        ):
            for ours in given:
                if ours not in possible:
                    raise ConfigError(f"{option} has no {ours!r}: {near_matches(ours, possible)}")
        self._selection()  # raises for a SELECT that may not be run
        words = {_word(word): ours for word, ours in (self.event_types or {}).items()}
        object.__setattr__(self, "event_types", words)
        check_decisions(self.personal_data or {})
        self._format(), self._values()  # raise for a sign that is none
        for event_type in {self.event_type, *words.values()} - {None, *EVENT_TYPES}:
            hint = near_matches(str(event_type), EVENT_TYPES)
            raise ConfigError(f"{event_type!r} is not an event type: {hint}")

    def local(self) -> AbstractContextManager[Self]:
        """See `DataSource.local`."""
        return fetched(self, self.query)

    def grouped_files(self) -> dict[str, list[Path]]:
        """See `DataSource.grouped_files`."""
        if not self.path and not self.files:
            raise DataError(
                "data=tabular_file needs data.path=FILE.csv (or .parquet), and data.columns.user_id=... "
                "and so on where the file has other names for user_id, item_id or timestamp"
            )
        others = {
            option: [existing_file(getattr(self, option), f"data.{option}")]
            for option in ("items_path", "users_path", "identity_path")
            if getattr(self, option) is not None
        }
        return {**self._event_files(), **others}

    def input_files(self) -> list[Path]:
        """The files of events, then those of items, users and identities that are set."""
        return [path for group in self.grouped_files().values() for path in group]

    def read(self) -> EventLog:
        """The events of all files, before cleaning; DataError names the wrong file and row."""
        files = self._event_files()
        connection = database()
        names = _names(self.columns, (*EVENT_COLUMNS, *READING_KINDS), "user_id")
        with self._tables(files, connection) as tables:
            log = EventLog.from_tables(
                tables,
                names,
                self._reading(),
                self._items(),
                self._users(),
                name=self._label(files),
                connection=connection,
            )
        return decided_log(log, names, self.personal_data or {})

    @property
    def zone(self) -> str:
        """See `Source.zone`; ConfigError where there is no such zone."""
        return super().zone if self.timezone is None else local_zone(self.timezone).key

    @property
    def hashes(self) -> bool:
        """See `DataSource.hashes`."""
        return HASH in (self.personal_data or {}).values()

    def read_new(self, parts: KeptParts, finish: Callable[[EventLog], EventLog]) -> EventLog:
        """See `DataSource.read_new`: the events of each file are kept, unless a SELECT reads all files."""
        files = self._event_files()
        paths = [path for group in files.values() for path in group]
        if self.sql is not None or self.users_path is not None or len(paths) == 1:
            return super().read_new(parts, finish)
        alone = replace(self, items_path=None, item_columns={}, label=None, cleaning=None)
        fixed = [alone.key_settings(), code_digest(type(self))]
        if self.identity_path is not None:
            fixed.append(parts.digests.of(existing_file(self.identity_path, "data.identity_path")))

        def key_of(path: Path, digest: str) -> Any:
            return [*fixed, digest, folder_values(path), path.stem if self._ids_by_name else ""]

        def read(path: Path) -> EventLog:
            return finish(replace(alone, path=[str(path)]).read())

        log = parts.log_of(paths, key_of, read, self._label(files))
        return super().read_new(parts, finish) if log is None else log.with_items(self._items())

    @property
    def _ids_by_name(self) -> bool:
        """Whether the name of a file says the source of its ids."""
        return self.identity_path is not None and self.source is None

    def _label(self, files: Mapping[str, Sequence[Path]]) -> str:
        first = next(path for paths in files.values() for path in paths)
        return self.label or re.sub(r"[^\w.-]+", "_", first.name.partition(".")[0])

    @contextmanager
    def _tables(
        self, files: Mapping[str, list[Path]], connection: duckdb.DuckDBPyConnection
    ) -> Iterator[Sequence[TableFile]]:
        """The tables of events, as long as the block lasts."""
        selection = self._selection()
        if selection is None:
            paths = [path for group in files.values() for path in group]
            once = delivered_once(paths, by_name=self._ids_by_name)
            yield [t for path in once for t in open_tables(path, connection, self._format())]
            return
        with selection.rows(self._format(), connection) as rows:
            self._require_order(rows)
            yield [rows]

    def _require_order(self, rows: TableFile) -> None:
        """Raise a `DataError` for rows without a time or place: of a SELECT they come in any order."""
        names = {ours: str(self.columns.get(ours) or ours) for ours in ORDERS}
        if not any(name in rows.names and name != NOT_READ for name in names.values()):
            raise DataError(
                f"data.sql gives no {' and no '.join(names.values())}: the rows of a SELECT have no order "
                "of their own, so select a time, or file_row AS position"
            )

    def _event_files(self) -> dict[str, list[Path]]:
        selection = self._selection()
        if selection is not None:
            return selection.paths()
        return {"path": files_of_setting(self.path, "data.path")}

    def _selection(self) -> Selection | None:
        """The tables and the SELECT, if events come from one."""
        if self.files is None and self.sql is None:
            return None
        if self.files is None or self.sql is None:
            missing, given = ("sql", "files") if self.sql is None else ("files", "sql")
            raise ConfigError(f"data.{given} needs data.{missing}: files by names, and one SELECT")
        if self.path:
            raise ConfigError("data.path and data.files are both set: leave one out")
        return Selection(self.files, self.sql, self.sql_minutes)

    def _format(self) -> FileFormat:
        return FileFormat(
            separator=self.separator,
            encoding=self.encoding,
            quote=self.quote,
            header=self.header,
            skip_lines=self.skip_lines,
            sheet=self.sheet,
            max_bad_rows=self.max_bad_rows,
        )

    def _values(self) -> ValueFormat:
        return ValueFormat(
            unit=self.unit,
            timestamp_format=self.timestamp_format,
            timezone=self.timezone,
            decimal=self.decimal,
            thousands=self.thousands,
            event_types=self.event_types,
        )

    def _reading(self) -> EventReading:
        identities = None
        if self.identity_path is not None:
            path = existing_file(self.identity_path, "data.identity_path")
            columns = {c: c for c in IDENTITY_COLUMNS}
            identities = IdentityMap(rename_columns(read_table(path), columns, path)).table
        return EventReading(
            values=self._values(),
            event_type=self.event_type,
            drop_undated=self.drop_undated,
            currency=self.currency,
            rates=self.rates,
            source=self.source,
            identities=identities,
        )

    def _items(self) -> pd.DataFrame | None:
        if self.items_path is None:
            return None
        path = existing_file(self.items_path, "data.items_path")
        return self._item_table(self._table(path), path)

    def _item_table(self, table: pd.DataFrame, path: Path) -> pd.DataFrame:
        names = _names(self.item_columns, tuple(ITEM_KINDS), "item_id")
        return self._typed(rename_columns(table, names, path), ITEM_KINDS, path)

    def _users(self) -> pd.DataFrame | None:
        if self.users_path is None:
            return None
        path = existing_file(self.users_path, "data.users_path")
        return self._user_table(self._table(path), path)

    def _user_table(self, table: pd.DataFrame, path: Path) -> pd.DataFrame:
        names = _names(self.user_columns, USER_COLUMNS, "user_id")
        known = rename_columns(table, names, path)
        theirs = [name or ours for ours, name in names.items()]
        others = table.drop(columns=theirs, errors="ignore")
        return self._typed(pd.concat([known, others], axis=1), USER_KINDS, path)

    def _typed(self, table: pd.DataFrame, kinds: Mapping[str, Kind], path: Path) -> pd.DataFrame:
        try:
            return typed_columns(table, kinds, self._values())
        except DataError as error:
            raise DataError(f"{path.name}: {error}") from None

    def _table(self, path: Path) -> pd.DataFrame:
        given = self._format()
        return read_table(path, given if len(given.sheets) < 2 else replace(given, sheet=None))


def _names(columns: Columns, possible: tuple[str, ...], required: str) -> dict[str, str | None]:
    """The file's name for each of our columns; null where it may be missing."""
    names = {c: None if columns.get(c) is None else str(columns[c]) for c in possible}
    return {**names, required: names[required] or required}


def _word(word: object) -> str:
    """A word of the file as YAML reads it: yes and no are written as such only in quotes."""
    return str(word).lower() if isinstance(word, bool) else str(word)
