"""A market month by month: what it records, what messages truly do, and how it goes on after a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.data.kinds import KNOWN_FROM
from growthlab.data.market.events import month_events
from growthlab.data.market.market_items import DAYS
from growthlab.data.market.messages import MonthMessages
from growthlab.data.market.month import Month, simulate
from growthlab.data.market.parameters import MarketParameters
from growthlab.data.market.rates import MonthRates
from growthlab.data.market.state import MarketWorld, State
from growthlab.data.market.true_effects import TrueEffects, true_effects

MONTHS_BEFORE = (
    3  # simulated before the first recorded day, until stocks and favourites are as ever
)
MOST_MONTHS = 60
NAME = "simulated_market"


@dataclass(frozen=True, kw_only=True)
class MarketSettings:
    """Which market it is, and how much of it there is before anybody sends a message.

    A month has 28 days, so that each has the same weekdays. Of the `users` some arrive later.
    """

    seed: int = 7
    start: str = "2025-01-01"
    months: int = 9
    users: int = 2_300
    items: int = 500

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("months", 1), ("users", 1), ("items", 20)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"data.{name} must be at least {least}, got {getattr(self, name)}"
                )
        if self.months > MOST_MONTHS:
            raise ConfigError(f"data.months must be at most {MOST_MONTHS}, got {self.months}")
        assert self.opening is not None  # computing it checks the date

    @property
    def opening(self) -> datetime:
        """The first recorded moment."""
        try:
            opening = datetime.fromisoformat(self.start)
        except ValueError:
            raise ConfigError(
                f"data.start must be a date like 2025-01-01, got {self.start}"
            ) from None
        if opening.tzinfo is not None or opening != datetime.combine(
            opening.date(), datetime.min.time()
        ):
            raise ConfigError(f"data.start must be a date without a time, got {self.start}")
        return opening


@dataclass(frozen=True)
class Market:
    """A market between two months. `next_month` gives a new one, so that several plans can start from one.

    What happens to a customer depends on the seed, on the customer, and on the messages to this customer;
    never on messages to others. `profits` holds the profit of each customer in each recorded month,
    messages paid, in the order of `user_ids`; a returned line counts in the month of its order.
    """

    settings: MarketSettings
    world: MarketWorld
    state: State
    profits: tuple[np.ndarray, ...] = ()
    recorded: tuple[pd.DataFrame, ...] = ()
    consents: tuple[np.ndarray, ...] = ()  # at the start of each recorded month, and now
    last: Month | None = None

    @classmethod
    def start(cls, settings: MarketSettings) -> Self:
        """The market after its first months, in which nobody gets a message."""
        parameters = MarketParameters.read()
        world = MarketWorld.draw(parameters, settings.seed, settings.users, settings.items)
        market = cls(settings, world, State.at_opening(world))
        for _ in range(MONTHS_BEFORE + settings.months):
            market = market.next_month()
        return market

    @property
    def user_ids(self) -> np.ndarray:
        """The raw ids of all customers, also of those who arrive later."""
        return self.world.customers.user_ids

    @property
    def now(self) -> datetime:
        """The first moment of the month to come."""
        return self._first_day(self.state.month)

    @property
    def reachable(self) -> pd.DataFrame:
        """Customers who arrived and each channel, with ``consent``: columns customer, channel, consent."""
        arrived = np.flatnonzero(self.world.customers.arrival <= self.state.month * DAYS)
        channels = list(self.world.parameters.channels)
        return pd.DataFrame(
            {
                "customer": np.repeat(self.user_ids[arrived], len(channels)),
                "channel": np.tile(channels, len(arrived)),
                "consent": self.state.consents[arrived].ravel(),
            }
        )

    @cached_property
    def rates(self) -> MonthRates:
        """What is expected of the month to come without a message."""
        return MonthRates.of(self.world, self.state, self.now)

    def true_effects(self, slots: Sequence[datetime]) -> TrueEffects:
        """What a message in the month to come would change, for every option at some moments of it."""
        return true_effects(self.world, self.rates, slots)

    def next_month(self, plan: pd.DataFrame | None = None) -> Self:
        """The market a month later, after the messages of a plan; see `MonthMessages.of_plan`."""
        messages = MonthMessages.of_plan(self.world, self.state, self.now, plan)
        month = simulate(self.world, self.state, self.rates, messages)
        later = replace(self, state=self.state.after(self.world, month.happened), last=month)
        if self.state.month < MONTHS_BEFORE:
            return later
        return replace(
            later,
            profits=(*self.profits, month.profit),
            recorded=(*self.recorded, month_events(self.world, self.rates, month)),
            consents=(*self.consents, self.state.consents),
        )

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Events, items and users as they are recorded by now, with the columns of an `EventLog`."""
        events = pd.concat(self.recorded)
        events = events[events["ingested_at"] < self.now]
        events = events.sort_values(["timestamp", "user_id"], kind="stable", ignore_index=True)
        items = self.world.items.table(self.settings.opening, MONTHS_BEFORE, self.state.month - 1)
        return events, items, self._users()

    def log(self) -> EventLog:
        """The same as a log."""
        return EventLog.from_frames(*self.tables(), name=NAME)

    def _users(self) -> pd.DataFrame:
        """A row a customer who arrived, and another one for every month in which a consent was withdrawn."""
        customers, days = self.world.customers, self.state.month * DAYS
        known = customers.arrival_times(self.settings.opening, MONTHS_BEFORE * DAYS)
        frame = pd.DataFrame({"user_id": self.user_ids}).join(customers.attributes)
        channels = list(self.world.parameters.channels)
        rows = [frame.assign(**_consents(channels, customers.consents), **{KNOWN_FROM: known})]
        states = [*self.consents, self.state.consents]
        for number, (before, after) in enumerate(pairwise(states)):
            changed = np.flatnonzero((before != after).any(axis=1))
            since = self._first_day(MONTHS_BEFORE + number + 1)
            table = frame.iloc[changed].assign(**_consents(channels, after[changed]))
            rows.append(table.assign(**{KNOWN_FROM: pd.Timestamp(since).as_unit("us")}))
        users = pd.concat(rows)
        users = users[users["user_id"].isin(self.user_ids[customers.arrival < days])]
        return users.sort_values(["user_id", KNOWN_FROM], ignore_index=True)

    def _first_day(self, month: int) -> datetime:
        return self.settings.opening + timedelta(days=DAYS * (month - MONTHS_BEFORE))


def _consents(channels: list[str], consents: np.ndarray) -> dict[str, np.ndarray]:
    return {f"consent_{name}": consents[:, k] for k, name in enumerate(channels)}
