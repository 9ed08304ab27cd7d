"""Baskets: all events of one user at one time are one step, without an inner order."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from growthlab.core.histories import Histories


class BasketSteps(NamedTuple):
    """Users x steps, oldest step first, padded on the right; the events of a step are a set.

    The slot of an event is ``user row * n_steps + step``. `sizes` is the number of events of a step:
    0 is padding, and a user whose whole row is 0 has no history.
    """

    items: np.ndarray  # (n_events,) int64
    event_types: np.ndarray  # (n_events,) int64, places in EVENT_TYPES
    slots: np.ndarray  # (n_events,) int64
    sizes: np.ndarray  # (n_users, n_steps) float32


def step_of_event(histories: Histories) -> np.ndarray:
    """The basket of each event within its user, counted from 0, shape ``(n_events,)``, int64."""
    baskets = histories.baskets
    if not len(baskets):
        return baskets
    first = baskets[np.minimum(histories.offsets[:-1], len(baskets) - 1)]
    return baskets - np.repeat(first, histories.lengths)


def n_baskets(histories: Histories) -> np.ndarray:
    """Baskets a user, shape ``(n_users,)``, int64; 0 for a user without events."""
    steps = step_of_event(histories)
    counts = np.zeros(histories.n_users, dtype=np.int64)
    filled = histories.lengths > 0
    counts[filled] = steps[histories.offsets[1:][filled] - 1] + 1
    return counts


def latest_baskets(histories: Histories, length: int) -> Histories:
    """The same users with only the events of their latest `length` baskets."""
    counts = n_baskets(histories)
    if not (counts > length).any():
        return histories
    return histories.where(
        step_of_event(histories) >= np.repeat(counts - length, histories.lengths)
    )


def basket_windows(histories: Histories, length: int) -> tuple[Histories, np.ndarray]:
    """Histories cut, from their end, into windows of at most ``length + 1`` baskets, a row each.

    The oldest basket of a window is the newest of the window before it, so that every basket but a
    user's first has its predecessor in exactly one window. A history of at most ``length + 1``
    baskets stays one row. The second array is the user row of each window.
    """
    step = step_of_event(histories)
    from_end = np.repeat(n_baskets(histories), histories.lengths) - 1 - step
    first = (step == 0) & (from_end > 0)  # in the row of the basket after it
    shared = np.flatnonzero(~first & (from_end > 0) & (from_end % length == 0))
    window = np.concatenate([(from_end - first) // length, from_end[shared] // length - 1])
    events = np.concatenate([np.arange(histories.n_events), shared])
    order = np.lexsort((events, -window, histories.rows[events]))
    events, window = events[order], window[order]
    owner = histories.rows[events]
    starts = np.flatnonzero(np.diff(owner, prepend=-1) | np.diff(window, prepend=-1))
    event_arrays = ("items", "times", "event_types", "quantities", "prices")
    cut = replace(
        histories,
        offsets=np.append(starts, len(events)).astype(np.int64),
        user_codes=histories.user_codes[owner[starts]],
        user_ids=histories.user_ids[owner[starts]],
        **{name: getattr(histories, name)[events] for name in event_arrays},
    )
    return cut, owner[starts]


def steps_of(histories: Histories) -> BasketSteps:
    """The histories as steps; ``n_steps`` is the largest number of baskets, at least 1."""
    n_steps = max(1, int(n_baskets(histories).max(initial=0)))
    slots = histories.rows * n_steps + step_of_event(histories)
    sizes = np.bincount(slots, minlength=histories.n_users * n_steps).astype(np.float32)
    return BasketSteps(
        items=histories.items.astype(np.int64),
        event_types=histories.event_types.astype(np.int64),
        slots=slots.astype(np.int64),
        sizes=sizes.reshape(histories.n_users, n_steps),
    )
