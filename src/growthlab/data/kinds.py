"""What a column of raw data holds, and its type in the database."""

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
