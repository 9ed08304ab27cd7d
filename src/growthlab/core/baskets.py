"""Baskets: all events of one user at one time are one step, without an inner order."""

from __future__ import annotations

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


class BasketWindows(NamedTuple):
    """Ranges of a user's baskets, as ranges of events; all arrays ``(n_windows,)``, int64."""

    starts: np.ndarray  # the first event
    seconds: np.ndarray  # the first event of the second basket; the end where there is none
    stops: np.ndarray  # the end of the last basket
    owners: np.ndarray  # the user row
    n_baskets: np.ndarray


def basket_windows(histories: Histories, length: int) -> BasketWindows:
    """Histories cut, from their end, into windows of at most ``length + 1`` baskets.

    The oldest basket of a window is the newest of the window before it, so that every basket but a
    user's first has its predecessor in exactly one window. A history of at most ``length + 1``
    baskets is one window, an empty one is none. The windows of a user come oldest first.
    """
    starts = np.flatnonzero(np.diff(histories.baskets, prepend=-1))
    starts = np.append(starts, histories.n_events).astype(np.int64)  # of each basket, and the end
    counts = n_baskets(histories)
    n_windows = np.where(counts > 0, np.maximum(1, -(-(counts - 1) // length)), 0)
    owners = np.repeat(np.arange(histories.n_users), n_windows)
    until = np.cumsum(n_windows)[owners]
    newer = until - 1 - np.arange(len(owners))  # windows of the same user after this one
    newest = counts[owners] - 1 - newer * length  # the last basket, counted within its user
    oldest = np.maximum(newest - length, 0)
    first_of_user = (np.cumsum(counts) - counts)[owners]
    return BasketWindows(
        starts=starts[first_of_user + oldest],
        seconds=starts[first_of_user + oldest + 1],
        stops=starts[first_of_user + newest + 1],
        owners=owners,
        n_baskets=newest - oldest + 1,
    )


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
