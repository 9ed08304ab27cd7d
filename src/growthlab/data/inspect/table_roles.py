"""What each of several tables is: events, orders, their lines, items, users, or none of these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from growthlab.data.inspect.guess_by_content import columns_by_content
from growthlab.data.inspect.guess_columns import (
    event_columns,
    is_event_type,
    is_order_name,
    item_columns,
)
from growthlab.data.inspect.table_sample import SampledColumn, TableSample
from growthlab.data.inspect.time_format import time_format

Role = Literal["events", "orders", "lines", "items", "users", "other"]


@dataclass(frozen=True)
class RoleOfTable:
    """A table, what it is, and the likely column of each of ours in it."""

    sample: TableSample
    role: Role
    columns: dict[str, str]


def role_of(sample: TableSample) -> RoleOfTable:
    """The role of a table by the columns that it has."""
    if all(name.isdigit() for name in sample.names):
        columns = columns_by_content(sample)
    else:
        columns = _by_names(sample)
        columns |= _by_content(sample, columns)
    columns |= _order_name(sample, columns)
    role = _role(sample, columns)
    if role == "items":
        columns = item_columns(sample.columns)
    return RoleOfTable(sample, role, columns)


def _order_name(sample: TableSample, columns: Mapping[str, str]) -> dict[str, str]:
    """The column that holds the numbers of orders, though its name does not say of what they are."""
    if "order_id" in columns or not {"quantity", "status", "unit_price"} & set(columns):
        return {}
    free = [c for c in sample.columns if is_order_name(c) and c.name not in columns.values()]
    return {"order_id": free[0].name} if free else {}


def _by_names(sample: TableSample) -> dict[str, str]:
    """The likely columns; those that lie in a list only where no other holds the items."""
    columns = event_columns([c for c in sample.columns if not c.in_list])
    if "item_id" in columns:
        return columns
    for inside in listed_columns(sample).values():
        with_list = event_columns([c for c in sample.columns if not c.in_list or c in inside])
        if "item_id" in with_list:
            return with_list
    return columns


def _by_content(sample: TableSample, known: dict[str, str]) -> dict[str, str]:
    """The event types and times of a table of events, where their columns have other names."""
    found: dict[str, str] = {}
    if not {"user_id", "item_id"} <= set(known):
        return found
    free = [c for c in sample.columns if not c.in_list and c.name not in known.values()]
    words = [c for c in free if is_event_type(c) and not c.distinct[0].isdigit()]
    times = [c for c in free if c.known and time_format(c) is not None]
    if words and not {"event_type", "status"} & set(known):
        found["event_type"] = words[0].name
    if times and not {"timestamp", "position"} & set(known):
        found["timestamp"] = times[0].name
    return found


def as_events(table: RoleOfTable) -> RoleOfTable:
    """A table as one of events, with what its cells look like where names tell nothing."""
    named = _by_names(table.sample)
    named |= _order_name(table.sample, named)
    free = tuple(c for c in table.sample.columns if c.name not in named.values())
    told = columns_by_content(replace(table.sample, columns=free))
    return RoleOfTable(table.sample, "events", {**told, **named})


def listed_columns(sample: TableSample) -> dict[str, list[SampledColumn]]:
    """The columns that lie in lists of JSON objects, by the name of the list."""
    lists: dict[str, list[SampledColumn]] = {}
    for column in sample.columns:
        if column.in_list:
            outer = [n for n in sample.names if column.name.startswith(f"{n}.")]
            place = next(n for n in outer if any(c[0] == "[" for c in sample.column(n).known))
            lists.setdefault(place, []).append(column)
    return lists


def _role(sample: TableSample, columns: dict[str, str]) -> Role:
    has = columns.__contains__
    if has("user_id"):
        if has("item_id") or has("event_type"):
            return "events"
        if has("order_id") or has("timestamp"):
            is_person = _is_unique(sample, columns["user_id"]) and not _dated(columns)
            return "users" if is_person else "orders"
        return "users"
    if has("item_id") and has("order_id"):
        return "lines"
    is_item = has("item_id") and _is_unique(sample, columns["item_id"])
    return "items" if is_item and len(sample.names) > 1 else "other"


def _dated(columns: dict[str, str]) -> bool:
    return "order_id" in columns and bool({"timestamp", "position"} & set(columns))


def _is_unique(sample: TableSample, name: str) -> bool:
    column = sample.column(name)
    return len(column.distinct) == len(column.cells)


def with_role(tables: Iterable[RoleOfTable], *roles: Role) -> list[RoleOfTable]:
    """The tables that have one of these roles."""
    return [table for table in tables if table.role in roles]


def same_columns(samples: Sequence[TableSample]) -> list[list[TableSample]]:
    """The samples in groups that have the same columns, as the days of one log have."""
    groups: dict[tuple[str, ...], list[TableSample]] = {}
    for sample in samples:
        groups.setdefault(sample.names, []).append(sample)
    return list(groups.values())
