"""Batches: whole sequences shifted by one basket, little padding, negatives anew each epoch."""

from __future__ import annotations

import tracemalloc
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from growthlab.core.baskets import steps_of
from growthlab.core.errors import DataError
from growthlab.core.growing_array import GrowingArray
from growthlab.core.histories import EVENT_ARRAYS, EVENT_CODE, Catalogue, Histories
from growthlab.models.recommend.gru4rec import GRU4Rec
from growthlab.networks.losses.sampled_softmax import SampledSoftmax
from growthlab.training import training_batches
from growthlab.training.fit_options import FitOptions
from growthlab.training.loop import Trainer
from growthlab.training.training_batches import (
    PADDING,
    PairBatches,
    SequenceBatch,
    SequenceBatches,
    bucketed,
    with_targets,
)

CATALOGUE = Catalogue(np.array([f"i{i:02d}" for i in range(50)]))
VIEW, PURCHASE = EVENT_CODE["view"], EVENT_CODE["purchase"]


def histories(*users: list[tuple[int, int, int]]) -> Histories:
    """Users from lists of (time, item, event type)."""
    rows = np.repeat(np.arange(len(users)), [len(u) for u in users])
    times, items, types = np.array([e for u in users for e in u]).reshape(-1, 3).T
    user_ids = np.array([f"u{i}" for i in range(len(users))])
    return Histories.from_events(CATALOGUE, user_ids, rows, items, times, event_types=types)


def random_histories(n_users: int, n_events: int) -> Histories:
    """Users with so many events each, at times that are shared now and then."""
    random = np.random.default_rng(3)
    rows = np.repeat(np.arange(n_users), n_events)
    times, items, types = (random.integers(0, high, len(rows)) for high in (2 * n_events, 50, 2))
    types = np.array([VIEW, PURCHASE])[types]
    user_ids = np.array([f"u{i:07d}" for i in range(n_users)])
    return Histories.from_events(CATALOGUE, user_ids, rows, items, times, event_types=types)


def mapped(histories: Histories) -> Histories:
    """The same histories, whose events and user ids lie in files."""
    arrays = {}
    for name in (*EVENT_ARRAYS, "user_ids"):
        values = getattr(histories, name)
        arrays[name] = GrowingArray(values.dtype)
        arrays[name].append(values)
    return replace(histories, **{name: array.mapped() for name, array in arrays.items()})


def predicted(batch: SequenceBatch) -> dict[int, dict[int, float]]:
    """Flat place of a state -> its targets -> their weight."""
    result: dict[int, dict[int, float]] = defaultdict(dict)
    for position, target, weight in zip(
        batch.positions.tolist(), batch.targets.tolist(), batch.weights.tolist(), strict=True
    ):
        result[batch.at[position].item()][target] = pytest.approx(weight)
    return dict(result)


def test_single_items_are_the_sequence_shifted_by_one() -> None:
    past = histories([(t, item, PURCHASE) for t, item in enumerate([3, 1, 4, 1])])
    batch = with_targets(steps_of(past))
    assert batch.items.tolist() == [3, 1, 4]
    assert batch.at.tolist() == [0, 1, 2]
    assert batch.targets.tolist() == [1, 4, 1]
    assert batch.weights.tolist() == [1, 1, 1]


def test_all_items_of_the_next_basket_are_targets_of_the_basket_before() -> None:
    # {1, 2} -> {3, 4, 5} -> {6}; a user with one basket has no target
    past = histories(
        [
            *((0, i, PURCHASE) for i in (1, 2)),
            *((1, i, PURCHASE) for i in (3, 4, 5)),
            (2, 6, PURCHASE),
        ],
        [(0, 7, PURCHASE), (1, 8, PURCHASE)],
    )
    third = pytest.approx(1 / 3)
    assert predicted(with_targets(steps_of(past))) == {
        0: {3: third, 4: third, 5: third},
        1: {6: 1.0},
        2: {8: 1.0},  # user 1 starts at place 2: two steps a user are fed
    }


def test_targets_several_baskets_ahead() -> None:
    past = histories([(t, item, PURCHASE) for t, item in enumerate([3, 1, 4, 5])])
    half = pytest.approx(0.5)
    assert predicted(with_targets(steps_of(past), ahead=2)) == {
        0: {1: half, 4: half},
        1: {4: half, 5: half},
        2: {5: 1.0},
    }


def test_only_the_requested_event_types_are_targets_from_every_step_before_them() -> None:
    # view 1, view 2, purchase 2, view 3, purchase 4, view 5: the last view predicts nothing
    past = histories(
        [(0, 1, VIEW), (1, 2, VIEW), (2, 2, PURCHASE), (3, 3, VIEW), (4, 4, PURCHASE), (5, 5, VIEW)]
    )
    batch = with_targets(steps_of(past), target_codes=[PURCHASE])
    assert predicted(batch) == {0: {2: 1.0}, 1: {2: 1.0}, 2: {4: 1.0}, 3: {4: 1.0}}


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 5), st.integers(0, 9), st.sampled_from([VIEW, PURCHASE])),
            min_size=1,
            max_size=10,
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 3),
    st.sampled_from([None, [PURCHASE]]),
)
def test_targets_equal_a_plain_loop(
    users: list[list[tuple[int, int, int]]], ahead: int, codes: list[int] | None
) -> None:
    batch = with_targets(steps_of(histories(*users)), ahead, codes)
    width = batch.sizes.shape[1]
    expected = []
    for row, user in enumerate(users):
        times = sorted({time for time, _, _ in user})
        kept = [e for e in user if codes is None or e[2] in codes]
        for step, time in enumerate(times[:-1]):
            later = sorted({t for t, _, _ in kept if t > time})[:ahead]
            expected += [(row * width + step, i) for t, i, _ in kept if t in later]
    result = zip(batch.at[batch.positions].tolist(), batch.targets.tolist(), strict=True)
    assert sorted(result) == sorted(expected)
    if len(batch.at):
        sums = np.bincount(batch.positions, batch.weights, len(batch.at))
        np.testing.assert_allclose(sums, 1, rtol=1e-5)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=400), st.integers(1, 64))
