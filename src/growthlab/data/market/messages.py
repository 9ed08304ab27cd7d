"""The messages of a month, and how customers answer to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from growthlab.core.errors import DataError, near_matches
from growthlab.data.market.array_rows import ArrayRows
from growthlab.data.market.market_items import DAYS
from growthlab.data.market.state import MarketWorld, State

PLAN_COLUMNS = ("customer", "offer", "channel", "slot")
MOST_ANSWERS = 0.9  # P(visit | message)


@dataclass(frozen=True)
class MonthMessages(ArrayRows):
    """Messages of a month; customers, offers and channels are places."""

    customer: np.ndarray
    offer: np.ndarray
    channel: np.ndarray
    day: np.ndarray  # of the month, the first is 0
    hour: np.ndarray  # of the day

    @classmethod
    def of_plan(
        cls, world: MarketWorld, state: State, first_day: datetime, plan: pd.DataFrame | None
    ) -> MonthMessages:
        """The messages of a plan's rows, such as ``growthlab plan`` writes: rows without offer send nothing.

        Raises
        ------
        DataError
            A column is missing, a name is not known, a slot is outside the month, somebody gets two
            messages on a day, has not arrived or has not consented; one line.
        """
        if plan is None:
            return cls.none()
        missing = [column for column in PLAN_COLUMNS if column not in plan]
        if missing:
            raise DataError(
                f"a plan needs the columns {', '.join(PLAN_COLUMNS)}: there is no {missing[0]}"
            )
        rows = plan[plan["offer"].notna()]
        parameters = world.parameters
        customer = _places(rows["customer"], world.customers.user_ids.tolist(), "customer")
        slots = _moments(rows["slot"])
        days = ((slots - first_day) // pd.Timedelta(days=1)).to_numpy(dtype=float)
        outside = ~((days >= 0) & (days < DAYS))
        if outside.any():
            raise DataError(
                f"the slot {slots[outside].iloc[0]} is not in the {DAYS} days from {first_day:%Y-%m-%d} on"
            )
        messages = cls(
            customer,
            _places(rows["offer"], list(parameters.offers), "offer"),
            _places(rows["channel"], list(parameters.channels), "channel"),
            days.astype(np.int64),
            (slots.dt.hour + slots.dt.minute / 60).to_numpy(dtype=float),
        )
        messages._check(world, state)
        return messages

    def _check(self, world: MarketWorld, state: State) -> None:
        names = world.customers.user_ids
        twice = pd.DataFrame({"customer": self.customer, "day": self.day}).duplicated().to_numpy()
        late = world.customers.arrival[self.customer] > state.month * DAYS
        refused = ~state.consents[self.customer, self.channel]
        for wrong, what in (
            (twice, "gets two messages on a day"),
            (late, "has not arrived before the month"),
            (refused, "has not consented to the channel, or not any more"),
        ):
            if wrong.any():
                first = names[self.customer[np.flatnonzero(wrong)[0]]]
                raise DataError(
                    f"{int(wrong.sum())} messages of the plan cannot be sent: {first} {what}"
                )


@dataclass(frozen=True)
class Answers:
    """What single messages do, given the fatigue of each at that moment; all shapes ``(n_messages,)``.

    `need` multiplies what a customer needs in the visit that answers.
    """

    visit: np.ndarray
    need: np.ndarray
    discount: np.ndarray
    gift: np.ndarray
    cost: np.ndarray
    opts_out: np.ndarray
    leaves: np.ndarray

    @classmethod
    def to(cls, world: MarketWorld, messages: MonthMessages, fatigue: np.ndarray) -> Answers:
        """The answers to messages."""
        customers, own = world.customers, world.parameters.messages
        who, channel = messages.customer, messages.channel
        discount = _of_each(world.parameters.offers, "discount")[messages.offer]
        gift = _of_each(world.parameters.offers, "gift")[messages.offer]
        pull = _of_each(world.parameters.offers, "pull")[messages.offer]
        priced = customers.price_response[who] * discount
        log_visit = pull + own["pull"] * priced - own["fatigue"] * fatigue
        hour = hour_factor(world, who, messages.hour)
        visit = customers.response[who, channel] * hour * np.exp(log_visit)
        tired = customers.annoyance[who] * (1 + fatigue)
        opt_out = _of_each(world.parameters.channels, "opt_out")[channel]
        return cls(
            visit=np.minimum(visit, MOST_ANSWERS),
            need=own["boost"] * np.exp(own["demand"] * priced),
            discount=discount,
            gift=gift,
            cost=_of_each(world.parameters.channels, "cost")[channel],
            opts_out=np.minimum(opt_out * tired, MOST_ANSWERS),
            leaves=own["leaves"] * tired,
        )


def hour_factor(world: MarketWorld, customer: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """The response at an hour of the day relative to that at the customer's own."""
    own = world.parameters.messages
    apart = np.abs(hour - world.customers.own_hour[customer])
    apart = np.minimum(apart, 24 - apart)
    near: np.ndarray = np.exp(-0.5 * (apart / own["hour_width"]) ** 2)
    return own["least_hour"] + (1 - own["least_hour"]) * near


def fatigue_after(world: MarketWorld, fatigue: np.ndarray, days: float | np.ndarray) -> np.ndarray:
    """What is left of fatigue after some days without a message."""
    left: np.ndarray = fatigue * 0.5 ** (days / world.parameters.messages["fatigue_days"])
    return left


def _of_each(named: Mapping[str, Mapping[str, float]], what: str) -> np.ndarray:
    return np.array([values[what] for values in named.values()], dtype=float)


def _moments(given: pd.Series) -> pd.Series:
    """The slots of a plan; DataError for what is no moment, or has a time zone."""
    try:
        moments = pd.to_datetime(given, errors="coerce", format="ISO8601")
    except ValueError:  # several zones
        moments = pd.Series(pd.NaT, index=given.index)
    if getattr(moments.dtype, "tz", None) is not None:
        raise DataError(
            "the slots of the plan have a time zone: times are the shop's own, without one"
        )
    if moments.isna().any():
        wrong = given[moments.isna()].iloc[0]
        raise DataError(f"the plan has a slot {wrong}: a time like 2025-10-01T09:00 is needed")
    return moments


def _places(given: pd.Series, known: Sequence[str], what: str) -> np.ndarray:
    places = pd.Index(known).get_indexer(pd.Index(given.astype(str)))
    if (places < 0).any():
        name = str(given[places < 0].iloc[0])
        raise DataError(f"the plan has a {what} {name}: {near_matches(name, list(known), 5)}")
    return places.astype(np.int64)
