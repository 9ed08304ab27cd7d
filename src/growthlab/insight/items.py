"""Item names: the text of an item after its id."""

from __future__ import annotations

import pandas as pd

from growthlab.data.event_log import EventLog

MAX_NAME_LENGTH = 60  # characters of a name


def add_item_names(rows: pd.DataFrame, log: EventLog, *columns: str) -> pd.DataFrame:
    """The rows with a column ``<column>_name`` after each column of item ids, where items have texts.

    An item without a text gets its id as its name.
    """
    if log.items is None or "text" not in log.items or log.items["text"].isna().all():
        return rows
    texts = log.items.set_index("item_id")["text"].dropna().str.slice(0, MAX_NAME_LENGTH)
    out = rows.copy()
    for column in columns:
        place = list(out).index(column) + 1
        out.insert(place, f"{column}_name", out[column].map(texts).fillna(out[column]))
    return out
