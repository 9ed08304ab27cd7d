"""Exploration: some positions of a list show an item from below it, with a known probability."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from growthlab.bundle.answers import Recommendation, RecommendRequest
from growthlab.ranking.rules import Rules


@dataclass(frozen=True)
class ListExploration:
    """With probability `share` a position shows the item that the list has `k` places further down.

    Every position has one such item of its own, so that no item is shown twice, the positions are
    drawn independently of each other, and the propensity of what is shown is `share` or 1 - `share`; 1
    where there is no item further down. The draw is a hash of the request's id and the position
    under the `salt`. Lists that rules arrange (pinned items, caps of categories) are left as they are.
    """

    share: float
    salt: bytes
    rules: Rules

    def asked_length(self, request: Any, k: int) -> int:
        """How many items to ask the model for where the client asks for `k`."""
        return 2 * k if self._explores(request, k) else k

    def explored(
        self, result: Recommendation, request: Any, k: int, request_id: str
    ) -> tuple[Recommendation, tuple[float, ...]]:
        """The list of `k` items to show, and the propensity of each."""
        if not self._explores(request, k):
            return result, (1.0,) * len(result.items)
        below = result.items[k : 2 * k]
        items, propensities = list(result.items[:k]), [1.0] * min(k, len(result.items))
        for place, other in enumerate(below):
            swapped = self._draw(request_id, place) < self.share
            propensities[place] = self.share if swapped else 1 - self.share
            if swapped:
                items[place] = other._replace(rank=place + 1)
        shown = replace(result, items=items, before_rules=result.before_rules[:k])
        return shown, tuple(propensities)

    def _explores(self, request: Any, k: int) -> bool:
        is_list = isinstance(request, RecommendRequest) and k > 0
        return is_list and self.share > 0 and not (request.rules.arranges or self.rules.arranges)

    def _draw(self, request_id: str, place: int) -> float:
        """A number in [0, 1), always the same for a request's position."""
        text = f"{request_id}\0{place}".encode()
        digest = hashlib.blake2b(text, digest_size=8, key=self.salt).digest()
        return int.from_bytes(digest, "big") / 2**64
