"""Prefixes against histories that are cut one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from growthlab.core.histories import Catalogue, Histories
from growthlab.core.prefixes import Prefixes


def drawn(seed: int) -> tuple[Histories, Prefixes]:
    """Five users with events at a few times, and rows that look back from a few more."""
    random = np.random.default_rng(seed)
    n = int(random.integers(0, 30))
    histories = Histories.from_events(
        Catalogue(np.array(["a", "b", "c", "d"])),
        np.array([f"u{u}" for u in range(5)]),
        random.integers(5, size=n),
        random.integers(4, size=n),
        random.integers(6, size=n),
    )
    of = np.sort(random.integers(5, size=12))
    return histories, Prefixes.until(histories, of, random.integers(-1, 8, size=12))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_row_is_what_the_user_had_done_strictly_before(seed):
    random = np.random.default_rng(seed)
    histories, _ = drawn(seed)
    of, times = np.sort(random.integers(5, size=9)), random.integers(-1, 8, size=9)
    prefixes = Prefixes.until(histories, of, times)
    rows = random.permutation(9)[:4]
    result = prefixes.select(rows)
    assert result.user_ids.tolist() == histories.user_ids[of[rows]].tolist()
    for place, row in enumerate(rows):
        expected = histories.before(times[row]).select(of[row : row + 1])
        own = slice(*result.offsets[place : place + 2])
        assert result.items[own].tolist() == expected.items.tolist()
        assert result.times[own].tolist() == expected.times.tolist()
        assert prefixes.lengths[row] == len(expected.items)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_had_is_what_the_cut_history_holds(seed):
    _, prefixes = drawn(seed)
    owned = prefixes.select(np.arange(prefixes.n_users)).matrix().toarray() > 0
    rows, items = np.indices((prefixes.n_users, 5)).reshape(2, -1)
    items = items - 1
    expected = [i >= 0 and owned[r, i] for r, i in zip(rows, items, strict=True)]
    assert prefixes.contains(rows, items).tolist() == expected


def test_blocks_hold_every_row_once_and_few_events(monkeypatch):
    histories, prefixes = drawn(3)
    assert histories.n_events > 10
    monkeypatch.setattr("growthlab.core.prefixes.EVENTS_AT_ONCE", 4)
    blocks = list(prefixes.blocks())
    assert [r for rows, _ in blocks for r in range(rows.start, rows.stop)] == list(range(12))
    assert all(b.n_events <= 4 or b.n_users == 1 for _, b in blocks)
    assert sum(b.n_events for _, b in blocks) == prefixes.lengths.sum()


def test_histories_are_prefixes_that_look_back_from_the_end():
    histories, prefixes = drawn(5)
    whole = Prefixes.all_of(histories).select(np.arange(5))
    assert (whole.items == histories.items).all()
    assert (whole.offsets == histories.offsets).all()
    assert Prefixes.all_of(prefixes) is prefixes
