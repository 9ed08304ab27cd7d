"""From an event log to Histories: the catalogue known before the cutoff, and each customer's events in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from growthlab.core.errors import DataError
from growthlab.core.growing_array import GrowingArray
from growthlab.core.histories import (
    EVENT_ARRAYS,
    EVENT_CODE,
    UNKNOWN,
    Catalogue,
    Histories,
    codes_of,
)
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
    `user_ids` without events an empty row. The log is read part by part; with several parts the arrays
    of events and the user ids lie in temporary files and are mapped into memory, to be read only.

    Raises
    ------
    DataError
        No event of these types is in the log.
    """
    wanted = None if user_ids is None else np.unique(user_ids)
    borders = np.array(log.borders, dtype=str)
    users_of_parts = (
        [None] * (len(borders) + 1)
        if wanted is None
        else np.split(wanted, np.searchsorted(wanted, borders))
    )
    sql, items = _events_sql(log, event_types), pa.array(catalogue.item_ids, pa.string())
    pieces = (
        _part_histories(part, sql, catalogue, items, users)
        for part, users in zip(log.parts(), users_of_parts, strict=True)
        if users is None or len(users)
    )
    histories = in_sequence(pieces, catalogue)
    if user_ids is None and not histories.n_users:
        kinds = ", ".join(f"'{t}'" for t in event_types)
        raise DataError(f"no event of the types {kinds} in {log.name}: set task.history_events")
    if user_ids is not None and not np.array_equal(histories.user_ids, user_ids):
        histories = histories.select(np.searchsorted(histories.user_ids, user_ids))
    if vocabulary is not None:
        histories = replace(histories, user_codes=codes_of(histories.user_ids, vocabulary))
    return replace(histories, timed=log.ordered_by == "timestamp")


def _events_sql(log: EventLog, event_types: Sequence[str]) -> str:
    """SQL for the events of these types, with the code of each type and times as whole numbers."""
    kinds = ", ".join(f"'{t}'" for t in event_types)
    codes = " ".join(f"WHEN '{t}' THEN {EVENT_CODE[t]}" for t in dict.fromkeys(event_types))
    time = "epoch_us(timestamp)" if log.ordered_by == "timestamp" else "position"
    numbers = [c for c in ("quantity", "unit_price") if c in log.columns]
    columns = ["user_id", "item_id", f"(CASE event_type {codes} END)::UTINYINT AS type"]
    return (
        f"SELECT {', '.join([*columns, f'{time} AS time', *numbers])} FROM events "
        f"WHERE event_type IN ({kinds}) AND item_id IS NOT NULL"
    )


def _part_histories(
    part: EventLog, sql: str, catalogue: Catalogue, item_ids: pa.Array, users: np.ndarray | None
) -> Histories:
    """The histories of one part: of its `users`, sorted, or of all that have such an event."""
    events = part.arrow(sql)
    if users is None:
        users = np.unique(_texts(pc.unique(events["user_id"].drop_null())))
    rows = _places(events["user_id"], pa.array(users, pa.string()))
    items = _places(events["item_id"], item_ids)
    kept = (rows != UNKNOWN) & (items != UNKNOWN)

    def values(column: str) -> np.ndarray | None:
        if column not in events.column_names:
            return None
        return events[column].to_numpy()[kept]

    times = values("time")
    assert times is not None
    return Histories.from_events(
        catalogue,
        users,
        rows[kept],
        items[kept],
        times,
        event_types=values("type"),
        quantities=values("quantity"),
        prices=values("unit_price"),
    )


def in_sequence(pieces: Iterator[Histories], catalogue: Catalogue) -> Histories:
    """The users of all pieces, one after the other; what more than one holds lies in mapped files."""
    nobody = np.zeros(0, dtype="<U1"), np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32)
    first = next(pieces, None) or Histories.from_events(catalogue, *nobody, np.zeros(0))
    second = next(pieces, None)
    if second is None:
        return first
    names = (*EVENT_ARRAYS, "user_ids")
    arrays = {name: GrowingArray(getattr(first, name).dtype) for name in names}
    lengths = []
    for piece in chain([first, second], pieces):
        for name, array in arrays.items():
            array.append(getattr(piece, name))
        lengths.append(piece.lengths)
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    values = {name: array.mapped() for name, array in arrays.items()}
    values |= {"offsets": offsets, "user_codes": np.arange(len(offsets) - 1, dtype=np.int32)}
    return Histories.from_arrays({**values, "timed": np.array(True)}, catalogue)


def _places(raw: pa.ChunkedArray, vocabulary: pa.Array) -> np.ndarray:
    """The index of each raw id in the vocabulary, ``(n,)``, int32; `UNKNOWN` if it is not in it."""
    places = pc.index_in(raw, value_set=vocabulary)
    return np.asarray(places.fill_null(UNKNOWN).to_numpy(), dtype=np.int32)


def _texts(ids: pa.Array) -> np.ndarray:
    return np.asarray(ids.to_numpy(zero_copy_only=False), dtype=str)
