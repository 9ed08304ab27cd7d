"""The seen filter: which items are hidden from whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.histories import EVENT_CODE, Histories

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# What a customer did; impressions and messages are not the customer's own actions.
INTERACTIONS = ("view", "search", "favourite", "cart", "purchase", "return", "review", "click")
SEEN_EVENTS: dict[str, tuple[str, ...]] = {
    "none": (),
    "purchased": ("purchase",),
    "interacted": INTERACTIONS,
}


def seen_items(histories: Histories, filter_seen: str) -> csr_matrix | None:
    """The items that the policy hides from each user, users x items; None: nothing is hidden."""
    if filter_seen not in SEEN_EVENTS:
        raise ConfigError(
            f"filter_seen={filter_seen!r} is not known: {near_matches(filter_seen, SEEN_EVENTS)}"
        )
    codes = [EVENT_CODE[name] for name in SEEN_EVENTS[filter_seen]]
    return histories.where(np.isin(histories.event_types, codes)).matrix() if codes else None


def hide_seen(scores: np.ndarray, seen: csr_matrix | None) -> None:
    """Set the scores of seen items to ``-inf``, in place."""
    if seen is not None:
        scores[np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr)), seen.indices] = -np.inf
