"""Fields of structures and of lists in Parquet are columns, and an element of a list is a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from growthlab.core.errors import DataError
from growthlab.data.raw_tables import read_table
from growthlab.data.tabular_file import TabularFile

ROWS = [
    {
        "user": {"id": 7, "geo": {"country": "de"}},
        "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}],
    },
    {"user": {"id": 8, "geo": None}, "items": []},
    {"user": {"id": 9, "geo": {"country": "fr"}}, "items": None},
]


def events(folder: Path, rows: list[dict[str, Any]], **columns: str) -> list[tuple[Any, ...]]:
    path = folder / "events.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    log = TabularFile(path=str(path), event_type="view", columns=columns).read()
    names = ", ".join(c for c in columns)
    return log._execute(f"SELECT {names} FROM events ORDER BY ALL").fetchall()


def test_fields_of_structures_are_columns(tmp_path: Path) -> None:
    found = events(tmp_path, ROWS, user_id="user.id", channel="user.geo.country")
    assert found == [("7", "de"), ("8", None), ("9", "fr")]


def test_an_element_of_a_list_is_a_row_and_an_empty_list_too(tmp_path: Path) -> None:
    found = events(tmp_path, ROWS, user_id="user.id", item_id="items.sku", quantity="items.n")
    assert found == [("7", "a", 1.0), ("7", "b", 2.0), ("8", None, None), ("9", None, None)]


def test_two_lists_are_refused(tmp_path: Path) -> None:
    rows = [{**row, "coupons": [{"code": "x"}]} for row in ROWS]
    with pytest.raises(DataError, match="the columns lie in several lists"):
        events(tmp_path, rows, user_id="user.id", item_id="items.sku", query="coupons.code")


def test_a_key_of_a_list_of_keys_and_values_is_a_column(tmp_path: Path) -> None:
    def pair(key: str, text: str | None = None, number: int | None = None) -> dict[str, Any]:
        return {"key": key, "value": {"string_value": text, "int_value": number}}

    rows = [
        {"user": 7, "params": [pair("page", "/"), pair("session", number=31)], "items": [{"id": "a"}]},
        {"user": 8, "params": [pair("session", number=32), pair("it's", "x")], "items": []},
        {"user": 9, "params": None, "items": [{"id": "b"}, {"id": "c"}]},
    ]  # fmt: skip
    columns = {"session_id": "params.session", "item_id": "items.id", "query": "params.it's"}
    found = events(tmp_path, rows, user_id="user", **columns)
    assert found == [
        ("7", "31", "a", None), ("8", "32", None, "x"), ("9", None, "b", None), ("9", None, "c", None),
    ]  # fmt: skip


def test_a_key_that_no_row_has_is_refused(tmp_path: Path) -> None:
    rows = [{"user": 7, "params": [{"key": "page", "value": "/"}]}]
    with pytest.raises(DataError, match=r"params\.pages"):
        events(tmp_path, rows, user_id="user", item_id="params.pages")
    assert events(tmp_path, rows, user_id="user", item_id="params.page") == [("7", "/")]


def test_a_list_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="item_id holds lists or tables"):
        events(tmp_path, ROWS, user_id="user.id", item_id="items")


def test_a_table_that_is_read_whole_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    table = read_table(path)
    assert list(table["user.id"]) == [7, 8, 9]
    assert table["items.sku"].isna().all()
