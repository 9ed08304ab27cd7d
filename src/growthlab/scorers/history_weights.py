"""The weight of each event of a history, by its type and its age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.array_schema import FLOAT, ArraySchema, Schema
from growthlab.core.baskets import n_baskets, step_of_event
from growthlab.core.errors import ConfigError, LackingDataError, near_matches
from growthlab.core.histories import EVENT_CODE, EVENT_TYPES, Histories

MICROSECONDS_A_DAY = 86_400e6


@dataclass(frozen=True)
class HistoryWeights:
    """The weight of an event: its type's x ``step_decay ** baskets`` x ``2 ** (-days / half_life_days)``.

    Baskets and days are counted back from the user's newest event, so that weights do not depend on
    the time of a request. Without timestamps (an order-only log, a request with a bare list of
    items) `half_life_days` has no effect.
    """

    schema: ClassVar[Schema] = {
        "event_weights": ArraySchema(dtypes=FLOAT, shape=(len(EVENT_TYPES),), low=0),
        "step_decay": ArraySchema(dtypes=FLOAT, low=0, high=1),
        "half_life_days": ArraySchema(dtypes=FLOAT, low=1e-9, nan=True),  # NaN: no decay
    }

    of_type: tuple[float, ...] = (1.0,) * len(EVENT_TYPES)
    step_decay: float = 1.0
    half_life_days: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.step_decay <= 1:
            raise ConfigError(f"step_decay must lie in 0 ... 1, got {self.step_decay}")
        if self.half_life_days is not None and not self.half_life_days > 0:
            raise ConfigError(
                f"half_life_days must be positive, or null for no decay, got {self.half_life_days}"
            )

    @classmethod
    def of(
        cls,
        event_weights: Mapping[str, float] | None = None,
        step_decay: float = 1.0,
        half_life_days: float | None = None,
    ) -> Self:
        """From event types and their weights, 0 or more; other types weigh 1."""
        weights = np.ones(len(EVENT_TYPES))
        for name, weight in (event_weights or {}).items():
            if name not in EVENT_CODE:
                possible = near_matches(name, EVENT_TYPES)
                raise ConfigError(f"event_weights names no event type {name!r}: {possible}")
            if not 0 <= weight < np.inf:
                raise ConfigError(f"event_weights.{name} must be 0 or more, got {weight}")
            weights[EVENT_CODE[name]] = weight
        return cls(tuple(weights.tolist()), step_decay, half_life_days)

    @property
    def constant(self) -> bool:
        """Whether every event weighs the same."""
        types = set(self.of_type)
        return types == {1.0} and self.step_decay == 1 and self.half_life_days is None

    def without_decay(self) -> HistoryWeights:
        """The same weights by type, without decay."""
        return HistoryWeights(self.of_type)

    def require_times(self, past: Histories, needed_by: str) -> None:
        """DataError for a half-life on a log without timestamps."""
        if self.half_life_days is not None and not past.timed:
            raise LackingDataError(
                f"{needed_by} with half_life_days={self.half_life_days:g} needs timestamps, "
                "this log has only an order of events: set half_life_days=null"
            )

    def events(self, histories: Histories) -> np.ndarray:
        """The weight of each event, shape ``(n_events,)``, float64, 0 or more."""
        weights = np.asarray(self.of_type)[histories.event_types]
        if self.step_decay < 1:
            weights = weights * self.step_decay ** baskets_since(histories)
        if self.half_life_days is not None and histories.timed:
            weights = weights * 2.0 ** (-days_since(histories) / self.half_life_days)
        return weights

    def matrix(self, histories: Histories) -> csr_matrix:
        """Users x items, float32: a pair has the weight of its heaviest event."""
        if self.constant:
            return histories.matrix()
        weights = self.events(histories)
        counted = weights > 0
        pairs = histories.rows[counted] * histories.n_items + histories.items[counted]
        order = np.argsort(pairs, kind="stable")
        pairs, weights = pairs[order], weights[counted][order]
        firsts = np.flatnonzero(np.diff(pairs, prepend=-1))
        heaviest = np.maximum.reduceat(weights, firsts) if len(firsts) else weights
        rows, items = np.divmod(pairs[firsts], max(histories.n_items, 1))
        shape = (histories.n_users, histories.n_items)
        return csr_matrix((heaviest.astype(np.float32), (rows, items)), shape=shape)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The three parameters; NaN for no half-life."""
        half_life = np.nan if self.half_life_days is None else self.half_life_days
        return {
            "event_weights": np.array(self.of_type, dtype=np.float64),
            "step_decay": np.array(self.step_decay, dtype=np.float64),
            "half_life_days": np.array(half_life, dtype=np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The weights that `to_arrays` wrote."""
        half_life = float(arrays["half_life_days"])
        return cls(
            tuple(arrays["event_weights"].tolist()),
            float(arrays["step_decay"]),
            None if np.isnan(half_life) else half_life,
        )


def baskets_since(histories: Histories) -> np.ndarray:
    """How many baskets of the same user are newer than each event's, shape ``(n_events,)``."""
    return np.repeat(n_baskets(histories) - 1, histories.lengths) - step_of_event(histories)


def days_since(histories: Histories) -> np.ndarray:
    """Days from each event to the newest of the same user, shape ``(n_events,)``, float64."""
    if not histories.n_events:
        return np.zeros(0)
    newest = np.repeat(histories.times[histories.offsets[1:] - 1], histories.lengths)
    return (newest - histories.times) / MICROSECONDS_A_DAY


def once_a_basket(histories: Histories) -> Histories:
    """The same users with each item once a basket, whatever the types of its events there."""
    _, firsts = np.unique(
        histories.baskets * histories.n_items + histories.items, return_index=True
    )
    kept = np.zeros(histories.n_events, dtype=bool)
    kept[firsts] = True
    return histories.where(kept)
