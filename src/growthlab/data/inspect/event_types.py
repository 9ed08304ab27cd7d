"""The event types of a table: a column and what its words mean, or one type for all rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from growthlab.core.histories import EVENT_TYPES
from growthlab.data.inspect.event_words import (
    EVENT_WORDS,
    NO_EVENT,
    NUMBERED,
    STATUS_WORDS,
    plain_word,
)
from growthlab.data.inspect.table_sample import TableSample

LOOKED_AT = ("view", "click", "impression")
NO_WORD = "(none)"


@dataclass(frozen=True)
class EventTypes:
    """The settings `event_type` or `columns.event_type` with `event_types`, and what is doubtful.

    `no_word` is what stands for a missing word, where some rows have none.
    """

    column: str | None = None
    words: Mapping[str, str | None] = field(default_factory=dict)
    one: str | None = None
    no_word: str | None = None
    doubts: tuple[str, ...] = ()


def event_types(sample: TableSample, columns: Mapping[str, str]) -> EventTypes:
    """How the rows of a table of events or orders get their types."""
    types = _event_types(sample, columns)
    if types.column is None or not sample.has_missing(types.column):
        return types
    return replace(types, words={**types.words, NO_WORD: None}, no_word=NO_WORD)


def _event_types(sample: TableSample, columns: Mapping[str, str]) -> EventTypes:
    if "event_type" in columns:
        return _of_words(sample, columns)
    if "status" in columns:
        return _of_statuses(sample, columns["status"])
    named = _by_file_names(sample)
    if named is not None:
        return named
    if {"unit_price", "quantity", "order_id"} & set(columns):
        return EventTypes(one="purchase")
    if "rating" in columns:
        return EventTypes(
            one="review", doubts=("event_type: the rows have ratings, so they are reviews",)
        )
    doubt = "event_type: nothing says what happened; the rows are taken as purchases"
    return EventTypes(one="purchase", doubts=(doubt,))


def _by_file_names(sample: TableSample) -> EventTypes | None:
    """The one type that the names of the files say, such as ``returns.csv``; None where they say none."""
    said = set()
    for file in sample.files:
        words = re.split(r"[\W\d_]+", file.name.partition(".")[0])
        kinds = {EVENT_WORDS.get(plain_word(word)) for word in words} - {None}
        said.add(kinds.pop() if len(kinds) == 1 else None)
    kind = said.pop() if len(said) == 1 else None
    if kind is None:
        return None
    return EventTypes(one=kind, doubts=(f"event_type: the name of the file says {kind}",))


def _of_words(sample: TableSample, columns: Mapping[str, str]) -> EventTypes:
    column = columns["event_type"]
    words = list(sample.words(column))
    numbers = {plain_word(word) for word in words}
    if all(word.isdigit() for word in numbers):
        return _of_numbers(column, words)
    meant: dict[str, str | None] = {}
    unknown, without_items = [], _words_without_items(sample, columns)
    for word in words:
        ours = EVENT_WORDS.get(plain_word(word))
        if ours in LOOKED_AT and word in without_items:
            ours = None  # a page, but none of an item
        elif ours is None and plain_word(word) not in NO_EVENT:
            unknown.append(word)
        if word not in EVENT_TYPES or ours != word:
            meant[word] = ours
    doubts = [
        f"event_types: {word!r} is not known and dropped: say what it means" for word in unknown
    ]
    return EventTypes(column, meant, doubts=tuple(doubts[:5]))


def _words_without_items(sample: TableSample, columns: Mapping[str, str]) -> set[str]:
    """The words that no row with an item has, among those of the first rows."""
    if "item_id" not in columns:
        return set()
    pairs = sample.beside(columns["event_type"], columns["item_id"])
    said = {word for word, _ in pairs if word is not None}
    return said - {str(word) for word, item in pairs if item is not None}


def _of_numbers(column: str, words: list[str]) -> EventTypes:
    for meanings in NUMBERED:
        if {plain_word(word) for word in words} <= set(meanings):
            meant = {word: meanings[plain_word(word)] for word in words}
            said = ", ".join(f"{n} {ours}" for n, ours in meanings.items())
            doubt = f"event_types: numbers say nothing by themselves; usual is {said}"
            return EventTypes(column, dict(sorted(meant.items())), doubts=(doubt,))
    doubt = f"event_types: say what the numbers of {column} mean, such as {{1: view, 2: purchase}}"
    return EventTypes(column, dict.fromkeys(words), doubts=(doubt,))


def _of_statuses(sample: TableSample, column: str) -> EventTypes:
    words = list(sample.words(column))
    meant = {word: STATUS_WORDS.get(plain_word(word)) for word in words}
    unknown = [word for word in words if plain_word(word) not in STATUS_WORDS]
    doubts = [
        f"event_types: {word!r} is not known and dropped: say what it means" for word in unknown
    ]
    doubts += [
        f"event_types: orders that are {word!r} are taken as purchases; null drops them"
        for word in words
        if plain_word(word) in ("pending", "open", "onhold", "offen", "new", "created")
    ]
    return EventTypes(column, meant, doubts=tuple(doubts[:5]))
