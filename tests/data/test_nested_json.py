"""Values within JSON objects: a row for each element of a list, and lists of keys and values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from growthlab.core.errors import DataError
from growthlab.data.event_log import EventLog
from growthlab.data.tabular_file import TabularFile


def read(folder: Path, *rows: dict[str, Any], **settings: Any) -> EventLog:
    path = folder / "events.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return TabularFile(path=str(path), **{"event_type": "purchase", **settings}).read()


def events(log: EventLog, *columns: str) -> list[tuple[Any, ...]]:
    return log._execute(f"SELECT {', '.join(columns)} FROM events ORDER BY ALL").fetchall()


def test_an_event_export_of_ga4_is_a_row_an_item(tmp_path: Path) -> None:
    session = {"key": "ga_session_id", "value": {"int_value": "77"}}
    page = {"key": "page_location", "value": {"string_value": "https://shop/x"}}
    common = {"user_pseudo_id": "u1.5", "event_timestamp": "1714557600000000"}
    log = read(
        tmp_path,
        {**common, "event_name": "page_view", "event_params": [page, session], "items": []},
        {
            **common,
            "event_name": "purchase",
            "event_params": [session],
            "items": [
                {"item_id": "a", "price": 2.5, "quantity": "1"},
                {"item_id": "b", "price": 4, "quantity": "3"},
            ],
        },
        event_type=None,
        event_types={"page_view": "view"},
        unit="us",
        columns={
            "user_id": "user_pseudo_id",
            "item_id": "items.item_id",
            "event_type": "event_name",
            "timestamp": "event_timestamp",
            "unit_price": "items.price",
            "quantity": "items.quantity",
            "session_id": "event_params.ga_session_id",
        },
    )
    found = events(log, "event_type", "item_id", "unit_price", "quantity", "session_id")
    assert found == [
        ("purchase", "a", 2.5, 1.0, "77"),
        ("purchase", "b", 4.0, 3.0, "77"),
        ("view", None, None, None, "77"),
    ]


def test_the_products_of_a_tracked_order_are_a_row_each(tmp_path: Path) -> None:
    order = {
        "userId": "u1",
        "event": "Order Completed",
        "timestamp": "2024-05-01T10:00:00Z",
        "properties": {"order_id": "o1", "products": [{"sku": "a"}, {"sku": "b"}]},
    }
    columns = {"user_id": "userId", "timestamp": "timestamp"}
    columns |= {"item_id": "properties.products.sku", "order_id": "properties.order_id"}
    log = read(tmp_path, order, columns=columns)
    assert events(log, "user_id", "item_id", "order_id") == [("u1", "a", "o1"), ("u1", "b", "o1")]


def test_lists_within_lists_are_all_their_elements(tmp_path: Path) -> None:
    orders = [{"no": 1, "lines": [{"sku": "a"}, {"sku": "b"}]}, {"no": 2, "lines": [{"sku": "c"}]}]
    columns = {"order_id": "orders.no", "item_id": "orders.lines.sku"}
    log = read(tmp_path, {"user_id": "u", "orders": orders}, columns=columns)
    assert events(log, "order_id", "item_id") == [("1", "a"), ("1", "b"), ("2", "c")]


def test_lists_of_plain_values_go_side_by_side(tmp_path: Path) -> None:
    columns = {"item_id": "skus", "quantity": "pieces"}
    row = {"user_id": "u", "skus": ["a", "b"], "pieces": [1, 2]}
    assert events(read(tmp_path, row, columns=columns), "item_id", "quantity") == [
        ("a", 1.0),
        ("b", 2.0),
    ]
    with pytest.raises(
        DataError, match=r"events.jsonl: row 2: .*several lists \(skus and pieces\)"
    ):
        read(tmp_path, row, {**row, "pieces": [1]}, columns=columns)


def test_lists_of_objects_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    row = {"user_id": "u", "items": [{"sku": "a"}], "coupons": [{"value": 5}]}
    with pytest.raises(DataError, match=r"several lists \(items and coupons\)"):
        read(tmp_path, row, columns={"item_id": "items.sku", "discount": "coupons.value"})


def test_rows_of_one_object_have_the_same_place_each_time(tmp_path: Path) -> None:
    rows = [{"user_id": "u", "items": ["b", "a"]}, {"user_id": "u", "items": ["c"]}]
    log = read(tmp_path, *rows, columns={"item_id": "items"})
    assert events(log, "position", "item_id") == [(0, "a"), (1, "b"), (2, "c")]


def test_lists_in_a_table_of_items_stay_one_text(tmp_path: Path) -> None:
    items = tmp_path / "items.json"
    items.write_text(json.dumps([{"item_id": "a", "attributes": ["red", "new"]}]))
    log = read(tmp_path, {"user_id": "u", "item_id": "a"}, items_path=str(items))
    assert log.items is not None
    assert list(log.items["attributes"]) == ['["red", "new"]']
