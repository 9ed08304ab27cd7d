"""The SELECT that gives the events of tables which no mapping of columns can read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from growthlab.data.inspect.column_names import PACKED_ITEMS, plain_name
from growthlab.data.inspect.guess_columns import event_columns
from growthlab.data.inspect.table_roles import RoleOfTable, listed_columns
from growthlab.data.inspect.table_sample import SampledColumn, TableSample
from growthlab.data.readers.table_file import ROW
from growthlab.data.sql_text import quoted_name, quoted_text

ITEM = "item_of_row"
OF_ORDERS = ("user_id", "timestamp", "event_type", "cancelled_at", "channel", "order_id")
OF_LINES = ("item_id", "quantity", "unit_price", "rating", "query")
NOT_OF_LINES = (*OF_ORDERS, "position", "session_id", "status")
_PAIR = r"[A-Za-z_]+:[^|;]*"
_PACKED = re.compile(rf"{_PAIR}(\|{_PAIR})+.*", re.DOTALL)


@dataclass(frozen=True)
class EventSelect:
    """SQL of each of our columns, the tables that they come from, and why a mapping does not do."""

    columns: Mapping[str, str]
    source: str
    tables: Mapping[str, TableSample]
    why: Sequence[str] = field(default_factory=list)

    @property
    def sql(self) -> str:
        """The SELECT."""
        columns = ",\n  ".join(f"{sql} AS {ours}" for ours, sql in self.columns.items())
        return f"SELECT\n  {columns}\nFROM {self.source}\n"


def joined(
    orders: RoleOfTable, lines: RoleOfTable, others: Sequence[RoleOfTable], *, no_word: str | None
) -> EventSelect | None:
    """Order lines with the customer and the time of their order; None where orders have no id."""
    key = orders.columns.get("order_id")
    if key is None:
        return None
    columns = {o: _of("lines", n) for o, n in lines.columns.items() if o not in NOT_OF_LINES}
    columns |= {o: _of("orders", n) for o, n in orders.columns.items() if o not in OF_LINES}
    if not {"timestamp", "position"} & set(columns):
        time = lines.columns.get("timestamp")
        columns |= (
            {"position": f"lines.{ROW}"} if time is None else {"timestamp": _of("lines", time)}
        )
    if no_word is not None:
        columns["event_type"] = _with_word(columns["event_type"], no_word)
    source = (
        f"lines\nJOIN orders ON {_of('orders', key)} = {_of('lines', lines.columns['order_id'])}"
    )
    tables = {"orders": orders.sample, "lines": lines.sample}
    user = orders.columns["user_id"]
    for other in others:
        person = other.columns.get("user_id")
        if person is not None and person != user and user in other.sample.names:
            source += f"\nJOIN customers ON {_of('customers', user)} = {_of('orders', user)}"
            columns["user_id"] = _of("customers", person)
            tables["customers"] = other.sample
            break
    return EventSelect(columns, source, tables, [f"orders and their lines are joined by {key}"])


def _with_word(column: str, word: str) -> str:
    """SQL of an event type, with a word where there is none."""
    return f"coalesce({column}, {quoted_text(word)})"


def _filled_down(table: RoleOfTable) -> list[str]:
    """Ours whose cells only one line of each order has."""
    key = table.columns.get("order_id")
    if key is None:
        return []
    orders = table.sample.column(key).cells
    names = []
    for ours in OF_ORDERS:
        if ours in table.columns and ours != "order_id":
            cells = table.sample.column(table.columns[ours]).cells
            said = {order for order, cell in zip(orders, cells, strict=True) if cell is not None}
            said.discard(None)
            empty = [order for order, cell in zip(orders, cells, strict=True) if cell is None]
            if empty and sum(order in said for order in empty) > 0.9 * len(empty):
                names.append(ours)
    return names


def _packed_columns(sample: TableSample) -> list[SampledColumn]:
    """The columns that hold items as fields with their names, such as ``product_id:7|quantity:2;...``."""
    return [c for c in sample.columns if c.known and _is_packed(c)]


def _is_packed(column: SampledColumn) -> bool:
    if not all(_PACKED.fullmatch(cell) for cell in column.known):
        return False
    return any(plain_name(f) in PACKED_ITEMS["item_id"] for f in _fields(column))


def _fields(column: SampledColumn) -> list[str]:
    """The names of the fields of items, in the order in which they come."""
    names = (f.partition(":")[0] for c in column.known for f in re.split(r"[|;]", c) if ":" in f)
    return list(dict.fromkeys(name.strip() for name in names))


def fields_in_list(table: RoleOfTable) -> tuple[str, dict[str, str]] | None:
    """A list of JSON objects that holds items as another column does too: its name, ours -> its field."""
    if table.sample.column(table.columns.get("item_id", table.sample.names[0])).in_list:
        return None  # a mapping reads it
    for place, inside in listed_columns(table.sample).items():
        columns = event_columns(inside)
        if "item_id" in columns:
            fields = {ours: name.removeprefix(f"{place}.") for ours, name in columns.items()}
            return place, {o: f for o, f in fields.items() if "." not in f and o not in OF_ORDERS}
    return None


def of_one_table(
    table: RoleOfTable, *, has_returns: bool, no_word: str | None, name: str = "events"
) -> EventSelect | None:
    """The events of one table, where some cells hold several items, or later lines of an order less.

    With `has_returns` negative quantities are returns; `no_word` stands for missing event types. `name` is
    that of the table in the SELECT. None where a mapping of columns does.
    """
    columns = {ours: quoted_name(name) for ours, name in table.columns.items()}
    source, why = name, []
    down, packed = _filled_down(table), _packed_columns(table.sample)
    listed = fields_in_list(table)
    for ours in down:
        columns[ours] = f"max({columns[ours]}) OVER (PARTITION BY {columns['order_id']})"
    if down:
        why.append(f"only one line of an order says {', '.join(down)}")
    if packed:
        source = _items_of_cells(packed, name)
        columns |= _fields_of_items(packed)
        why.append(f"{packed[0].name} holds the items of an order in one cell")
    elif listed is not None:
        place, fields = listed
        source = _items_of_list(place, name)
        for ours, inside in fields.items():
            value = f"{ITEM} ->> {quoted_text(inside)}"
            columns[ours] = f"coalesce({value}, {columns[ours]})" if ours in columns else value
        why.append(f"some events have one item, and others a list of them in {place}")
    if has_returns:
        amount = f"CAST({quoted_name(table.columns['quantity'])} AS VARCHAR)"
        columns["event_type"] = (
            f"CASE WHEN starts_with(trim({amount}), '-') THEN 'return' ELSE 'purchase' END"
        )
        why.append("a negative quantity is a return")
    if no_word is not None and "event_type" not in down:
        columns["event_type"] = _with_word(columns["event_type"], no_word)
        why.append("some rows have no event type")
    if not why:
        return None
    if not {"timestamp", "position"} & set(columns):
        columns["position"] = ROW
    return EventSelect(columns, source, {name: table.sample}, why)


def _items_of_cells(packed: Sequence[SampledColumn], table: str) -> str:
    """The rows once for each item that is written in their cells."""
    names = [quoted_name(c.name) for c in packed]
    cell = names[0] if len(names) == 1 else f"concat_ws(';', {', '.join(names)})"
    first = re.escape(_fields(packed[0])[0])
    lines = f"regexp_replace({cell}, {quoted_text(f';({first}:)')}, chr(10) || '\\1', 'g')"
    return f"(SELECT *, unnest(string_split({lines}, chr(10))) AS {ITEM} FROM {table})"


def _fields_of_items(packed: Sequence[SampledColumn]) -> dict[str, str]:
    """SQL of ours from the fields of an item."""
    there = {plain_name(f): f for column in packed for f in _fields(column)}
    found = {}
    for ours, names in PACKED_ITEMS.items():
        fields = [
            there[n]
            for n in names
            if n in there and (ours != "item_id" or _is_filled(packed, there[n]))
        ]
        if fields:
            pattern = rf"\|{re.escape(fields[0])}:([^|]*)"
            found[ours] = f"nullif(regexp_extract('|' || {ITEM}, {quoted_text(pattern)}, 1), '')"
    total = found.pop("total", None)
    if total is not None and "unit_price" not in found and "quantity" in found:
        amount, pieces = (f"TRY_CAST({sql} AS DOUBLE)" for sql in (total, found["quantity"]))
        found["unit_price"] = f"{amount} / nullif({pieces}, 0)"
    return found


def _is_filled(packed: Sequence[SampledColumn], name: str) -> bool:
    """Whether every item has a value in the field."""
    cells = [f"|{cell}" for column in packed for cell in column.known]
    return all(re.search(rf"[|;]{re.escape(name)}:[^|;]", cell) for cell in cells)


def _items_of_list(place: str, table: str) -> str:
    """The rows once for each object of a list in JSON, and once where there is none."""
    items = f"""from_json({quoted_name(place)}, '["JSON"]')"""
    some = f"CASE WHEN len({items}) > 0 THEN {items} ELSE [NULL] END"
    return f"(SELECT *, unnest({some}) AS {ITEM} FROM {table})"


def _of(table: str, name: str) -> str:
    return f"{table}.{quoted_name(name)}"
