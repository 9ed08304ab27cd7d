"""One budget: its price by bisection, over the customers who are still undecided between two prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from growthlab.campaign.solver.best_response import BestResponse
from growthlab.campaign.solver.dual import DualSolution
from growthlab.campaign.solver.plan_problem import Messages
from growthlab.core.seeding import random_stream

NARROW = 0.02  # of yesterday's price: the width of the first bracket
CLOSE = 1e-7  # of the bound: the width of the dual value at which the search ends
MOST_STEPS = 200


@dataclass(frozen=True)
class _Point:
    """The response of customers at a price, what each spends and gains: value less price times cost."""

    price: float
    messages: Messages
    place: np.ndarray  # of the customer of each message among those asked
    spent: np.ndarray
    gained: np.ndarray

    def only(self, which: np.ndarray) -> _Point:
        """The same of some of the customers."""
        inside = which[self.place]
        place = (np.cumsum(which) - 1)[self.place[inside]]
        return _Point(
            self.price, self.messages[inside], place, self.spent[which], self.gained[which]
        )


class BudgetBisection:
    """The price at which spending meets the budget (Sinha and Zoltners, Operations Research 1979).

    What a customer costs never rises with the price. One who costs the same at both ends of a bracket has
    the same messages at every price between, and is settled: each step looks only at the others.
    """

    def __init__(self, response: BestResponse, seed: int = 0) -> None:
        self.response, self.problem = response, response.problem
        self.stream = random_stream(seed, "undecided customers")
        self.budget = float(response.coupling.limits[response.coupling.budget])

    def solve(self, start: np.ndarray | None = None) -> DualSolution:
        """The optimum of the dual; `start` are yesterday's prices, from which it is found sooner."""
        everybody = np.arange(self.problem.n_customers)
        low, high = self._bracket(everybody, start)
        if low is None:
            bound = float(high.gained.sum()) + high.price * self.budget
            return DualSolution(self._prices(high.price), bound, high.messages)
        customers, settled = everybody, _Settled([])
        for step in range(1, MOST_STEPS + 1):
            undecided = low.spent != high.spent
            settled.add(high.only(~undecided))
            customers, low, high = customers[undecided], low.only(undecided), high.only(undecided)
            below, above = self._tangent(low, settled), self._tangent(high, settled)
            bound = min(below.value, above.value)
            crossing, lowest = below.crossing(above)
            # tangents can crawl from one side: every third step halves the bracket
            tried = crossing if step % 3 else (low.price + high.price) / 2
            if bound - lowest <= CLOSE * abs(bound) or not low.price < tried < high.price:
                break
            point = self._at(tried, customers)
            if settled.spent + float(point.spent.sum()) <= self.budget:
                high = point
            else:
                low = point
        weight = below.slope / (below.slope - above.slope)  # of the messages at the higher price
        at_high = self.stream.random(len(customers)) < weight
        drawn = [*settled.messages, high.only(at_high).messages, low.only(~at_high).messages]
        return DualSolution(self._prices(high.price), bound, Messages.joined(drawn))

    def _tangent(self, point: _Point, settled: _Settled) -> _Tangent:
        spent = settled.spent + float(point.spent.sum())
        gained = settled.value - point.price * settled.spent + float(point.gained.sum())
        return _Tangent(point.price, gained + point.price * self.budget, self.budget - spent)

    def _bracket(
        self, everybody: np.ndarray, start: np.ndarray | None
    ) -> tuple[_Point | None, _Point]:
        """Prices at which more and not more than the budget is spent; no lower one where 0 suffices."""
        known = 0.0 if start is None else float(start[self.response.coupling.budget])
        if known > 0:
            return self._bracket_around(known, everybody)
        low = self._at(0.0, everybody)
        if low.spent.sum() <= self.budget:
            return None, low
        high = self._at(self._typical_ratio(low), everybody)
        while high.spent.sum() > self.budget:
            low, high = high, self._at(high.price * 4, everybody)
        return low, high

    def _bracket_around(self, known: float, everybody: np.ndarray) -> tuple[_Point | None, _Point]:
        """A bracket that begins narrow and grows on the side on which the price must be."""
        point, width = self._at(known, everybody), NARROW
        if point.spent.sum() > self.budget:
            low, high = point, self._at(known * (1 + width), everybody)
            while high.spent.sum() > self.budget:
                width *= 8
                low, high = high, self._at(known * (1 + width), everybody)
            return low, high
        low, high = self._at(known * (1 - width), everybody), point
        while low.spent.sum() <= self.budget:
            if low.price == 0:
                return None, low
            width *= 8
            low, high = self._at(max(known * (1 - width), 0.0), everybody), low
        return low, high

    def _typical_ratio(self, point: _Point) -> float:
        """Value per cost over all messages that would be sent for nothing."""
        spent = float(point.spent.sum())
        return max(float(point.gained.sum()) / spent, 1e-12)

    def _at(self, price: float, customers: np.ndarray) -> _Point:
        prices = self._prices(price)
        asked = None if len(customers) == self.problem.n_customers else customers
        response = self.response.at(prices, asked)
        place = response.messages.customer
        if asked is not None:
            place = np.searchsorted(customers, place)
        cost = self.problem.cost_of(response.messages)
        return _Point(
            price,
            response.messages,
            place,
            np.bincount(place, cost, minlength=len(customers)),
            np.bincount(place, response.reduced, minlength=len(customers)),
        )

    def _prices(self, price: float) -> np.ndarray:
        prices = np.zeros(len(self.response.coupling.limits))
        prices[self.response.coupling.budget] = price
        return prices


@dataclass
class _Settled:
    """Customers whose messages are the same at all prices of the bracket."""

    messages: list[Messages]
    spent: float = 0.0
    value: float = 0.0

    def add(self, point: _Point) -> None:
        """Add customers with their messages at a price of the bracket."""
        self.messages.append(point.messages)
        self.spent += float(point.spent.sum())
        self.value += float((point.gained + point.price * point.spent).sum())


@dataclass(frozen=True)
class _Tangent:
    """The dual value at a price, and its slope: what of the budget is left there."""

    price: float
    value: float
    slope: float

    def crossing(self, other: _Tangent) -> tuple[float, float]:
        """The price at which two tangents meet, and their value there, a lower bound of the dual's."""
        if self.slope == other.slope:
            return (self.price + other.price) / 2, min(self.value, other.value)
        price = self.value - other.value + other.slope * other.price - self.slope * self.price
        price /= other.slope - self.slope
        return price, self.value + self.slope * (price - self.price)
