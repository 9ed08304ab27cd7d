"""What changes about the customers of a market, and how it changes from one month to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from growthlab.data.market.draws import Draws
from growthlab.data.market.market_customers import MarketCustomers
from growthlab.data.market.market_items import DAYS, MarketItems
from growthlab.data.market.parameters import MarketParameters
from growthlab.data.shop_words import REGIONS

NO_EVENT = -1


@dataclass(frozen=True)
class MarketWorld:
    """What stays: parameters, random streams, items and customers."""

    parameters: MarketParameters
    draws: Draws
    items: MarketItems
    customers: MarketCustomers

    @classmethod
    def draw(cls, parameters: MarketParameters, seed: int, users: int, items: int) -> MarketWorld:
        """The world of a seed."""
        draws = Draws(seed, users)
        assortment = MarketItems.draw(parameters, draws, items)
        return cls(parameters, draws, assortment, MarketCustomers.draw(parameters, draws))


@dataclass(frozen=True)
class State:
    """The customers at the start of a month, in arrays with a row a customer.

    `month` counts from the opening of the market. `bought` are the purchases of each item.
    """

    month: int
    alive: np.ndarray  # (n,) bool
    stock: np.ndarray  # (n, n_categories) stage, 0: empty
    takes: np.ndarray  # (n, n_categories) bool: buys in the category at all
    bought: np.ndarray  # (n, n_items) float32
    satisfaction: np.ndarray  # (n,)
    fatigue: np.ndarray  # (n,)
    consents: np.ndarray  # (n, n_channels) bool
    event: np.ndarray  # (n,) place in life_events, or NO_EVENT
    event_ends: np.ndarray  # (n,) the first month without it

    @classmethod
    def at_opening(cls, world: MarketWorld) -> State:
        """Everybody before the first month, also those who arrive later."""
        n = len(world.customers)
        return cls(
            month=0,
            alive=np.ones(n, dtype=bool),
            stock=world.customers.stock,
            takes=world.customers.uses,
            bought=np.zeros((n, len(world.items)), dtype=np.float32),
            satisfaction=np.ones(n),
            fatigue=np.zeros(n),
            consents=world.customers.consents,
            event=np.full(n, NO_EVENT),
            event_ends=np.zeros(n, dtype=np.int64),
        )

    def is_here(self, world: MarketWorld, day: float) -> np.ndarray:
        """Who has arrived by a day after the opening and has not left, shape ``(n,)``, bool."""
        return self.alive & (world.customers.arrival <= day)

    def event_factors(self, world: MarketWorld) -> np.ndarray:
        """What life events multiply the interest in each category by, shape ``(n, n_categories)``."""
        names = world.parameters.category_names
        table = np.ones((len(world.parameters.life_events) + 1, len(names)))
        for row, event in zip(table, world.parameters.life_events.values(), strict=False):
            for name, factor in event["factors"].items():
                row[names.index(name)] = factor
        factors: np.ndarray = table[self.event]  # NO_EVENT is the last row, of ones
        return factors

    def after(self, world: MarketWorld, happened: Happened) -> State:
        """The state a month later."""
        own, month = world.parameters.satisfaction, self.month + 1
        lost = own["return"] * happened.returns + own["message"] * happened.annoyed
        recovered = self.satisfaction + own["recovers"] * (1 - self.satisfaction)
        satisfaction = np.clip(recovered - lost, 0.0, 1.0)
        event, event_ends = self._life_events(world, month)
        return replace(
            self,
            month=month,
            alive=self.alive & ~self._leave(world, happened),
            stock=happened.stock,
            takes=self.takes | self._take_up(world, month),
            bought=happened.bought,
            satisfaction=satisfaction,
            fatigue=happened.fatigue,
            consents=happened.consents,
            event=event,
            event_ends=event_ends,
        )

    def leaving(self, world: MarketWorld) -> np.ndarray:
        """P(leave at the end of the month) of those who arrived, without any message, shape ``(n,)``."""
        weight = world.parameters.satisfaction["leaving"]
        rate = world.customers.leaving * np.exp(weight * (1 - self.satisfaction))
        leaving: np.ndarray = 1 - np.exp(-rate)
        return leaving

    def _leave(self, world: MarketWorld, happened: Happened) -> np.ndarray:
        probability = self.leaving(world) + happened.leaves
        leaves = world.draws.uniform("leaves", self.month)[:, 0] < probability
        arrived: np.ndarray = world.customers.arrival < (self.month + 1) * DAYS
        return leaves & arrived

    def _take_up(self, world: MarketWorld, month: int) -> np.ndarray:
        """Who takes up a category of which the region speaks; see `spoken_of`."""
        known = spoken_of(world, month)[world.customers.region]
        rate = world.parameters.word["take_up"] * known * world.customers.interest
        drawn = world.draws.uniform("take up", month, rate.shape[1])
        taken: np.ndarray = drawn < np.minimum(rate, 1.0)
        return taken

    def _life_events(self, world: MarketWorld, month: int) -> tuple[np.ndarray, np.ndarray]:
        """The event of each customer in a month, and when it ends."""
        events = world.parameters.life_events
        event = np.where(self.event_ends <= month, NO_EVENT, self.event)
        limits = np.cumsum([e["probability"] for e in events.values()])
        place = np.searchsorted(limits, world.draws.uniform("life", month)[:, 0], side="right")
        starts = (event == NO_EVENT) & (place < len(events))
        months = np.array([*(e["months"] for e in events.values()), 0])
        return (
            np.where(starts, place, event),
            np.where(starts, month + months[place], self.event_ends),
        )


@dataclass(frozen=True)
class Happened:
    """What a month did to the customers; see `State`."""

    stock: np.ndarray
    bought: np.ndarray
    returns: np.ndarray  # (n,) returned lines
    annoyed: np.ndarray  # (n,) messages, each times 1 + fatigue
    leaves: np.ndarray  # (n,) extra probability to leave
    fatigue: np.ndarray
    consents: np.ndarray


def spoken_of(world: MarketWorld, month: int) -> np.ndarray:
    """The share of each region that knows of each category, shape ``(n_regions, n_categories)``.

    The path does not depend on what customers do, so that nobody's message changes anybody else.
    """
    word = world.parameters.word
    first, last = word["first_month"]
    shape = (len(REGIONS), len(world.parameters.categories))
    half = first + (last - first) * world.draws.world("word").random(shape)
    known: np.ndarray = 1 / (1 + np.exp(-word["speed"] * (month - half)))
    return known
