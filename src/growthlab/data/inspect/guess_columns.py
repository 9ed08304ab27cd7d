"""Which column of a table is likely each of ours, by its name and by what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from growthlab.core.errors import DataError
from growthlab.data.columns import typed_columns
from growthlab.data.inspect.column_names import (
    EVENTS,
    ITEMS,
    ORDER_NAMES,
    plain_name,
    shorter_names,
)
from growthlab.data.inspect.event_words import EVENT_WORDS, NO_EVENT, STATUS_WORDS, plain_word
from growthlab.data.inspect.table_sample import SampledColumn
from growthlab.data.inspect.time_format import time_format

TIMES_AND_AMOUNTS = ("timestamp", "quantity", "unit_price")
FILLED = 0.95  # of an id that every event must have
Fits = Callable[[SampledColumn], bool]


def event_columns(columns: Sequence[SampledColumn]) -> dict[str, str]:
    """Our name -> the file's, for a table of events, orders, order lines or users."""
    return _matched(columns, EVENTS, EVENT_FITS)


def item_columns(columns: Sequence[SampledColumn]) -> dict[str, str]:
    """Our name -> the file's, for a table of items."""
    return _matched(columns, ITEMS, ITEM_FITS)


def _matched(
    columns: Sequence[SampledColumn],
    names: Mapping[str, Sequence[str]],
    fits: Mapping[str, Fits],
) -> dict[str, str]:
    """Each of ours with the first of its likely columns that fits; a column stands for one of ours."""
    found: dict[str, str] = {}
    for ours, likely in names.items():
        free = [c for c in columns if c.name not in found.values()]
        candidates = [c for c in _candidates(free, likely) if fits[ours](c)]
        if ours in ("user_id", "item_id"):
            candidates = candidates or [c for c in _nearly(free, likely) if fits[ours](c)]
            full = [c for c in candidates if _share_of_ids(c) >= FILLED]
            candidates = full or sorted(candidates, key=lambda c: -_share_of_ids(c))
        if candidates:
            found[ours] = candidates[0].name
    return found


def misfits(columns: Sequence[SampledColumn], found: Mapping[str, str]) -> dict[str, str]:
    """Times and amounts that no column was taken for -> the likely one, whose cells do not fit."""
    left = [c for c in columns if c.known and c.name not in found.values()]
    likely = {
        ours: _candidates(left, EVENTS[ours]) for ours in TIMES_AND_AMOUNTS if ours not in found
    }
    return {ours: candidates[0].name for ours, candidates in likely.items() if candidates}


def _share_of_ids(column: SampledColumn) -> float:
    """The share of rows with an id; a zero beside others is that of guests."""
    zeros = column.known.count("0") if len(column.distinct) > 1 else 0
    return column.filled - zeros / len(column.cells)


def _candidates(columns: Sequence[SampledColumn], likely: Sequence[str]) -> list[SampledColumn]:
    """The columns with a likely name, the likeliest first: the whole name before its last part."""
    places = {name: place for place, name in enumerate(likely)}
    ranked = []
    for n, column in enumerate(columns):
        whole = plain_name(column.name)
        last = plain_name(column.name.rpartition(".")[2])
        if whole in places:
            ranked.append((places[whole], 0, n, column))
        elif last in places and "." in column.name:
            ranked.append((places[last], 1 + column.name.count("."), n, column))
    return [column for *_, column in sorted(ranked, key=lambda r: r[:3])]


def _nearly(columns: Sequence[SampledColumn], likely: Sequence[str]) -> list[SampledColumn]:
    """The columns with a likely name for an id but for one word, the likeliest first."""
    places = {name: place for place, name in enumerate(likely)}
    ranked = [
        (min(places[name] for name in shorter_names(c.name) if name in places), n, c)
        for n, c in enumerate(columns)
        if not places.keys().isdisjoint(shorter_names(c.name))
    ]
    return [column for *_, column in sorted(ranked, key=lambda r: r[:2])]


def are_numbers(column: SampledColumn) -> bool:
    """Whether all cells are numbers, however they are written."""
    if column.is_time or not column.known or time_format(column) is not None:
        return False
    try:
        typed_columns(pd.DataFrame({"number": column.distinct}), {"number": "money"})
    except DataError:
        return False
    return True


def is_event_type(column: SampledColumn) -> bool:
    """Whether most cells are words that shops have for events, or few small numbers."""
    words = [plain_word(cell) for cell in column.known]
    if not words:
        return False
    if all(word.isdigit() for word in words):
        return set(words) <= set("01234") and len(set(words)) > 1
    known = [w for w in words if w in EVENT_WORDS or w in NO_EVENT]
    return len(known) >= len(words) / 2 and any(w in EVENT_WORDS for w in known)


def is_status(column: SampledColumn) -> bool:
    """Whether most cells say how far an order is."""
    words = [plain_word(cell) for cell in column.known]
    return bool(words) and sum(w in STATUS_WORDS for w in words) >= len(words) / 2


def _is_id(column: SampledColumn) -> bool:
    return bool(column.known) and not column.is_time and not _is_structure(column)


def _is_structure(column: SampledColumn) -> bool:
    return any(cell[:1] in ("{", "[") for cell in column.known[:20])


def _is_time(column: SampledColumn) -> bool:
    return time_format(column) is not None


def _is_whole(column: SampledColumn) -> bool:
    return bool(column.known) and all(c.lstrip("+-").isdigit() for c in column.known)


def _is_text(column: SampledColumn) -> bool:
    return bool(column.known) and not _is_structure(column)


def is_order_name(column: SampledColumn) -> bool:
    """Whether a column that is only called name or number holds the numbers of orders."""
    return plain_name(column.name) in ORDER_NAMES and all(
        len(c) <= 40 and " " not in c.strip() and any(d.isdigit() for d in c) for c in column.known
    )


EVENT_FITS: dict[str, Fits] = {
    "user_id": _is_id,
    "item_id": _is_id,
    "event_type": is_event_type,
    "status": is_status,
    "timestamp": _is_time,
    "position": _is_whole,
    "quantity": are_numbers,
    "unit_price": are_numbers,
    "order_id": _is_id,
    "session_id": _is_id,
    "query": _is_text,
    "rating": are_numbers,
    "channel": _is_text,
    "cancelled_at": _is_time,
}
ITEM_FITS: dict[str, Fits] = {
    "item_id": _is_id,
    "text": _is_text,
    "category": _is_text,
    "price": are_numbers,
    "available_from": _is_time,
    "in_stock": lambda c: are_numbers(c) or {w.casefold() for w in c.known} <= {"true", "false"},
}
FIT_OF_KIND: dict[str, Fits] = {
    "time": _is_time,
    "number": are_numbers,
    "money": are_numbers,
    "whole number": _is_whole,
}
