"""What a message truly changes: the expected profit of every option, from the market's own probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from growthlab.core.errors import DataError
from growthlab.data.market.market_items import DAYS, WEEK, WEEKS
from growthlab.data.market.messages import Answers, MonthMessages, fatigue_after
from growthlab.data.market.rates import MonthRates
from growthlab.data.market.state import MarketWorld


@dataclass(frozen=True)
class TrueEffects:
    """The effect of a single message in a month, by customer, offer, channel and slot.

    `month` is what it adds to the expected profit of the month, its own cost deducted: exact for a customer
    who gets no other message in the month. `later` is what follows: stocks filled early, satisfaction lost,
    customers who leave and channels that are closed. It is an estimate, by which the market goes on as in the
    last week of the month, without more messages, and a closed channel costs the best message of each month.
    Both have shape ``(n, n_offers, n_channels, n_slots)``. `without` is the expected profit of the month
    without messages, ``(n,)``.
    """

    offers: list[str]
    channels: list[str]
    slots: pd.DatetimeIndex
    month: np.ndarray
    later: np.ndarray
    without: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """Both together: what the best plan maximises."""
        return self.month + self.later


def true_effects(world: MarketWorld, rates: MonthRates, slots: Sequence[datetime]) -> TrueEffects:
    """The effects of every offer in every channel at some moments of the month.

    Raises
    ------
    DataError
        A slot outside the month.
    """
    moments = pd.DatetimeIndex(sorted(slots))
    days = np.floor((moments - rates.first_day) / pd.Timedelta(days=1)).astype(int)
    if len(moments) and not (days.min() >= 0 and days.max() < DAYS):
        raise DataError(f"slots must be in the {DAYS} days from {rates.first_day:%Y-%m-%d} on")
    parameters, n = world.parameters, len(world.customers)
    offers, channels = list(parameters.offers), list(parameters.channels)
    course = ExpectedCourse.of(world, rates)
    month = np.zeros((n, len(offers), len(channels), len(moments)))
    pulled = np.zeros_like(month)
    everybody = np.arange(n)
    for place, (moment, day) in enumerate(zip(moments, days.tolist(), strict=True)):
        ahead = course.at(day)
        for o in range(len(offers)):
            for c in range(len(channels)):
                messages = MonthMessages(
                    everybody,
                    np.full(n, o),
                    np.full(n, c),
                    np.full(n, day),
                    np.full(n, moment.hour + moment.minute / 60),
                )
                fatigue = fatigue_after(world, rates.state.fatigue, day)
                answers = Answers.to(world, messages, fatigue)
                gained, missed = ahead.gained(world, rates, day, answers)
                month[:, o, c, place] = gained
                pulled[:, o, c, place] = missed
    alive = rates.state.alive
    month[~alive] = -_costs(world)[None, None, :, None]
    later = np.where(
        alive[:, None, None, None], pulled + _reach(world, rates, course, month, days), 0.0
    )
    return TrueEffects(offers, channels, moments, month, later, course.without)


@dataclass(frozen=True)
class ExpectedCourse:
    """The month without messages: where stocks will be, and what each stage is still worth.

    `stages` and the values are of the moment of a day after visits and before stocks are used, by day, in
    shape ``(n, n_categories, n_stages)`` each.
    """

    stages: list[np.ndarray]  # P(stage)
    value: list[np.ndarray]  # expected profit of the rest of the month
    after: list[np.ndarray]  # expected profit of the days after the month, see future.days
    codes: list[np.ndarray]  # expected spend in the days for which a code sent today holds
    without: np.ndarray  # expected profit of the month, (n,)

    @classmethod
    def of(cls, world: MarketWorld, rates: MonthRates) -> ExpectedCourse:
        """By dynamic programming over days, which is exact as categories share only the visits."""
        step = _Steps(world, rates)
        state = rates.state
        stages = np.zeros((*state.stock.shape, world.parameters.stages + 1))
        np.put_along_axis(stages, state.stock[:, :, None], 1.0, axis=2)
        at_day = []
        for day in range(DAYS):
            stages = step.visited(stages, day)
            at_day.append(stages)
            stages = step.used(stages)
        value = np.zeros_like(stages)
        after = step.future()
        values, afters = [], []
        for day in reversed(range(DAYS)):
            value, after = step.before_use(value), step.before_use(after)
            values.append(value)
            afters.append(after)
            value = step.before_visit(value, day, rates.margin)
            after = step.before_visit(after, day, None)
        codes = [step.code_spend(day) for day in range(DAYS)]
        start = np.take_along_axis(value, state.stock[:, :, None], axis=2)
        return cls(at_day, values[::-1], afters[::-1], codes, start.sum((1, 2)))

    def at(self, day: int) -> Ahead:
        """What lies ahead on a day."""
        return Ahead(self.stages[day], self.value[day], self.after[day], self.codes[day])


@dataclass(frozen=True)
class Ahead:
    """An `ExpectedCourse` on a day."""

    stages: np.ndarray
    value: np.ndarray
    after: np.ndarray
    codes: np.ndarray

    def gained(
        self, world: MarketWorld, rates: MonthRates, day: int, answers: Answers
    ) -> tuple[np.ndarray, np.ndarray]:
        """What a message to each customer adds to the month, and to the days after it, ``(n,)`` each."""
        week = day // WEEK
        buys = self.stages * rates.buys(world, week, slice(None), answers.need)
        buys = buys * answers.visit[:, None, None]
        order = rates.margin[:, week] - answers.discount[:, None] * rates.spend[:, week]
        filled = self.value[..., -1:] - self.value
        lost = world.parameters.messages["redeems"] * answers.discount
        code = (self.stages * self.codes + buys * (self.codes[..., -1:] - self.codes)).sum((1, 2))
        gained = (buys * (order[..., None] + filled)).sum((1, 2)) - lost * code
        missed = (buys * (self.after[..., -1:] - self.after)).sum((1, 2))
        return gained - answers.visit * answers.gift - answers.cost, missed


class _Steps:
    """Single steps of the chain of a stock's stages, forwards for chances and backwards for values."""

    def __init__(self, world: MarketWorld, rates: MonthRates) -> None:
        self.world, self.rates = world, rates
        everybody = slice(None)
        self.buys = [rates.buys(world, week, everybody) for week in range(WEEKS)]

    def visited(self, stages: np.ndarray, day: int) -> np.ndarray:
        """After the visits of a day: who buys has a full stock."""
        bought = stages * self.buys[day // WEEK] * self.rates.visits[:, day, None, None]
        after: np.ndarray = stages - bought
        after[..., -1] += bought.sum(axis=2)
        return after

    def used(self, stages: np.ndarray) -> np.ndarray:
        """After a day's use: stocks that are not empty fall by a stage at random."""
        falls = stages[..., 1:] * self.rates.used[..., None]
        after = stages.copy()
        after[..., 1:] -= falls
        after[..., :-1] += falls
        return after

    def before_use(self, value: np.ndarray) -> np.ndarray:
        """The value of each stage before a day's use, from that after it."""
        used = self.rates.used[..., None]
        before = value.copy()
        before[..., 1:] = (1 - used) * value[..., 1:] + used * value[..., :-1]
        return before

    def before_visit(self, value: np.ndarray, day: int, gain: np.ndarray | None) -> np.ndarray:
        """The value before a day's visits; `gain` is that of a purchase, ``(n, WEEKS, n_categories)``."""
        week = day // WEEK
        bought = self.buys[week] * self.rates.visits[:, day, None, None]
        full = value[..., -1:]
        if gain is not None:
            full = full + gain[:, week, :, None]
        before: np.ndarray = value + bought * (full - value)
        return before

    def future(self) -> np.ndarray:
        """The value of each stage at the end of the month, for the days after it."""
        value = np.zeros_like(self.buys[0])
        for _ in range(int(self.world.parameters.future["days"])):
            value = self.before_visit(self.before_use(value), DAYS - 1, self.rates.margin)
        return value

    def code_spend(self, day: int) -> np.ndarray:
        """Expected spend without message in the days after a day for which a code holds."""
        last = min(day + int(self.world.parameters.messages["valid_days"]) - 1, DAYS - 1)
        spend = np.zeros_like(self.buys[0])
        for later in range(last, day, -1):
            spend = self.before_visit(self.before_use(spend), later, self.rates.spend)
        return self.before_use(spend)


def _reach(
    world: MarketWorld,
    rates: MonthRates,
    course: ExpectedCourse,
    month: np.ndarray,
    days: np.ndarray,
) -> np.ndarray:
    """What annoyance costs later: fewer visits, customers who leave, and channels that are closed."""
    future, own, n = world.parameters.future, world.parameters.satisfaction, len(world.customers)
    leaving = rates.state.leaving(world)
    stays = np.minimum(1 / np.maximum(leaving, 1e-9), future["months"])
    monthly = (course.stages[-1] * course.after[-1]).sum((1, 2)) * DAYS / future["days"]
    worth = monthly * stays
    # what is lost of the satisfaction comes back month by month: in sum so many months of all of it
    missing = own["message"] / own["recovers"]
    annoyed = missing * (own["visits"] * monthly + own["leaving"] * leaving * worth)
    best = np.maximum(month.max(axis=(1, 3), initial=0.0), 0.0)  # (n, n_channels)
    later = np.zeros_like(month)
    everybody, zeros = np.arange(n), np.zeros(n, dtype=np.int64)
    for c in range(month.shape[2]):
        for place, day in enumerate(days.tolist()):
            fatigue = fatigue_after(world, rates.state.fatigue, day)
            of_channel = MonthMessages(everybody, zeros, zeros + c, zeros + day, np.zeros(n))
            answers = Answers.to(world, of_channel, fatigue)
            lost = answers.leaves * worth + answers.opts_out * best[:, c] * stays
            later[:, :, c, place] = -(lost + annoyed * (1 + fatigue))[:, None]
    return later


def _costs(world: MarketWorld) -> np.ndarray:
    """The cost of a contact in each channel."""
    return np.array([channel["cost"] for channel in world.parameters.channels.values()])
