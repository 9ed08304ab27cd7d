"""What the arrays of stored histories and of a stored catalogue must be."""

from __future__ import annotations

from growthlab.core.array_schema import FLOAT, ArraySchema, Schema
from growthlab.core.histories import EVENT_TYPES, LATEST, UNKNOWN

CATALOGUE_SCHEMA: Schema = {
    "item_ids": ArraySchema(dtypes=("text",), shape=("n_items",), order="increasing"),
    "text": ArraySchema(dtypes=("text",), shape=("n_items",), optional=True),
    "category": ArraySchema(dtypes=("text",), shape=("n_items",), optional=True),
    "attributes": ArraySchema(dtypes=("text",), shape=("n_items",), optional=True),
    "price": ArraySchema(dtypes=FLOAT, shape=("n_items",), nan=True, optional=True),
    "in_stock": ArraySchema(dtypes=("bool",), shape=("n_items",), optional=True),
}
HISTORIES_SCHEMA: Schema = {  # of users under sorted names
    "items": ArraySchema(dtypes=("int32",), shape=("n_events",), low=0, below="n_items"),
    "offsets": ArraySchema(
        dtypes=("int64",), shape=("n_users+1",), low=0, order="offsets", ends_at="n_events"
    ),
    "times": ArraySchema(dtypes=("int64",), shape=("n_events",), low=-LATEST, high=LATEST),
    "event_types": ArraySchema(dtypes=("uint8",), shape=("n_events",), high=len(EVENT_TYPES) - 1),
    "quantities": ArraySchema(dtypes=("float32",), shape=("n_events",), nan=True),
    "prices": ArraySchema(dtypes=("float32",), shape=("n_events",), nan=True),
    "user_codes": ArraySchema(dtypes=("int32",), shape=("n_users",), low=UNKNOWN),
    "user_ids": ArraySchema(dtypes=("text",), shape=("n_users",), order="increasing"),
    "timed": ArraySchema(dtypes=("bool",)),
}
