"""Histories as steps: events at one time are one step."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from growthlab.core.baskets import (
    basket_windows,
    latest_baskets,
    n_baskets,
    step_of_event,
    steps_of,
)
from growthlab.core.histories import Catalogue, Histories

CATALOGUE = Catalogue(np.array([f"i{i}" for i in range(10)]))


def histories(*users: list[tuple[int, int]]) -> Histories:
    """Users from lists of (time, item)."""
    rows = np.repeat(np.arange(len(users)), [len(u) for u in users])
    times, items = np.array([e for u in users for e in u], dtype=np.int64).reshape(-1, 2).T
    return Histories.from_events(
        CATALOGUE, np.array([f"u{i}" for i in range(len(users))]), rows, items, times
    )


def test_steps_of_two_users_by_hand() -> None:
    # u0: {1, 2} then {3}; u1: nothing; u2: {4}
    steps = steps_of(histories([(1, 1), (1, 2), (5, 3)], [], [(1, 4)]))
    assert steps.items.tolist() == [1, 2, 3, 4]
    assert steps.slots.tolist() == [0, 0, 1, 4]
    assert steps.sizes.tolist() == [[2, 1], [0, 0], [1, 0]]


def test_users_without_events_have_one_empty_step() -> None:
    assert steps_of(histories([], [])).sizes.tolist() == [[0], [0]]


def test_the_same_time_of_two_users_is_two_baskets() -> None:
    assert step_of_event(histories([(1, 1)], [(1, 2), (2, 3)])).tolist() == [0, 0, 1]


def test_the_latest_baskets_are_kept_whole() -> None:
    past = histories([(1, 1), (2, 2), (2, 3), (3, 4)], [(1, 5)])
    assert latest_baskets(past, 2).items.tolist() == [2, 3, 4, 5]
    assert latest_baskets(past, 9) is past


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=8), min_size=1),
    st.integers(1, 4),
)
def test_steps_hold_every_event_of_the_latest_times(
    users: list[list[tuple[int, int]]], length: int
) -> None:
    cut = latest_baskets(histories(*users), length)
    steps = steps_of(cut)
    counts = [min(length, len({time for time, _ in user})) for user in users]
    assert n_baskets(cut).tolist() == counts
    assert (steps.sizes > 0).sum(axis=1).tolist() == counts
    assert (
        np.bincount(steps.slots, minlength=steps.sizes.size).tolist()
        == steps.sizes.ravel().tolist()
    )


def test_a_long_history_is_cut_from_its_end_and_a_shared_basket_joins_the_rows() -> None:
    # seven baskets, windows of three targets: 4 5 6 after 3, 1 2 3 after 0; u1 has none, u2 one
    past = histories([(t, t) for t in range(7)], [], [(1, 9)])
    windows = basket_windows(past, 3)
    rows = [past.items[a:b].tolist() for a, b in zip(windows.starts, windows.stops, strict=True)]
    assert rows == [[0, 1, 2, 3], [3, 4, 5, 6], [9]]
    after_first = zip(windows.seconds, windows.stops, strict=True)
    assert [past.items[a:b].tolist() for a, b in after_first] == [[1, 2, 3], [4, 5, 6], []]
    assert windows.owners.tolist() == [0, 0, 2]
    assert windows.n_baskets.tolist() == [4, 4, 1]


@given(
    st.lists(st.lists(st.integers(0, 6), max_size=12), min_size=1, max_size=5),
    st.integers(1, 5),
)
def test_every_basket_but_the_first_follows_its_predecessor_in_one_row(
    users: list[list[int]], length: int
) -> None:
    past = histories(*([(t, t % 10) for t in times] for times in users))
    windows = basket_windows(past, length)
    assert windows.n_baskets.max(initial=0) <= length + 1
    pairs = [
        (int(owner), *pair)
        for owner, a, b in zip(windows.owners, windows.starts, windows.stops, strict=True)
        for pair in zip(
            np.unique(past.times[a:b])[:-1], np.unique(past.times[a:b])[1:], strict=True
        )
    ]
    expected = [
        (u, *pair)
        for u, times in enumerate(users)
        for pair in zip(sorted(set(times))[:-1], sorted(set(times))[1:], strict=True)
    ]
    assert sorted(pairs) == expected
