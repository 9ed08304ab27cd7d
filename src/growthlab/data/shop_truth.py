"""Truth: expectations that only the generator of a simulated shop knows, for tests and oracles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np

from growthlab.core.errors import DataError
from growthlab.core.histories import UNKNOWN, codes_of
from growthlab.data.shop_customers import Customer, Population
from growthlab.data.shop_visits import (
    Clock,
    CustomerState,
    Message,
    order_probability,
    simulate_visits,
)
from growthlab.data.shop_world import SALE_DISCOUNT, World

MOST_STEPS = 12


@dataclass(frozen=True)
class ShopTruth:
    """Expectations about the customers of a shop at a moment, computed from their settings.

    Moments are datetimes or ISO strings, horizons are days. All methods assume that no campaign is
    sent after the moment (newsletters only cause visits, never orders). `messages` are those that
    customers received before it, by customer number. Unknown users raise a DataError.
    """

    world: World
    start: datetime
    n_users: int
    messages: dict[int, list[Message]] = field(default_factory=dict)
    _states: dict[float, dict[int, CustomerState]] = field(default_factory=dict, repr=False)

    def alive(self, user_ids: Sequence[str] | np.ndarray, at: datetime | str) -> np.ndarray:
        """Whether each customer has arrived and not dropped out, shape ``(n,)``, bool."""
        day = self._day(at)
        customers = self._customers(user_ids)
        return np.array(
            [c.arrival <= day < self._state(c, day).leaves for c in customers], dtype=bool
        )

    def churn_probability(
        self, user_ids: Sequence[str] | np.ndarray, at: datetime | str, horizon: float
    ) -> np.ndarray:
        """P(no order in ``[at, at + horizon)``), given whether the customer is alive, shape ``(n,)``.

        1 for customers who have dropped out, NaN for those who have not arrived yet.
        """
        day = self._day(at)
        busy = self._operational_days(day, horizon)
        customers, alive = self._customers(user_ids), self.alive(user_ids, at)
        silent = np.ones(len(customers))
        for n in np.flatnonzero(alive):
            rates = customers[n].order_rate * busy
            leaving = customers[n].drop_rate * _day_lengths(horizon)
            both = rates + leaving
            reached = np.exp(-np.concatenate([[0.0], np.cumsum(both)[:-1]]))
            silent[n] = 1 - np.sum(reached * rates / both * -np.expm1(-both))
        silent[[c.arrival > day for c in customers]] = np.nan
        return silent

    def expected_orders(
        self, user_ids: Sequence[str] | np.ndarray, at: datetime | str, horizon: float
    ) -> np.ndarray:
        """Expected orders in ``[at, at + horizon)``, shape ``(n,)``.

        0 for customers who have dropped out, NaN for those who have not arrived yet.
        """
        day = self._day(at)
        busy, lengths = self._operational_days(day, horizon), _day_lengths(horizon)
        customers, alive = self._customers(user_ids), self.alive(user_ids, at)
        orders = np.zeros(len(customers))
        for n in np.flatnonzero(alive):
            leaving = customers[n].drop_rate * lengths
            reached = np.exp(-np.concatenate([[0.0], np.cumsum(leaving)[:-1]]))
            orders[n] = np.sum(
                customers[n].order_rate * busy * reached * -np.expm1(-leaving) / leaving
            )
        orders[[c.arrival > day for c in customers]] = np.nan
        return orders

    def expected_spend(
        self, user_ids: Sequence[str] | np.ndarray, at: datetime | str, horizon: float
    ) -> np.ndarray:
        """Expected spend in ``[at, at + horizon)`` before returns, shape ``(n,)``.

        Expected orders times lines per order times the price of a line under `line_shares`.
        """
        shelf, day = self.world.shelf, self._day(at)
        weeks = np.arange(int(day // 7), int((day + horizon) // 7) + 1)
        off = SALE_DISCOUNT * np.mean([self.world.on_sale(int(w)) for w in weeks], axis=0)
        paid = shelf.price * (1 - off[shelf.category])
        customers = self._customers(user_ids)
        shares = self.line_shares(user_ids, at, horizon)
        pieces = np.array([c.mean_pieces(shelf.consumable) for c in customers])
        vouchers = np.array([c.mean_voucher for c in customers])
        line_price = (shares * pieces * paid).sum(axis=1) - vouchers * (
            shares * pieces * shelf.price
        ).sum(axis=1)
        n_orders = self.expected_orders(user_ids, at, horizon)
        return n_orders * _mean_lines(self.world.basket) * line_price

    def taste_scores(
        self,
        user_ids: Sequence[str] | np.ndarray,
        item_ids: Sequence[str] | np.ndarray,
        at: datetime | str,
        horizon: float = 28.0,
    ) -> np.ndarray:
        """The oracle's scores, shape ``(n_users, n_items)``: higher for items more likely bought.

        Shares of the user's order lines in the horizon, see `line_shares`; 0 for items that are not
        launched yet or not in this shop.
        """
        shelf = self.world.shelf
        order = np.argsort(shelf.item_ids)
        places = codes_of(item_ids, shelf.item_ids[order])
        shares = self.line_shares(user_ids, at, horizon)[:, order]
        return np.where(places == UNKNOWN, 0.0, shares[:, places])

    def line_shares(
        self, user_ids: Sequence[str] | np.ndarray, at: datetime | str, horizon: float = 28.0
    ) -> np.ndarray:
        """Expected share of each item of the shelf in a user's order lines, ``(n_users, n)``.

        A mixture of repeats, wishes and viewed items. Repeats and wishes are those at the moment,
        although they change with each order; viewed items are the mean over the steps that the user
        is expected to make from the last item within the horizon (12 at most). Rows sum to 1;
        customers who have dropped out get the shares that they would have without dropping out.
        """
        day = self._day(at)
        customers = self._customers(user_ids)
        states = [self._state(c, day) for c in customers]
        on_sale = int(self.world.shelf.for_sale(day))
        shares = self._view_shares(customers, states, on_sale, horizon)
        repeated, wished = np.zeros_like(shares), np.zeros_like(shares)
        for n, state in enumerate(states):
            np.add.at(repeated[n], state.bought, 1.0)
            repeated[n] *= self.world.repeat / max(len(state.bought), 1)
            repeated_share = repeated[n].sum()
            wished[n, state.wishes] = self.world.intent / max(len(state.wishes), 1)
            shares[n] *= 1 - repeated_share - wished[n].sum()
        return shares + repeated + wished

    def campaign_effect(
        self, user_ids: Sequence[str] | np.ndarray, at: datetime | str, offer: float, horizon: float
    ) -> np.ndarray:
        """Expected orders that one message at the moment adds within the horizon, shape ``(n,)``.

        Negative where it costs more orders than it brings; 0 after drop-out. `offer` is the share
        taken off the price.
        """
        orders = self.expected_orders(user_ids, at, horizon)
        customers, alive = self._customers(user_ids), self.alive(user_ids, at)
        annoyed = np.array([c.annoyance for c in customers])
        brings = np.array([c.response * order_probability(c, offer) for c in customers])
        return np.where(alive, (1 - annoyed) * brings - annoyed * orders, 0.0)

    @cached_property
    def _population(self) -> Population:
        return Population(self.world, self.n_users)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {c.user_id: c.number for c in self._population.customers}

    def _customers(self, user_ids: Sequence[str] | np.ndarray) -> list[Customer]:
        unknown = [u for u in user_ids if str(u) not in self._numbers]
        if unknown:
            raise DataError(f"{len(unknown)} users are not in this shop, the first is {unknown[0]}")
        return [self._population.customers[self._numbers[str(u)]] for u in user_ids]

    def _day(self, at: datetime | str) -> float:
        moment = datetime.fromisoformat(at) if isinstance(at, str) else at
        return (moment - self.start).total_seconds() / 86_400

    def _state(self, customer: Customer, day: float) -> CustomerState:
        """The customer's state at a moment, from simulating all visits before it; cached."""
        states = self._states.setdefault(day, {})
        if customer.number not in states:
            clock = self._clock(day)
            received = [m for m in self.messages.get(customer.number, ()) if m.day < day]
            states[customer.number] = simulate_visits(self.world, customer, clock, day, received)[1]
        return states[customer.number]

    def _clock(self, day: float) -> Clock:
        return Clock(self.world.intensity(self.start, int(np.ceil(day)) + 1))

    def _operational_days(self, day: float, horizon: float) -> np.ndarray:
        """The operational time of each day of the horizon (the last day may be partial)."""
        clock = self._clock(day + horizon)
        edges = day + np.concatenate([[0.0], np.cumsum(_day_lengths(horizon))])
        return np.diff([clock.operational(e) for e in edges])

    def _view_shares(
        self, customers: list[Customer], states: list[CustomerState], on_sale: int, horizon: float
    ) -> np.ndarray:
        """Mean share of each item over the next steps of each user, shape ``(n_users, n)``."""
        world, shelf = self.world, self.world.shelf
        taste = np.exp(np.array([c.taste(world) for c in customers]).reshape(-1, len(shelf.launch)))
        taste[:, on_sale:] = 0.0
        taste /= taste.sum(axis=1, keepdims=True)
        if not world.sequence:
            return taste
        follows = shelf.transitions.copy().tolil()
        follows[:, on_sale:] = 0.0
        follows = follows.tocsr()
        current = np.zeros_like(taste)
        has_viewed = np.array([s.last >= 0 for s in states])
        current[np.flatnonzero(has_viewed), [s.last for s in states if s.last >= 0]] = 1.0
        n_visits = np.array([min(horizon, 1 / c.drop_rate) * c.visit_rate for c in customers])
        steps = np.clip(np.ceil(n_visits * world.views), 1, MOST_STEPS)
        total = np.zeros_like(taste)
        for step in range(int(steps.max())):
            followed = world.sequence * (follows.T @ current.T).T
            current = followed + (1 - followed.sum(axis=1, keepdims=True)) * taste
            total += current * (step < steps)[:, None]
        return total / steps[:, None]


def _day_lengths(horizon: float) -> np.ndarray:
    """The lengths of the days of a horizon: 1, and the rest for the last day."""
    whole = int(horizon)
    rest = [horizon - whole] if horizon > whole else []
    return np.concatenate([np.ones(whole), rest])


def _mean_lines(basket: float) -> float:
    """Mean lines of an order: 1 plus a Poisson number, 6 at most."""
    from scipy.stats import poisson

    extra = np.arange(0, 40)
    return float(np.minimum(1 + extra, 6) @ poisson.pmf(extra, basket - 1)) if basket > 1 else 1.0
