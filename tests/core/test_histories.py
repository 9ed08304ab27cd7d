"""Histories say the same as plain Python lists of events."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from growthlab.core.histories import EVENT_TYPES, UNKNOWN, Catalogue, Histories, codes_of

ITEMS = ["a", "b", "c", "d"]
CATALOGUE = Catalogue(np.array(ITEMS))
N_USERS = 3
EVENT = st.tuples(
    st.integers(0, N_USERS - 1),  # user row
    st.integers(0, 4),  # time
    st.integers(0, len(ITEMS) - 1),  # item
    st.integers(0, len(EVENT_TYPES) - 1),  # type
)
Event = tuple[int, int, int, int]


def histories_of(events: list[Event]) -> Histories:
    """The events as histories, with the place in the list as the quantity."""
    rows, times, items, types = (np.array(c, dtype=int) for c in zip(*events, strict=True))
    users = np.array([f"u{i}" for i in range(N_USERS)])
    quantities = np.arange(len(events), dtype=float)
    return Histories.from_events(
        CATALOGUE, users, rows, items, times, event_types=types, quantities=quantities
    )


def listed(histories: Histories) -> list[Event]:
    """Histories as a plain list again, in their own order."""
    columns = (histories.rows, histories.times, histories.items, histories.event_types)
    return [tuple(map(int, event)) for event in zip(*columns, strict=True)]


events_lists = st.lists(EVENT, min_size=1, max_size=30)


@given(events_lists)
def test_events_are_sorted_by_user_time_item_and_type(events: list[Event]) -> None:
    assert listed(histories_of(events)) == sorted(events)


@given(events_lists)
def test_every_column_moves_with_its_event(events: list[Event]) -> None:
    histories = histories_of(events)
    places = histories.quantities.astype(int)
    assert sorted(places) == list(range(len(events)))
    assert [events[p] for p in places] == listed(histories)


@given(events_lists)
def test_the_order_of_the_input_means_nothing(events: list[Event]) -> None:
    assert listed(histories_of(events)) == listed(histories_of(events[::-1]))


@given(events_lists)
def test_users_without_events_have_a_row(events: list[Event]) -> None:
    histories = histories_of(events)
    counts = Counter(row for row, *_ in events)
    assert histories.n_users == N_USERS
    assert histories.lengths.tolist() == [counts[row] for row in range(N_USERS)]
    assert histories.n_events == len(events)


@given(events_lists)
def test_a_basket_is_one_user_at_one_time(events: list[Event]) -> None:
    ordered = sorted(events)
    numbers = {key: n for n, key in enumerate(sorted({event[:2] for event in events}))}
    assert histories_of(events).baskets.tolist() == [numbers[e[:2]] for e in ordered]


@given(events_lists)
def test_the_matrix_holds_one_where_a_user_has_an_item(events: list[Event]) -> None:
    matrix = histories_of(events).matrix().toarray()
    expected = np.zeros((N_USERS, len(ITEMS)))
    for row, _, item, _ in events:
        expected[row, item] = 1
    assert (matrix == expected).all()


@given(events_lists)
def test_weights_are_summed_in_the_matrix(events: list[Event]) -> None:
    histories = histories_of(events)
    matrix = histories.matrix(histories.times + 1.0).toarray()
    expected = np.zeros((N_USERS, len(ITEMS)))
    for row, time, item, _ in events:
        expected[row, item] += time + 1
    assert (matrix == expected).all()


@given(events_lists, st.integers(1, 6))
def test_padding_is_left_of_the_latest_items(events: list[Event], length: int) -> None:
    padded = histories_of(events).padded(length)
    for row in range(N_USERS):
        items = [e[2] for e in sorted(events) if e[0] == row][-length:]
        assert padded[row].tolist() == [UNKNOWN] * (length - len(items)) + items


@given(events_lists, st.integers(0, 5))
def test_before_keeps_what_is_strictly_earlier(events: list[Event], time: int) -> None:
    kept = histories_of(events).before(time)
    assert listed(kept) == sorted(e for e in events if e[1] < time)
    assert kept.n_users == N_USERS


@given(events_lists)
def test_of_types_keeps_the_named_ones(events: list[Event]) -> None:
    kept = histories_of(events).of_types(["view", "purchase"])
    codes = {EVENT_TYPES.index("view"), EVENT_TYPES.index("purchase")}
    assert listed(kept) == sorted(e for e in events if e[3] in codes)


@given(events_lists, st.lists(st.integers(0, N_USERS - 1), max_size=5))
def test_select_takes_rows_in_the_given_order_even_twice(
    events: list[Event], rows: list[int]
) -> None:
    histories = histories_of(events)
    chosen = histories.select(np.array(rows, dtype=int))
    expected = [
        (place, *event[1:]) for place, row in enumerate(rows) for event in sorted(events)
        if event[0] == row
    ]  # fmt: skip
    assert listed(chosen) == expected
    assert chosen.user_ids.tolist() == [f"u{row}" for row in rows]


@given(events_lists)
def test_arrays_bring_back_the_same_histories(events: list[Event]) -> None:
    histories = histories_of(events)
    arrays = histories.to_arrays()
    back = Histories.from_arrays(arrays, CATALOGUE)
    assert listed(back) == listed(histories)
    assert all(not array.dtype.hasobject for array in arrays.values())
    assert back.timed == histories.timed


def test_lists_of_a_request_keep_their_order_and_lose_unknown_items() -> None:
    histories = Histories.from_lists(CATALOGUE, [["c", "a", "zzz", "c"], [], ["nothing"]])
    assert histories.padded(3).tolist() == [[2, 0, 2], [-1, -1, -1], [-1, -1, -1]]
    assert histories.user_codes.tolist() == [UNKNOWN] * 3
    assert not histories.timed


def test_no_events_are_histories_too() -> None:
    nobody = np.zeros(0, dtype=int)
    histories = Histories.from_events(CATALOGUE, np.array(["u0"]), nobody, nobody, nobody)
    assert (histories.n_users, histories.n_events) == (1, 0)
    assert histories.baskets.shape == (0,)
    assert histories.matrix().nnz == 0
    assert histories.padded(2).tolist() == [[UNKNOWN, UNKNOWN]]


def test_arrays_are_frozen_with_their_histories() -> None:
    histories = histories_of([(0, 0, 0, 0)])
    with pytest.raises(AttributeError, match="cannot assign"):
        histories.items = np.zeros(1)  # type: ignore[misc]


@given(st.lists(st.text(max_size=3), max_size=10), st.sets(st.text(max_size=3), max_size=10))
def test_codes_are_places_in_the_vocabulary(raw: list[str], known: set[str]) -> None:
    # NumPy cannot tell a string from the same with zero characters at its end
    raw = [r.rstrip("\0") for r in raw]
    vocabulary = sorted({k.rstrip("\0") for k in known})
    codes = codes_of(raw, np.array(vocabulary, dtype=str))
    expected = [vocabulary.index(r) if r in vocabulary else UNKNOWN for r in raw]
    assert codes.tolist() == expected


def test_a_catalogue_survives_as_arrays() -> None:
    catalogue = Catalogue(np.array(["a", "b"]), text=np.array(["x", ""]))
    back = Catalogue.from_arrays(catalogue.to_arrays())
    assert back.item_ids.tolist() == ["a", "b"]
    assert back.text is not None
    assert back.text.tolist() == ["x", ""]
    assert back.price is None
    assert len(back) == 2


def test_category_codes_are_places_among_the_sorted_names_and_unknown_without_one() -> None:
    ids = np.array(["a", "b", "c", "d"])
    catalogue = Catalogue(ids, category=np.array(["toys", "", "food", "toys"]))
    assert catalogue.category_names.tolist() == ["food", "toys"]
    assert catalogue.category_codes.tolist() == [1, UNKNOWN, 0, 1]
    assert Catalogue(ids).category_codes.tolist() == [UNKNOWN] * 4
