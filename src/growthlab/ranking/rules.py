"""Business rules between a score and a list, in their order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from growthlab.core.histories import Histories
from growthlab.ranking.candidates import hide, hide_all_but, hide_seen, seen_items


@dataclass(frozen=True)
class Rules:
    """What may be listed: exclusions, then the allow list, then the seen filter; the list is cut
    afterwards.

    `denied` and `allowed` are item codes (`allowed` None: all items); an empty `allowed` gives
    empty lists.
    """

    denied: np.ndarray | None = None
    allowed: np.ndarray | None = None
    filter_seen: str = "none"

    def apply(self, scores: np.ndarray, histories: Histories) -> np.ndarray:
        """`scores` with ``-inf`` at what may not be listed; the same array where no rule is set."""
        seen = seen_items(histories, self.filter_seen)
        if self.denied is None and self.allowed is None and seen is None:
            return scores
        scores = np.array(scores, dtype=np.float32)
        if self.denied is not None:
            hide(scores, self.denied)
        if self.allowed is not None:
            hide_all_but(scores, self.allowed)
        hide_seen(scores, seen)
        return scores
