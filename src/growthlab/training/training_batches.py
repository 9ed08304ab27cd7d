"""Batches for networks, cut from histories by array operations without a Python loop over events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from growthlab.core.baskets import BasketSteps, basket_windows, step_of_event, steps_of
from growthlab.core.errors import DataError
from growthlab.core.growing_array import release_pages
from growthlab.core.histories import EVENT_ARRAYS, EVENT_CODE, Histories
from growthlab.core.seeding import random_stream
from growthlab.networks.losses.base import WholeBatch
from growthlab.networks.negative_sampling import uniform_negatives
from growthlab.training.batch_shares import Share, borders, rows_of_share, whole_for_each

PADDING = 0.1  # the largest share of a batch's steps that may be padding
EVENTS_AT_ONCE = 1_000_000  # looked at together when windows are found
JITTER = 0.1  # lengths vary within +-5 % when sorted, so that batches differ between epochs


class SequenceBatch(NamedTuple):
    """Baskets of some users as steps (as in `core.baskets.Steps`), with the targets of each step."""

    items: Tensor  # (N,)
    event_types: Tensor  # (N,)
    slots: Tensor  # (N,)
    sizes: Tensor  # (B, S)
    at: Tensor  # (P,) slots of the steps that have a next basket
    positions: Tensor  # (M,) for each target, its index in `at`
    targets: Tensor  # (M,) item codes
    weights: Tensor  # (M,) sum to 1 a position
    owned: Tensor  # (K,) item codes: the items of each user's past, ascending per user
    owned_until: Tensor  # (B + 1,) offsets of each user's owned items
    whole: WholeBatch | None = None  # of which this is the share of a process

    def share(self, rank: int, n_ranks: int) -> Share:
        """See `DividesRows`; padded to the steps of the whole batch, and weighted by positions."""
        n_rows, n_steps = self.sizes.shape
        ends = borders(n_rows, n_ranks)
        positions = torch.searchsorted(self.at, torch.tensor(ends) * n_steps).tolist()
        if min(b - a for a, b in pairwise(positions)) == 0:
            return whole_for_each(self, n_rows, n_ranks)
        low, high = ends[rank], ends[rank + 1]
        first, end = positions[rank], positions[rank + 1]
        inside = (self.slots >= low * n_steps) & (self.slots < high * n_steps)
        borders_of_targets = torch.searchsorted(self.positions, torch.tensor([first, end]))
        of_targets = slice(*borders_of_targets.tolist())
        of_owned = slice(int(self.owned_until[low]), int(self.owned_until[high]))
        own = SequenceBatch(
            items=self.items[inside],
            event_types=self.event_types[inside],
            slots=self.slots[inside] - low * n_steps,
            sizes=self.sizes[low:high],
            at=self.at[first:end] - low * n_steps,
            positions=self.positions[of_targets] - first,
            targets=self.targets[of_targets],
            weights=self.weights[of_targets],
            owned=self.owned[of_owned],
            owned_until=self.owned_until[low : high + 1] - self.owned_until[low],
            whole=WholeBatch(first, len(self.at), self.targets),
        )
        return rows_of_share(own, slice(low, high), n_rows, (end - first) / len(self.at))


class PairBatch(NamedTuple):
    """Users, each with an item that they have and items that they do not have."""

    users: Tensor  # (B,)
    items: Tensor  # (B, 1 + negatives), the user's own item first

    def share(self, rank: int, n_ranks: int) -> Share:
        """See `DividesRows`."""
        n_rows = len(self.users)
        low, high = borders(n_rows, n_ranks)[rank : rank + 2]
        if n_rows < n_ranks:
            return whole_for_each(self, n_rows, n_ranks)
        own = PairBatch(self.users[low:high], self.items[low:high])
        return rows_of_share(own, slice(low, high), n_rows, (high - low) / n_rows)


class SequenceBatches:
    """At most `batch` histories of similar length, with all next-basket targets.

    A history of more than `length` baskets is cut into windows, so that all of it is learned from; a
    window without a target after its first basket is left out. At most a tenth of the steps is
    padding. `targets` are the event types to predict; without `targets`, or if the log has none of
    them (a log of views, say), every event is a target. `support` counts how often each item is one.

    A window is a range of the events of `past`, and a batch reads its own ranges only: histories whose
    events are mapped from files stay there, and the memory of a fit does not grow with them.
    """

    def __init__(
        self,
        past: Histories,
        *,
        length: int,
        batch: int,
        seed: int,
        ahead: int = 1,
        targets: Sequence[str] | None = None,
    ) -> None:
        codes = [EVENT_CODE[t] for t in targets or ()]
        any_of_type = bool(codes) and any(
            _is_target(block, codes).any() for _, block in past.blocks(EVENTS_AT_ONCE)
        )
        self.target_codes = codes if any_of_type else None
        windows, support = [], np.zeros(past.n_items, dtype=np.int64)
        for first, block in past.blocks(EVENTS_AT_ONCE):
            is_target = _is_target(block, self.target_codes)
            support += np.bincount(block.items[is_target], minlength=past.n_items)
            windows.append(
                _windows_with_targets(block, length, is_target, past.offsets[first], first)
            )
        release_pages(past.items, past.times, past.event_types)
        columns = (np.concatenate(column) for column in zip(*windows, strict=True))
        self.starts, self.stops, self.owners, self.lengths = columns
        if not len(self.owners):
            raise DataError(
                "nothing to learn an order from: no customer has events at two different times"
            )
        self.past = past
        self.support = torch.tensor(support).double()
        self.batch, self.seed, self.ahead = batch, seed, ahead

    def __call__(self, epoch: int) -> Sequence[SequenceBatch]:
        """The batches of an epoch, in random order, each built on access."""
        rng = random_stream(self.seed, "batches", epoch)
        groups = bucketed(self.lengths, self.batch, rng)
        return _Lazy([groups[i] for i in rng.permutation(len(groups))], self._make)

    def _make(self, rows: np.ndarray) -> SequenceBatch:
        owners = self.owners[rows]
        recent = in_order(self.past.ranges(self.starts[rows], self.stops[rows], owners))
        owned, owned_until = _owned_items(self.past.select(owners))
        release_pages(*(getattr(self.past, name) for name in (*EVENT_ARRAYS, "user_ids")))
        return with_targets(steps_of(recent), self.ahead, self.target_codes)._replace(
            owned=torch.tensor(owned), owned_until=torch.tensor(owned_until)
        )


class PairBatches:
    """Each user-item pair of the past once an epoch, with `negatives` items the user does not have.

    The negatives are redrawn each epoch. `batch` counts positive pairs; users are codes, and users
    without a code are left out.
    """

    def __init__(self, past: Histories, *, negatives: int, batch: int, seed: int) -> None:
        self.n_items = past.n_items
        users = past.user_codes[past.rows].astype(np.int64)
        keys = np.unique((users * self.n_items + past.items)[users >= 0])
        if not len(keys):
            raise DataError("nothing to learn from: the past has no events")
        self.positives = keys
        self.negatives, self.batch, self.seed = negatives, batch, seed

    def __call__(self, epoch: int) -> Sequence[PairBatch]:
        """The batches of an epoch, in random order, each built on access."""
        rng = random_stream(self.seed, "pairs", epoch)
        shuffled = rng.permutation(self.positives)
        users, items = np.divmod(shuffled, self.n_items)
        repeated_users = np.repeat(users, self.negatives)
        others = uniform_negatives(rng, repeated_users, self.n_items, self.positives)
        rows = np.column_stack([items, others.reshape(len(users), self.negatives)])
        starts = range(0, len(users), self.batch)
        parts = [slice(start, start + self.batch) for start in starts]
        return _Lazy(parts, lambda p: PairBatch(torch.tensor(users[p]), torch.tensor(rows[p])))


def _is_target(histories: Histories, codes: Sequence[int] | None) -> np.ndarray:
    """Whether each event has a basket before it and one of these types (None: any), ``(n_events,)``."""
    has_predecessor = step_of_event(histories) > 0
    return (
        has_predecessor
        if codes is None
        else has_predecessor & np.isin(histories.event_types, codes)
    )


def _windows_with_targets(
    block: Histories, length: int, is_target: np.ndarray, first_event: int, first_user: int
) -> tuple[np.ndarray, ...]:
    """Starts, stops, owners and steps before the last basket of the windows of a block of users."""
    windows = basket_windows(block, length)
    n_before = np.concatenate([[0], np.cumsum(is_target)])
    kept = n_before[windows.stops] > n_before[windows.seconds]
    return (
        windows.starts[kept] + first_event,
        windows.stops[kept] + first_event,
        windows.owners[kept] + first_user,
        windows.n_baskets[kept] - 1,  # the last basket is only a target
    )


def _owned_items(histories: Histories) -> tuple[np.ndarray, np.ndarray]:
    """The distinct items of each user, ascending, and where each user's begin; int64."""
    keys = np.unique(histories.rows * histories.n_items + histories.items)
    rows, items = np.divmod(keys, histories.n_items)
    return items, np.searchsorted(rows, np.arange(histories.n_users + 1))


