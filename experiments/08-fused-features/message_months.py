"""A market that sends messages at random, month by month, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import numpy as np
import pandas as pd

from growthlab.core.seeding import random_stream
from growthlab.data.market.market import Market, MarketSettings
from growthlab.data.market.market_items import DAYS

HALF = DAYS // 2


def random_messages(market: Market, chance: float, hours: list[int]) -> pd.DataFrame:
    """The plan of a month: in each half a message with a chance, its offer, channel and moment at random.

    Whoever consents to a channel may get one, also customers who have left, as a shop does not know of that.
    """
    random = random_stream(market.settings.seed, "random messages", market.state.month)
    reach = market.reachable
    offers = list(market.world.parameters.offers)
    halves = []
    for first_day in (0, HALF):
        channels = reach[reach["consent"]].sample(frac=1, random_state=random)
        rows = channels.drop_duplicates("customer").sort_values("customer")
        rows = rows[random.random(len(rows)) < chance]
        days = random.integers(first_day, first_day + HALF, len(rows))
        after = 24 * days + random.choice(hours, len(rows))
        halves.append(
            rows[["customer", "channel"]].assign(
                offer=random.choice(offers, len(rows)),
                slot=market.now + pd.to_timedelta(after, unit="h"),
                first_half=first_day == 0,
            )
        )
    return pd.concat(halves, ignore_index=True)


@dataclass(frozen=True)
class MessageMonth:
    """A month as an experiment, customers in the order of `Market.user_ids`."""

    reachable: np.ndarray  # (n,) bool: consented to a channel at its first moment
    treated: np.ndarray  # (n,) bool: got a message in its first half
    profit: np.ndarray  # (n,)


@dataclass(frozen=True)
class MessageMarket:
    """The market after all months, and before the last one, whose first moment is the cutoff."""

    market: Market
    at_cutoff: Market
    months: Mapping[datetime, MessageMonth]  # by their first moment

    @classmethod
    def run(cls, seed: int, plan: Mapping[str, Any]) -> Self:
        """The months without messages, then those with them."""
        market = Market.start(MarketSettings(seed=seed, **plan["market"]))
        before, months = market, {}
        for _ in range(plan["months"]):
            messages = random_messages(market, plan["chance"], plan["hours"])
            before, market = market, market.next_month(messages)
            first = messages.loc[messages["first_half"], "customer"]
            months[before.now] = MessageMonth(
                before.state.consents.any(axis=1),
                np.isin(before.user_ids, first.to_numpy(dtype=str)),
                market.profits[-1],
            )
        return cls(market, before, months)

    @property
    def cutoff(self) -> datetime:
        """The first moment of the last month."""
        return self.at_cutoff.now

    def places(self, customers: np.ndarray) -> np.ndarray:
        """The place of each customer in `Market.user_ids`."""
        return pd.Index(self.market.user_ids).get_indexer(pd.Index(customers))

    def true_effects(self, customers: np.ndarray, slots: list[list[int]]) -> np.ndarray:
        """The mean effect of a message on a customer's profit in the last month, ``(n,)``.

        Over all offers, the channels to which the customer consents, and some slots.
        """
        moments = [self.cutoff + timedelta(days=day, hours=hour) for day, hour in slots]
        by_channel = self.at_cutoff.true_effects(moments).month.mean(axis=(1, 3))
        places = self.places(customers)
        consents = self.at_cutoff.state.consents[places]
        effects: np.ndarray = (by_channel[places] * consents).sum(axis=1) / consents.sum(axis=1)
        return effects
