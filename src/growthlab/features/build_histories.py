"""From an event log to Histories: the catalogue known before the cutoff, and each customer's events in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from growthlab.core.errors import DataError
from growthlab.core.histories import EVENT_CODE, UNKNOWN, Catalogue, Histories, codes_of
from growthlab.data.event_log import EventLog

CATALOGUE_COLUMNS = tuple(
    f"items.{column}" for column in ("text", "category", "attributes", "price", "in_stock")
)


def catalogue_of(past: EventLog) -> Catalogue:
    """The items with an event in `past` or a record in its item table, sorted by raw id."""
    past.require("item_id", needed_by="recommending")
    with_events = past.query("SELECT DISTINCT item_id FROM events WHERE item_id IS NOT NULL")
    known = set(with_events["item_id"])
    records = past.items if past.items is not None else pd.DataFrame({"item_id": []})
    item_ids = np.array(sorted(known | set(records["item_id"].astype(str))), dtype=str)
    table = records.set_index(records["item_id"].astype(str)).reindex(item_ids)

    def texts(column: str) -> np.ndarray | None:
        return table[column].fillna("").to_numpy(dtype=str) if column in table else None

    price = table["price"].to_numpy(dtype=np.float32) if "price" in table else None
    content = texts("text"), texts("category"), texts("attributes")
    in_stock = (table["in_stock"] > 0).to_numpy(dtype=bool) if "in_stock" in table else None
    return Catalogue(item_ids, *content, price, in_stock)


def histories_of(
    log: EventLog,
    event_types: Sequence[str],
    catalogue: Catalogue,
    vocabulary: np.ndarray | None = None,
    user_ids: np.ndarray | None = None,
) -> Histories:
    """The events of `event_types` in `log` with items of `catalogue`, one row for each of `user_ids`.

    Without `user_ids`: every user with such an event, sorted by raw id. `vocabulary` are the sorted user ids
    of the fit (default: the users themselves); a user outside it has the code `UNKNOWN`, and a user of
    `user_ids` without events an empty row.

    Raises
    ------
    DataError
        No event of these types is in the log.
    """
    kinds = ", ".join(f"'{t}'" for t in event_types)
    time = log.ordered_by
    wanted = ["user_id", "item_id", "event_type", time, "quantity", "unit_price"]
    columns = [c for c in wanted if c in log.columns]
    events = log.query(
        f"SELECT {', '.join(columns)} FROM events WHERE event_type IN ({kinds}) AND item_id IS NOT NULL"
    )
    if events.empty and user_ids is None:
        raise DataError(f"no event of the types {kinds} in {log.name}: set task.history_events")
    users = np.unique(events["user_id"].to_numpy(dtype=str)) if user_ids is None else user_ids
    vocabulary = users if vocabulary is None else vocabulary
    rows, items = _rows_of(events["user_id"], users), _places(events["item_id"], catalogue.item_ids)
    kept = (rows != UNKNOWN) & (items != UNKNOWN)

    def numbers(column: str) -> np.ndarray | None:
        return events[column].to_numpy(dtype=np.float64)[kept] if column in events else None

    times = events[time]
    if time == "timestamp":
        times = times.astype("datetime64[us]").astype("int64")
    type_of_event, names = pd.factorize(events["event_type"])
    types = np.array([EVENT_CODE[kind] for kind in names], dtype=np.uint8)[type_of_event]
    return Histories.from_events(
        catalogue,
        users,
        rows[kept],
        items[kept],
        times.to_numpy(dtype=np.int64)[kept],
        event_types=types[kept],
        quantities=numbers("quantity"),
        prices=numbers("unit_price"),
        user_codes=codes_of(users, vocabulary),
        timed=time == "timestamp",
    )


def _places(raw: pd.Series, vocabulary: np.ndarray) -> np.ndarray:
    """The index of each raw id in the sorted vocabulary, looked up once for each distinct id."""
    codes, distinct = pd.factorize(raw)
    return codes_of(np.asarray(distinct, dtype=str), vocabulary)[codes]


def _rows_of(raw: pd.Series, users: np.ndarray) -> np.ndarray:
    """The row of each raw user id in `users`, which may be in any order."""
    order = np.argsort(users)
    places = _places(raw, users[order])
    return np.where(places == UNKNOWN, UNKNOWN, order[places])
