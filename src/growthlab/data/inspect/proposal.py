"""The settings by which files are read as events, as far as the files show them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from growthlab.core.errors import DataError, quoted
from growthlab.data.inspect.column_names import TOTALS, plain_name
from growthlab.data.inspect.event_tables import (
    events_of_table,
    numbers_of,
    parts_of_one_log,
    united_sql,
    words_of,
)
from growthlab.data.inspect.event_types import NO_WORD
from growthlab.data.inspect.guess_columns import EVENT_FITS, FIT_OF_KIND, misfits
from growthlab.data.inspect.selects import EventSelect
from growthlab.data.inspect.table_roles import (
    RoleOfTable,
    as_events,
    role_of,
    same_columns,
    with_role,
)
from growthlab.data.inspect.table_sample import TableSample
from growthlab.data.inspect.time_format import time_format
from growthlab.data.kinds import EVENT_KINDS
from growthlab.data.number_format import NumberFormat
from growthlab.data.personal_columns import CHECKED, DROP
from growthlab.data.personal_data import personal_data
from growthlab.data.sql_text import quoted_name
from growthlab.data.staging import NOT_READ

ZONES = {  # an example by the letters of the names
    "[\u3040-\u30ff]": "Asia/Tokyo",
    "[\u4e00-\u9fff]": "Asia/Shanghai",
    "": "Europe/Berlin",
}
CELLS = 500  # in which personal data is looked for


@dataclass
class Proposal:
    """Settings of data=tabular_file, what was found, what is doubtful, and the columns that are not read.

    `personal` are the columns that look like personal data, and `personal_columns` those of ours that are
    read from them, with its kind.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    personal: list[str] = field(default_factory=list)
    personal_columns: dict[str, str] = field(default_factory=dict)


def proposed(samples: Sequence[TableSample]) -> Proposal:
    """The settings for tables of which one at least holds events.

    Raises
    ------
    DataError
        None of them does.
    """
    tables = [role_of(_merged(group)) for group in same_columns(_one_table_each(samples))]
    proposal = Proposal()
    events = with_role(tables, "events") or _joinable(tables) or with_role(tables, "orders")
    if not events and len(tables) == 1:
        events = _by_content(proposal, tables[0])
    if not events:
        raise DataError(_no_events(tables))
    joinable = _joinable(tables) if with_role(tables, "events") else []
    used = _write_events(proposal, [*events, *joinable[:1]], tables)
    for found, option in (
        (with_role(tables, "items"), "item"),
        (with_role(tables, "users"), "user"),
    ):
        for table in found[:1]:
            if table.sample in used:
                continue
            used.append(table.sample)
            _write_table(proposal, table, option)
    for table in tables:
        if table.sample not in used:
            said = (
                "another table of events" if table.role == "events" else "a table of something else"
            )
            proposal.unread.insert(0, f"{', '.join(table.sample.paths)} ({said})")
    return proposal


def _one_table_each(samples: Sequence[TableSample]) -> list[TableSample]:
    """One table for the sheets of each workbook, and all others as they are."""
    sheets: dict[tuple[str, ...], list[TableSample]] = {}
    for sample in samples:
        if sample.other_sheets:
            sheets.setdefault(sample.paths, []).append(sample)
    tables = {paths: _table_of_sheets(group) for paths, group in sheets.items()}
    return [
        tables.pop(sample.paths) if sample.other_sheets else sample
        for sample in samples
        if not sample.other_sheets or sample.paths in tables
    ]


def _table_of_sheets(group: Sequence[TableSample]) -> TableSample:
    """The first sheet that holds events, or orders, or anything, and those with the same columns."""
    filled = [sample for sample in group if sample.columns and sample.columns[0].cells]
    roles = [role_of(sample) for sample in filled]
    found = with_role(roles, "events") or with_role(roles, "orders") or roles
    if not found:
        return group[0]
    first = found[0].sample
    read = [str(s.format.sheet) for s in filled if s.names == first.names]
    if len(read) < 2:
        return first
    return replace(
        first,
        format=replace(first.format, sheet=read),
        described=f"Excel, sheets {', '.join(read)}",
        other_sheets=tuple(sheet for sheet in first.other_sheets if sheet not in read),
    )


def _by_content(proposal: Proposal, table: RoleOfTable) -> list[RoleOfTable]:
    """The only table as one of events, told by its cells; none where they hold no times or event words."""
    events = as_events(table)
    columns = set(events.columns)
    if "user_id" not in columns or not {"timestamp", "event_type"} & columns:
        return []
    guessed = ", ".join(f"{ours} {name}" for ours, name in events.columns.items())
    proposal.doubts.append(f"columns: names tell too little, and cells were looked at: {guessed}")
    return [events]


