"""One SELECT of somebody else's: checked before it runs, and run where nothing but its tables can be read."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator
from typing import Any

import duckdb

from growthlab.core.errors import ConfigError, DataError, near_matches, quoted

LONGEST = 100_000  # letters of a SELECT
TABLE_FUNCTIONS = frozenset(("generate_series", "json_each", "json_tree", "range", "unnest"))
CLOCKS = frozenset(
    ("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp")
)
UNSEEDED = "a sample without a seed"
LOCKED = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "threads": "1",  # the same rows in the same order on every machine
    "preserve_insertion_order": "true",
    "lock_configuration": "true",  # the last: nothing can be set after it
}


def lock(connection: duckdb.DuckDBPyConnection) -> None:
    """Shut a database off from files, network, extensions, Python and its own settings."""
    for name, value in LOCKED.items():
        connection.execute(f"SET {name} = {value}")


def checked_select(sql: str, tables: Collection[str]) -> str:
    """The only SELECT in a text, without what follows it.

    Raises
    ------
    ConfigError
        It is none, or it reads what is not among `tables`, or calls a function that reads something else, or
        that gives another value each time.
    """
    text = sql.strip().rstrip(";").strip()
    if len(text) > LONGEST:
        raise ConfigError(f"data.sql has {len(text):,} letters: give at most {LONGEST:,}")
    with duckdb.connect(":memory:") as parser:
        lock(parser)
        nodes = list(_nodes(_syntax_tree(parser, text)))
        changing = _changing_functions(parser)
    with_names = {name for node in nodes for name in _names_of_ctes(node)}
    for node in nodes:
        _check_table(node, tables, with_names)
        _check_functions(node, changing)
    return text


def run_select(
    connection: duckdb.DuckDBPyConnection, select: str, target: str, minutes: float
) -> None:
    """Store the rows of a checked SELECT in a new table of a locked database.

    Raises
    ------
    DataError
        It fails, needs too much memory or disk, or takes longer than so many minutes.
    """
    timer = threading.Timer(minutes * 60, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        connection.execute(f"CREATE TABLE {target} AS SELECT * FROM (\n{select}\n)")
    except duckdb.InterruptException:
        raise DataError(
            f"data.sql took longer than {minutes:g} minutes (data.sql_minutes): nothing was read"
        ) from None
    except duckdb.Error as error:
        raise DataError(f"data.sql fails: {_reason(error)}") from None
    finally:
        timer.cancel()


def _syntax_tree(parser: duckdb.DuckDBPyConnection, text: str) -> Any:
    try:
        statements = parser.extract_statements(text)
    except duckdb.Error as error:
        raise ConfigError(f"data.sql is no SQL of DuckDB's: {_reason(error)}") from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        kinds = ", ".join(s.type.name for s in statements) or "nothing"
        raise ConfigError(f"data.sql must be one SELECT, and is {kinds}")
    try:
        ((serialized,),) = parser.execute("SELECT json_serialize_sql(?)", [text]).fetchall()
        tree = json.loads(serialized)
    except (duckdb.Error, RecursionError):
        raise ConfigError("data.sql cannot be checked: it is nested too deeply") from None
    if tree.get("error") or len(tree["statements"]) != 1:
        raise ConfigError("data.sql must be one SELECT")
    return tree["statements"]


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every node of a syntax tree, without recursion: it may be deep."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _names_of_ctes(node: dict[str, Any]) -> Iterator[str]:
    """The names that WITH gives to tables."""
    for entry in (node.get("cte_map") or {}).get("map", []):
        yield entry["key"].lower()
    if node.get("type") in ("CTE_NODE", "RECURSIVE_CTE_NODE"):
        yield str(node.get("cte_name", "")).lower()


def _check_table(node: dict[str, Any], tables: Collection[str], ctes: Collection[str]) -> None:
    kind = node.get("type")
    if kind == "SHOW_REF":
        raise ConfigError(
            "data.sql must be one SELECT: DESCRIBE, SHOW and SUMMARIZE give no events"
        )
    if kind == "BASE_TABLE":
        places = (node.get("catalog_name"), node.get("schema_name"))
        name = str(node["table_name"])
        known = {table.lower() for table in tables} | set(ctes)
        if any(places) or name.lower() not in known:
            full = ".".join(filter(None, [*places, name]))
            hint = near_matches(name, sorted(tables))
            raise ConfigError(f"data.sql reads {full!r}, which is not among data.files: {hint}")
    if kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", "")).lower()
        if name not in TABLE_FUNCTIONS:
            possible = ", ".join(sorted(TABLE_FUNCTIONS))
            raise ConfigError(
                f"data.sql may not read {name or 'this'}(...): it reads data.files alone; besides them "
                f"possible are {possible}"
            )


def _check_functions(node: dict[str, Any], changing: Collection[str]) -> None:
    name = ""
    if node.get("class") == "FUNCTION":
        name = str(node.get("function_name", "")).lower()
    elif node.get("class") == "COLUMN_REF" and len(node["column_names"]) == 1:
        name = str(node["column_names"][0]).lower()
        name = name if name in CLOCKS else ""
    elif node.get("sample") and node["sample"].get("seed") == -1:
        name = UNSEEDED
    if name in changing or name in CLOCKS or name == UNSEEDED:
        raise ConfigError(
            f"data.sql may not use {name}: it depends on more than the files, so that what is kept of its "
            "rows would not be true tomorrow"
        )


def _changing_functions(parser: duckdb.DuckDBPyConnection) -> set[str]:
    """The functions whose value depends on more than their arguments, and those that are made of them."""
    rows = parser.execute(
        "SELECT DISTINCT lower(function_name), stability, lower(coalesce(macro_definition, '')) "
        "FROM duckdb_functions() WHERE function_type IN ('scalar', 'macro')"
    ).fetchall()
    changing = {name for name, stability, _ in rows if stability not in (None, "CONSISTENT")}
    return changing | {
        name for name, _, definition in rows if any(f"{each}(" in definition for each in changing)
    }


def _reason(error: Exception) -> str:
    return quoted(str(error).strip().splitlines()[0], 300)
