"""Batches for networks, cut from histories by array operations: no Python a user or event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from growthlab.core.baskets import Steps, n_baskets, step_of_event, steps_of, windows
from growthlab.core.errors import DataError
from growthlab.core.histories import EVENT_CODE, Histories
from growthlab.core.seeding import stream
from growthlab.networks.negative_sampling import uniform_negatives

PADDING = 0.1  # the largest share of a batch's steps that may be padding
JITTER = (
    0.1  # lengths are compared after a factor within +-5 %, so that batches differ between epochs
)


class SequenceBatch(NamedTuple):
    """Baskets of some users as steps (as in `core.baskets.Steps`), and what follows which."""

    items: Tensor  # (N,)
    event_types: Tensor  # (N,)
    slots: Tensor  # (N,)
    sizes: Tensor  # (B, S)
    at: Tensor  # (P,) flat places of the steps that have a next basket
    positions: Tensor  # (M,) for each target, its place in `at`
    targets: Tensor  # (M,) item codes
    weights: Tensor  # (M,) sum to 1 a position
    owned: Tensor  # (K,) item codes: all that each user has in the past, ascending a user
    owned_until: Tensor  # (B + 1,) where the owned items of each user end and the next begin


class PairBatch(NamedTuple):
    """Users, each with an item that they have and others that they have not."""

    users: Tensor  # (B,)
    items: Tensor  # (B, 1 + negatives), first what the user has


class SequenceBatches:
    """At most `batch` histories of similar length, with all next-basket targets.

    A history of more than `length` baskets is cut into windows that are rows of their own, so that
    all of it is learned from; a row without a target after its first basket is left out. At most a
    tenth of the steps is padding, whatever the lengths are. `targets` are the event types that are
    foretold; where there are none of them (a log of views, say), and without `targets`, every event
    is. `support` counts how often each item is one.
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
        cut, owners = windows(past, length)
        recent = in_order(cut)
        follows = step_of_event(recent) > 0
        codes = [EVENT_CODE[t] for t in targets or ()]
        of_type = follows & np.isin(recent.event_types, codes)
        self.target_codes = codes if of_type.any() else None
        learned = np.unique(recent.rows[of_type if of_type.any() else follows])
        if not len(learned):
            raise DataError(
                "nothing to learn an order from: no customer has events at two different times"
            )
        self.past = recent.select(learned)
        taken = recent.items[of_type if of_type.any() else follows]
        self.support = torch.tensor(np.bincount(taken, minlength=past.n_items)).double()
        self.owned = past.select(owners[learned]).matrix()
        self.owned.sum_duplicates()  # sorts each user's items too
        self.lengths = n_baskets(self.past) - 1  # the last basket is only a target
        self.batch, self.seed, self.ahead = batch, seed, ahead

    def __call__(self, epoch: int) -> Sequence[SequenceBatch]:
        """The batches of an epoch, in random order; each is made when it is asked for."""
        rng = stream(self.seed, "batches", epoch)
        groups = bucketed(self.lengths, self.batch, rng)
        return _Lazy([groups[i] for i in rng.permutation(len(groups))], self._make)

    def _make(self, rows: np.ndarray) -> SequenceBatch:
        steps = steps_of(self.past.select(rows))
        owned = self.owned[rows]
        return with_targets(steps, self.ahead, self.target_codes)._replace(
            owned=torch.tensor(owned.indices.astype(np.int64)),
            owned_until=torch.tensor(owned.indptr.astype(np.int64)),
        )


class PairBatches:
    """Each user-item pair of the past once an epoch, with `negatives` items the user has not.

    The negatives are drawn anew each epoch. `batch` counts positive pairs; users are given by their
    codes, and those without a code are left out.
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
        """The batches of an epoch, in random order; each is made when it is asked for."""
        rng = stream(self.seed, "pairs", epoch)
        shuffled = rng.permutation(self.positives)
        users, items = np.divmod(shuffled, self.n_items)
        crowd = np.repeat(users, self.negatives)
        others = uniform_negatives(rng, crowd, self.n_items, self.positives)
        rows = np.column_stack([items, others.reshape(len(users), self.negatives)])
        starts = range(0, len(users), self.batch)
        parts = [slice(start, start + self.batch) for start in starts]
        return _Lazy(parts, lambda p: PairBatch(torch.tensor(users[p]), torch.tensor(rows[p])))


def in_order(histories: Histories) -> Histories:
    """The same histories, the events of each basket by item and type: sums are the same to the bit.

    Two orders of a sum differ in its last bits, which a training makes large.
    """
    keys = (histories.event_types, histories.items, histories.baskets)
    order = np.lexsort(keys)
    if (np.diff(order) == 1).all():
        return histories
    names = ("items", "times", "event_types", "quantities", "prices")
    return replace(histories, **{n: getattr(histories, n)[order] for n in names})


def bucketed(lengths: np.ndarray, batch: int, rng: np.random.Generator) -> list[np.ndarray]:
    """All users in groups of at most `batch` of similar length, at most `PADDING` of it padding.

    The lengths are compared with a little noise, so that groups differ from epoch to epoch.
    """
    noise = 1 + JITTER * (rng.random(len(lengths)) - 0.5)
    order = np.argsort(-lengths * noise, kind="stable")
    ordered = lengths[order]
    groups, start = [], 0
    while start < len(order):
        window = ordered[start : start + batch]
        padded = np.maximum.accumulate(window) * np.arange(1, len(window) + 1)
        too_much = np.flatnonzero(np.cumsum(window) < (1 - PADDING) * padded)
        size = int(too_much[0]) if len(too_much) else len(window)
        groups.append(order[start : start + size])
        start += size
    return groups


def with_targets(
    steps: Steps, ahead: int = 1, target_codes: Sequence[int] | None = None
) -> SequenceBatch:
    """All steps but each user's last, the items of the next `ahead` baskets as targets of each.

    With `target_codes` only events of these types are targets, and the next baskets are the next
    that hold any of them. All items of a basket are targets of the same state, and the targets of a
    state weigh 1 together, however large the baskets are. With baskets of one item, every type a
    target and ``ahead=1`` it is the sequence shifted by one.
    """
    width = steps.sizes.shape[1]
    row, step = np.divmod(steps.slots, width)
    last = (steps.sizes > 0).sum(axis=1) - 1
    fed = step < last[row]
    n_steps = max(1, int(last.max()))
    slots = row[fed] * n_steps + step[fed]
    sizes = np.bincount(slots, minlength=len(last) * n_steps).reshape(len(last), n_steps)
    states = np.unique(steps.slots[fed])
    of_state, events = _targets_of(states, steps, ahead, target_codes)
    counts = np.bincount(of_state, minlength=len(states))
    position_of = np.cumsum(counts > 0) - 1
    at = states[counts > 0]
    return SequenceBatch(
        items=torch.tensor(steps.items[fed]),
        event_types=torch.tensor(steps.event_types[fed]),
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
    states: np.ndarray, steps: Steps, ahead: int, target_codes: Sequence[int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """For each target of each state (flat places): the state's number and the target's event."""
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
    """The parts of an epoch, each made into a batch when its turn comes."""

    def __init__(self, parts: Sequence[Any], make: Any) -> None:
        self.parts, self.make = parts, make

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, place: Any) -> Any:
        return self.make(self.parts[place])

    def __iter__(self) -> Iterator[Any]:
        return map(self.make, self.parts)