def in_order(histories: Histories) -> Histories:
    """The same histories with the events of each basket sorted, so that sums are the same to the bit.

    Sums in another order differ in their last bits, and training amplifies that.
    """
    keys = (histories.event_types, histories.items, histories.baskets)
    order = np.lexsort(keys)
    if (np.diff(order) == 1).all():
        return histories
    return replace(histories, **{n: getattr(histories, n)[order] for n in EVENT_ARRAYS})


def bucketed(lengths: np.ndarray, batch: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Users in groups of at most `batch` and of similar length, with a share of padding up to `PADDING`.

    Lengths are sorted with a little noise, so that groups differ from epoch to epoch.
    """
    noise = 1 + JITTER * (rng.random(len(lengths)) - 0.5)
    order = np.argsort(-lengths * noise, kind="stable")
    ordered = lengths[order]
    groups, start = [], 0
    while start < len(order):
        window = ordered[start : start + batch]
        padded = np.maximum.accumulate(window) * np.arange(1, len(window) + 1)
        over = np.flatnonzero(np.cumsum(window) < (1 - PADDING) * padded)
        size = int(over[0]) if len(over) else len(window)
        groups.append(order[start : start + size])
        start += size
    return groups


def with_targets(
    steps: BasketSteps, ahead: int = 1, target_codes: Sequence[int] | None = None
) -> SequenceBatch:
    """All steps but each user's last, each with the items of the next `ahead` baskets as targets.

    With `target_codes` only events of these types are targets, and the next baskets are those that
    hold any of them. All items of a basket are targets of the same state, and the weights of a
    state's targets sum to 1, however large the baskets are. With baskets of one item, every type a
    target and ``ahead=1`` this is the sequence shifted by one.
    """
    width = steps.sizes.shape[1]
    row, step = np.divmod(steps.slots, width)
    last = (steps.sizes > 0).sum(axis=1) - 1
    is_input = step < last[row]
    n_steps = max(1, int(last.max()))
    slots = row[is_input] * n_steps + step[is_input]
    sizes = np.bincount(slots, minlength=len(last) * n_steps).reshape(len(last), n_steps)
    states = np.unique(steps.slots[is_input])
    of_state, events = _targets_of(states, steps, ahead, target_codes)
    counts = np.bincount(of_state, minlength=len(states))
    position_of = np.cumsum(counts > 0) - 1
    at = states[counts > 0]
    return SequenceBatch(
        items=torch.tensor(steps.items[is_input]),
        event_types=torch.tensor(steps.event_types[is_input]),
        slots=torch.tensor(slots),
        sizes=torch.tensor(sizes.astype(np.float32)),
        at=torch.tensor(at // width * n_steps + at % width),
        positions=torch.tensor(position_of[of_state]),
        targets=torch.tensor(steps.items[events]),
        weights=torch.tensor((1 / counts[of_state]).astype(np.float32)),
        owned=torch.zeros(0, dtype=torch.int64),
        owned_until=torch.zeros(len(last) + 1, dtype=torch.int64),
    )


def _targets_of(
    states: np.ndarray, steps: BasketSteps, ahead: int, target_codes: Sequence[int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """For each target of each state (a slot): the state's index and the target's event."""
    kept = np.arange(len(steps.items))
    if target_codes is not None:
        kept = kept[np.isin(steps.event_types, target_codes)]
    baskets, first, n_events = np.unique(steps.slots[kept], return_index=True, return_counts=True)
    width = steps.sizes.shape[1]
    following = np.searchsorted(baskets, states, side="right")[:, None] + np.arange(ahead)
    inside = following < len(baskets)
    inside[inside] = (baskets[following[inside]] // width) == np.repeat(
        states // width, inside.sum(axis=1)
    )
    of_pair, basket = np.nonzero(inside)[0], following[inside]
    n = n_events[basket]
    within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
    return np.repeat(of_pair, n), kept[np.repeat(first[basket], n) + within]


class _Lazy(Sequence[Any]):
    """The parts of an epoch, each turned into a batch on access."""

    def __init__(self, parts: Sequence[Any], make: Any) -> None:
        self.parts, self.make = parts, make

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, place: Any) -> Any:
        return self.make(self.parts[place])

    def __iter__(self) -> Iterator[Any]:
        return map(self.make, self.parts)