def test_groups_hold_every_user_once_with_little_padding(lengths: list[int], batch: int) -> None:
    array = np.array(lengths)
    groups = bucketed(array, batch, np.random.default_rng(0))
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    for group in groups:
        assert len(group) <= batch
        padded = array[group].max() * len(group)
        assert padded - array[group].sum() <= PADDING * padded + 1e-9


def test_batches_differ_between_epochs_and_are_the_same_again() -> None:
    random = np.random.default_rng(0)
    past = histories(
        *([(t, int(random.integers(50)), PURCHASE) for t in range(n)] for n in range(2, 60))
    )
    batches = SequenceBatches(past, length=200, batch=8, seed=1)
    first, again, second = ([b.items.tolist() for b in batches(n)] for n in (1, 1, 2))
    assert first == again
    assert first != second


def test_a_history_longer_than_a_row_is_learned_in_windows() -> None:
    past = histories([(t, t, PURCHASE) for t in range(8)])
    rows = SequenceBatches(past, length=3, batch=1, seed=0)(1)
    fed = sorted((b.items.tolist(), b.targets.tolist()) for b in rows)
    # eight baskets have seven targets: 5 6 7 from the end, then 2 3 4, then 1
    assert fed == [([0], [1]), ([1, 2, 3], [2, 3, 4]), ([4, 5, 6], [5, 6, 7])]


def test_the_listed_order_inside_a_basket_changes_no_batch() -> None:
    events = [(0, 1, PURCHASE), (0, 2, PURCHASE), (1, 3, PURCHASE), (1, 4, PURCHASE)]
    one, other = (
        SequenceBatches(histories(e), length=9, batch=8, seed=0)(1)[0]
        for e in (events, events[::-1])
    )
    assert one.whole is other.whole is None
    for left, right in zip(one[:-1], other[:-1], strict=True):
        assert left.tolist() == right.tolist()


def test_without_any_event_of_the_target_types_every_event_is_a_target() -> None:
    past = histories([(t, t, VIEW) for t in range(3)])
    (batch,) = SequenceBatches(past, length=9, batch=8, seed=0, targets=["purchase"])(1)
    assert batch.targets.tolist() == [1, 2]


def test_users_with_one_basket_only_teach_nothing() -> None:
    past = histories([(0, 1, PURCHASE), (0, 2, PURCHASE)])
    for nothing in (past, past.select(np.zeros(0, dtype=np.int64))):
        with pytest.raises(DataError, match="events at two different times"):
            SequenceBatches(nothing, length=9, batch=8, seed=0)


def test_mapped_histories_give_the_same_batches_and_the_same_losses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    past = random_histories(40, 12)
    model = GRU4Rec(
        width=4,
        state=4,
        length=5,
        loss=SampledSoftmax(negatives=8, in_batch=4),
        trainer=Trainer(epochs=2, batch=8),
    )
    options = FitOptions(seed=1, device="cpu", target_events=("purchase",))
    expected = model.fit(past, options).losses_
    monkeypatch.setattr(training_batches, "EVENTS_AT_ONCE", 37)  # windows are found in blocks
    assert model.fit(mapped(past), options).losses_ == expected
    in_memory, in_files = (
        SequenceBatches(p, length=5, batch=8, seed=1, targets=["purchase"])(1)
        for p in (past, mapped(past))
    )
    for one, other in zip(in_memory, in_files, strict=True):
        tensors = zip(one[:-1], other[:-1], strict=True)  # the last field is of several processes
        assert all(a.tolist() == b.tolist() for a, b in tensors)


def test_a_batch_of_mapped_histories_reads_its_own_events_only() -> None:
    past = mapped(random_histories(20_000, 10))
    batches = SequenceBatches(past, length=50, batch=8, seed=0)
    assert batches.past is past
    assert all(isinstance(getattr(past, name), np.memmap) for name in (*EVENT_ARRAYS, "user_ids"))
    epoch = batches(1)
    tracemalloc.start()
    try:
        batch = epoch[0]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert batch.sizes.shape[0] == 8
    assert peak < past.items.nbytes / 4  # a copy of any array of events would be four times as much


def test_pairs_are_each_positive_once_and_new_negatives_each_epoch() -> None:
    past = histories([(0, 1, PURCHASE), (1, 1, VIEW), (1, 2, VIEW)], [(0, 3, PURCHASE)])
    batches = PairBatches(past, negatives=4, batch=2, seed=0)
    seen = []
    for epoch in (1, 2):
        rows = [
            (u, own, others)
            for b in batches(epoch)
            for u, (own, *others) in zip(b.users.tolist(), b.items.tolist(), strict=True)
        ]
        assert sorted((u, own) for u, own, _ in rows) == [(0, 1), (0, 2), (1, 3)]
        negatives = [(u, i) for u, _, others in rows for i in others]
        assert sorted(u for u, _ in negatives) == [0] * 8 + [1] * 4
        assert not {(0, 1), (0, 2), (1, 3)} & set(negatives)
        seen.append(sorted(negatives))
    assert seen[0] != seen[1]