def _merged(group: Sequence[TableSample]) -> TableSample:
    """Samples of one table in several files as one."""
    paths = tuple(path for sample in group for path in sample.paths)
    files = tuple(file for sample in group for file in sample.files)
    return replace(group[0], paths=paths, files=files)


def _joinable(tables: Sequence[RoleOfTable]) -> list[RoleOfTable]:
    lines = with_role(tables, "lines")
    return with_role(tables, "orders") if lines else []


def _no_events(tables: Sequence[RoleOfTable]) -> str:
    shown = quoted(", ".join(name for table in tables for name in table.sample.names), 200)
    return (
        f"no table of events was found: a column of customers is missing, or one of their items, orders or "
        f"times, among {shown}: map them by hand, see docs/own_data.md"
    )


def _write_events(
    proposal: Proposal, events: Sequence[RoleOfTable], tables: Sequence[RoleOfTable]
) -> list[TableSample]:
    """The settings of events; the samples that they are read from."""
    named = parts_of_one_log(events, tables) if len(events) > 1 else []
    parts = [part for _, part in named] if len(named) > 1 else [events_of_table(events[0], tables)]
    main = parts[0]
    proposal.found += [part.table.sample.described for part in parts]
    if len(parts) > 1:
        selects = [part.as_select(name) for name, part in named]
        _write_select(proposal, united_sql(selects), selects)
        proposal.found.append("tables with different events are one log")
        _write_doubt_of_users(proposal, [part.table for part in parts])
    elif main.select is not None:
        _write_select(proposal, main.select.sql, [main.select])
    else:
        proposal.settings["path"] = _paths(main.table.sample)
        proposal.settings["columns"] = {**main.table.columns, **_misnamed(main.table)}
    if len(parts) == 1 and "event_type" not in main.sources:
        proposal.settings["event_type"] = main.types.one
    words = words_of(parts)
    if words:
        said = [part.sources.get("event_type", "") for part in parts]
        proposal.settings["event_types"] = {
            w: t for w, t in words.items() if w != NO_WORD or any(NO_WORD in sql for sql in said)
        }
    proposal.doubts += [doubt for part in parts for doubt in part.types.doubts]
    _write_times(proposal, main.table)
    used = []
    for part in parts:
        _write_doubts(proposal, part.table, part.sources)
        own = [part.table.sample] if part.select is None else list(part.select.tables.values())
        _write_unread(proposal, own, part.sources)
        used += own
    proposal.doubts[:] = dict.fromkeys(proposal.doubts)
    return used


def _write_select(proposal: Proposal, sql: str, selects: Sequence[EventSelect]) -> None:
    """The settings of a SELECT, and why there is one."""
    tables = {name: s for select in selects for name, s in select.tables.items()}
    proposal.settings["files"] = {name: _paths(sample) for name, sample in tables.items()}
    proposal.settings["sql"] = sql
    proposal.found += [why for select in selects for why in select.why]


def _write_doubt_of_users(proposal: Proposal, tables: Sequence[RoleOfTable]) -> None:
    """A doubt about customers that only one of the tables knows, as far as their first rows show it."""
    first, *others = tables
    known = set(first.sample.column(first.columns["user_id"]).known)
    for other in others:
        column = other.columns["user_id"]
        if not known & set(other.sample.column(column).known):
            proposal.doubts.append(
                f"user_id: none of the first customers of {other.sample.paths[0]} ({column}) is among those "
                f"of {first.sample.paths[0]}: join ids of another kind with an identity map"
            )


def _paths(sample: TableSample) -> str | list[str]:
    return sample.paths[0] if len(sample.paths) == 1 else list(sample.paths)


def _misnamed(table: RoleOfTable) -> dict[str, str]:
    """The columns that have one of our names and hold something else."""
    fits = {**dict.fromkeys(EVENT_KINDS), **EVENT_FITS}
    wrong = {}
    for name in table.sample.names:
        if name in EVENT_KINDS and name not in table.columns and name not in table.columns.values():
            is_fit = fits[name] or FIT_OF_KIND.get(EVENT_KINDS[name])
            column = table.sample.column(name)
            if column.known and is_fit is not None and not is_fit(column):
                wrong[name] = NOT_READ
    return wrong


