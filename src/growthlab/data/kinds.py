"""The columns of an event log and of its tables: what each holds, and its type in the database."""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "id",  # tells rows apart: one text for each, see core/ids.py
    "label",  # a short text
    "text",  # a long one, left as it is
    "event type",
    "time",
    "number",
    "money",  # a number, maybe with the sign of a currency
    "stock",  # a number of units, or true and false
    "whole number",
]

SQL_TYPES: dict[Kind, str] = {
    "id": "VARCHAR",
    "label": "VARCHAR",
    "text": "VARCHAR",
    "event type": "VARCHAR",
    "time": "TIMESTAMP",
    "number": "DOUBLE",
    "money": "DOUBLE",
    "stock": "DOUBLE",
    "whole number": "BIGINT",
}

EVENT_KINDS: dict[str, Kind] = {
    "user_id": "id",
    "item_id": "id",
    "event_type": "event type",
    "timestamp": "time",
    "ingested_at": "time",
    "cancelled_at": "time",
    "quantity": "number",
    "unit_price": "money",
    "discount": "money",
    "rating": "number",
    "order_id": "id",
    "session_id": "id",
    "channel": "label",
    "query": "text",
    "position": "whole number",
    "split": "label",
}
KNOWN_FROM = "known_from"  # since when a row of items or users was known
ITEM_KINDS: dict[str, Kind] = {
    "item_id": "id",
    "text": "text",
    "category": "label",
    "price": "money",
    "available_from": "time",
    "in_stock": "stock",
    "attributes": "text",
    KNOWN_FROM: "time",
}
EVENT_COLUMNS = {column: SQL_TYPES[kind] for column, kind in EVENT_KINDS.items()}
REQUIRED = ("user_id", "event_type")
ORDERS = ("timestamp", "position")  # one of them is required
