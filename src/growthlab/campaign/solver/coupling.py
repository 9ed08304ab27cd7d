"""The limits that customers share, one row each, and the prices that belong to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from growthlab.campaign.solver.plan_problem import Messages, PlanProblem


@dataclass(frozen=True)
class Coupling:
    """Rows ``use <= limit``: budget, channel budgets, capacities, stocks, ROI floor, minima.

    A row without a limit has the limit infinity and the price 0. The ROI floor is
    ``sum(roi_floor * cost - value) <= 0``, a minimum ``-messages <= -minimum``. `unit` is what a
    typical message uses of a row: prices times units compare with values.
    """

    limits: np.ndarray
    unit: np.ndarray
    budget: int
    channels: slice
    capacity: slice
    stock: slice
    roi: int
    minima: slice

    @classmethod
    def of_problem(cls, problem: PlanProblem) -> Coupling:
        """The rows of a problem, in their order."""
        n_channels, n_slots, n_offers = problem.n_channels, problem.n_slots, problem.n_offers
        n_minima = len(problem.minima)
        edges = np.cumsum([1, n_channels, n_channels * n_slots, n_offers, 1, n_minima])
        limits = np.full(edges[-1], np.inf)
        limits[0] = problem.budget
        parts = {1: problem.channel_budgets, 2: problem.capacity, 3: problem.stock}
        for part, given in parts.items():
            if given is not None:
                limits[edges[part - 1] : edges[part]] = np.asarray(given, dtype=float).ravel()
        if problem.roi_floor is not None:
            limits[edges[3]] = 0.0
        limits[edges[4] :] = np.where(problem.minima > 0, -problem.minima, np.inf)
        unit = np.ones(edges[-1])
        mean_cost = float(problem.cost.mean(dtype=np.float64)) if problem.cost.size else 0.0
        unit[: edges[0]] = unit[edges[0] : edges[1]] = mean_cost if mean_cost > 0 else 1.0
        if problem.roi_floor is not None:
            unit[edges[3]] = max(largest_value(problem), 1e-300)
        return cls(
            limits, unit, 0, slice(1, edges[1]), slice(edges[1], edges[2]),
            slice(edges[2], edges[3]), int(edges[3]), slice(edges[4], edges[5]),
        )  # fmt: skip

    @property
    def limited(self) -> np.ndarray:
        """The rows that have a limit."""
        return np.flatnonzero(np.isfinite(self.limits))

    def amounts(
        self, problem: PlanProblem, messages: Messages
    ) -> list[tuple[slice, np.ndarray, np.ndarray]]:
        """What messages use of each kind of row: ``(rows, row within them, amount)``, one a message."""
        ones = np.ones(len(messages))
        cost, channel = problem.cost_of(messages), messages.channel(problem)
        nothing = np.zeros(len(messages), dtype=np.int64)
        kinds = [
            (slice(0, 1), nothing, cost),
            (self.channels, channel, cost),
            (self.capacity, channel * problem.n_slots + messages.slot(problem), ones),
            (self.stock, messages.offer(problem), ones),
        ]
        if problem.roi_floor is not None:
            short = problem.roi_floor * cost - problem.value_of(messages)
            kinds.append((slice(self.roi, self.roi + 1), nothing, short))
        if len(problem.minima):
            assert problem.segments is not None
            kinds.append((self.minima, problem.segments[messages.customer], -ones))
        return kinds

    def use(self, problem: PlanProblem, messages: Messages) -> np.ndarray:
        """What the messages use of each row, shape ``(n_rows,)``."""
        used = np.zeros(len(self.limits))
        for rows, row, amount in self.amounts(problem, messages):
            used[rows] = np.bincount(row, amount, minlength=rows.stop - rows.start)
        return used


def largest_value(problem: PlanProblem) -> float:
    """The largest value of an option that is allowed; 0 without any."""
    if not problem.value.size:
        return 0.0
    return max(float(problem.value.max()), 0.0)