def _write_times(proposal: Proposal, table: RoleOfTable) -> None:
    if "timestamp" not in table.columns:
        order = table.columns.get("position", "the order of the rows")
        proposal.doubts.append(f"timestamp: no times were found; {order} says what came first")
        return
    column = table.sample.column(table.columns["timestamp"])
    times = time_format(column)
    if times is not None and times.other is not None:  # the first days of a month tell nothing
        more = tuple(table.sample.words(column.name))
        times = time_format(replace(column, cells=more)) or times
    if times is None:
        return
    if times.unit is not None:
        proposal.settings["unit"] = times.unit
    if times.format is not None:
        proposal.settings["timestamp_format"] = times.format
    if times.other is not None:
        proposal.doubts.append(f"timestamp_format: the times fit {times.other} too")
    if not times.has_zone:
        zone = next(
            z for signs, z in ZONES.items() if re.search(signs, "".join(table.sample.names))
        )
        proposal.doubts.append(
            f"timezone: the times say no zone and are taken as UTC; say yours, such as {zone}"
        )


def _write_doubts(proposal: Proposal, table: RoleOfTable, sources: Mapping[str, str]) -> None:
    sample = table.sample
    if sample.format.sheet is not None:
        proposal.settings["sheet"] = sample.format.sheet
        read = ", ".join(sample.format.sheets)
        others = f", and not {', '.join(sample.other_sheets)}" if sample.other_sheets else ""
        proposal.doubts.append(f"sheet: what is read is {read}{others}")
    if all(name.isdigit() for name in sample.names):
        proposal.doubts.append("columns: they have no names, and were told by what they hold")
    if "item_id" not in sources:
        proposal.doubts.append(
            "item_id: no column says what was bought; nothing can be recommended"
        )
    user = table.columns["user_id"]
    if sources["user_id"] == quoted_name(user) and sample.column(user).filled < 1:
        share = f"{1 - sample.column(user).filled:.0%}"
        proposal.doubts.append(
            f"user_id: {share} of the first rows have no {user}: they are dropped"
        )
    for ours, name in misfits(sample.columns, table.columns).items():
        proposal.doubts.append(
            f"{ours}: {name} may be it, but has cells that cannot be read as such"
        )
    numbers = numbers_of(table) or NumberFormat()
    if numbers != NumberFormat():
        between = f", {numbers.thousands} stands between thousands" if numbers.thousands else ""
        proposal.found.append(f"the decimal sign is {numbers.decimal}{between}")
    price = table.columns.get("unit_price", "")
    is_total = plain_name(price.rpartition(".")[2]) in TOTALS
    if is_total and "quantity" in sources and sources["unit_price"] == quoted_name(price):
        proposal.doubts.append(
            f"unit_price: {price} may be the amount of a whole line; that of one piece is needed"
        )


def _write_unread(
    proposal: Proposal, used: Sequence[TableSample], sources: Mapping[str, str]
) -> None:
    """Which columns are read, and which of these and the others look like personal data."""
    for column in (column for sample in used for column in sample.columns):
        read_as = [ours for ours, sql in sources.items() if quoted_name(column.name) in sql]
        found = personal_data(column.name, column.known[:CELLS])
        if found is not None:
            said = f"read as {read_as[0]}" if any(read_as) else "not read"
            dropped = [ours for ours in read_as if ours in CHECKED]
            if dropped:
                said = f"{dropped[0]} is dropped"
                _drop(proposal, dropped)
            proposal.personal.append(f"{column.name} ({found.kind}, {said})")
            proposal.personal_columns |= dict.fromkeys(read_as, found.kind)
        if not read_as and column.name not in proposal.unread:
            proposal.unread.append(column.name)


def _drop(proposal: Proposal, columns: Iterable[str]) -> None:
    """Decide that columns with personal data are dropped."""
    decided = dict.fromkeys(columns, DROP)
    if decided:
        proposal.settings["personal_data"] = {
            **proposal.settings.get("personal_data", {}),
            **decided,
        }


def _write_table(proposal: Proposal, table: RoleOfTable, option: str) -> None:
    """The settings of a table of items or of users, without the columns with personal data."""
    (path, *more), columns = (str(f) for f in table.sample.files), dict(table.columns)
    if option == "user":
        columns = {"user_id": columns["user_id"]}
        others = [c for c in table.sample.columns if c.name != columns["user_id"]]
        kinds = {c.name: personal_data(c.name, c.known[:CELLS]) for c in others}
        personal = {name: found.kind for name, found in kinds.items() if found is not None}
        _drop(proposal, personal)
        proposal.personal += [f"{name} ({kind}, dropped)" for name, kind in personal.items()]
    if more:
        proposal.doubts.append(f"{option}s_path: only {path} is read, of {len(more) + 1} files")
    proposal.settings[f"{option}s_path"] = path
    proposal.settings[f"{option}_columns"] = columns
