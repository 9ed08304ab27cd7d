"""The checkerboard: two groups of users, each of which buys only from its own group of items."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError
from growthlab.core.seeding import random_stream
from growthlab.data.event_log import EventLog
from growthlab.data.source import Source

# words and attribute of the dark and of the light squares
_WORDS = (("ebony", "walnut", "midnight", "shadow"), ("ivory", "birch", "morning", "snow"))
_CATEGORIES = ("dark", "light")


@dataclass(frozen=True, kw_only=True)
class CheckerboardShop(Source):
    """A test with a known answer: a personalised model ranks unseen items of the user's group first.

    Every user buys `purchases` different items of the own group, in random order, at random times.
    Popularity and ids carry no information; text, category, attributes, co-occurrence and sequences
    each separate the groups.

    Raises
    ------
    ConfigError
        More purchases than items in a group, or none.
    """

    name: ClassVar[str] = "checkerboard"
    filter_seen: str = "purchased"
    filter_seen_reason: str = "each user buys an item once"
    horizon_days: float | None = 14.0
    activity_days: float | None = 90.0
    history_events: tuple[str, ...] = ("purchase",)
    target_events: tuple[str, ...] = ("purchase",)
    seed: int = 7
    start: str = "2025-01-01"
    days: int = 70
    users: int = 120
    items: int = 40
    purchases: int = 14

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.purchases <= self.items // 2:
            possible = f"between 1 and the {self.items // 2} items of a group"
            raise ConfigError(f"data.purchases must be {possible}, got {self.purchases}")

    def item_groups(self) -> dict[str, int]:
        """The group (0 or 1) of each item id."""
        ids = random_stream(self.seed, "checkerboard", "items").permutation(self.items) + 1_000
        return {f"p{n}": place % 2 for place, n in enumerate(ids.tolist())}

    def user_groups(self) -> dict[str, int]:
        """The group (0 or 1) of each user id."""
        ids = random_stream(self.seed, "checkerboard", "users").permutation(self.users) + 1_000
        return {f"u{n}": place % 2 for place, n in enumerate(ids.tolist())}

    def read(self) -> EventLog:
        """The log of all purchases."""
        groups = self.item_groups()
        members = [np.array([i for i, g in groups.items() if g == group]) for group in (0, 1)]
        opening = np.datetime64(datetime.fromisoformat(self.start), "us")
        frames = []
        for user_id, group in self.user_groups().items():
            rng = random_stream(self.seed, "checkerboard", "user", user_id)
            moments = rng.choice(self.days * 86_400, self.purchases, replace=False)
            bought = {
                "user_id": user_id,
                "item_id": rng.permutation(members[group])[: self.purchases],
                "timestamp": opening + moments.astype("timedelta64[s]"),
            }
            frames.append(pd.DataFrame(bought))
        events = pd.concat(frames, ignore_index=True)
        events = events.assign(event_type="purchase", quantity=1.0, unit_price=10.0)
        return EventLog.from_frames(events, self._items(groups), name=self.name)

    def _items(self, groups: dict[str, int]) -> pd.DataFrame:
        """The item table: text, category and attributes of an item show its group."""
        rows = []
        for item_id, group in groups.items():
            rng = random_stream(self.seed, "checkerboard", "item", item_id)
            rows.append(
                {
                    "item_id": item_id,
                    "text": " ".join(rng.permutation(_WORDS[group])[:2].tolist()) + " piece",
                    "category": _CATEGORIES[group],
                    "price": 10.0,
                    "attributes": f"square={_CATEGORIES[group]}",
                }
            )
        return pd.DataFrame(rows)
