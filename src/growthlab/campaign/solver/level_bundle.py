"""Many limits: their prices by a level bundle method on the dual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog, nnls

from growthlab.campaign.solver.best_response import BestResponse
from growthlab.campaign.solver.dual import DualSolution
from growthlab.campaign.solver.plan_problem import Messages
from growthlab.core.seeding import random_stream

LEVEL = 0.3  # of the way from the lower to the upper bound, to which each step looks
MOST_STEPS = 300
MOST_CUTS = 150
NEAR = 2.5  # times yesterday's prices: the first bound of today's
HIGHEST = (
    1000  # times the first bound of the prices: a higher one belongs to minima that cannot be met
)


@dataclass(frozen=True)
class PriceMixture:
    """The best prices and their dual value; and prices, shape ``(n, n_rows)``, with a weight each."""

    best: np.ndarray
    bound: float
    prices: np.ndarray
    weights: np.ndarray

    def drawn(self, response: BestResponse, seed: int) -> Messages:
        """Each customer's response at one of the mixed prices."""
        n = response.problem.n_customers
        stream = random_stream(seed, "mixed prices")
        which = stream.choice(len(self.weights), size=n, p=self.weights / self.weights.sum())
        parts = []
        for k in np.unique(which):
            members = np.flatnonzero(which == k)
            asked = None if len(members) == n else members
            parts.append(response.at(self.prices[k], asked).messages)
        return Messages.joined(parts)


@dataclass(frozen=True)
class LevelBundle:
    """Prices at which the dual value is smallest (Lemarechal, Nemirovskii, Nesterov 1995).

    The dual value is convex, and each pass over the options gives a tangent below it. The next prices are the
    ones nearest to the best so far at which all tangents lie below a level between the bounds: a least
    distance problem, solved by non-negative least squares (Lawson and Hanson 1974, chapter 23). A linear
    programme over the tangents gives the lower bound and, by its own prices, the mixture of responses
    that solves the LP. It ends where the bounds differ by `tolerance`.
    """

    response: BestResponse
    tolerance: float = 1e-4
    seed: int = 0

    def solve(self, start: np.ndarray | None = None) -> DualSolution:
        """The optimum of the dual; `start` are yesterday's prices."""
        mixture = self.mixture(start)
        drawn = mixture.drawn(self.response, self.seed)
        return DualSolution(mixture.best, mixture.bound, drawn)

    def mixture(self, start: np.ndarray | None = None) -> PriceMixture:
        """The best prices, and those whose responses together solve the LP."""
        coupling = self.response.coupling
        rows = coupling.limited
        unit = coupling.unit[rows]
        point = np.zeros(len(rows)) if start is None else np.maximum(start[rows], 0) * unit
        best, upper = point, np.inf
        box = self._first_box(point)
        largest_box = HIGHEST * box.max(initial=0.0)
        if point.any():  # close to yesterday's prices tangents bound the optimum sooner
            box = np.minimum(box, NEAR * np.maximum(point, point.mean()))
        tangents = _Tangents(len(rows))
        mixture = np.ones(1)
        for _ in range(MOST_STEPS):
            value, slope = self._value(rows, point / unit)
            tangents.add(point, value, slope / unit)
            if value < upper:
                best, upper = point, value
            lower, mixture, lowest = tangents.lowest(box)
            if upper - lower <= self.tolerance * max(abs(upper), 1e-12):
                if (lowest < box / 2).all() or box.max() > largest_box:
                    break
                box = np.where(lowest < box / 2, box, 4 * box)
                lower, mixture, lowest = tangents.lowest(box)
            point = tangents.nearest(best, lower + LEVEL * (upper - lower), lowest)
            tangents.forget(mixture)
        prices = np.zeros(len(coupling.limits))
        prices[rows] = best / unit
        mixed = np.zeros((len(mixture), len(prices)))
        mixed[:, rows] = tangents.points / unit
        return PriceMixture(prices, upper, mixed, mixture)

    def _first_box(self, point: np.ndarray) -> np.ndarray:
        problem = self.response.problem
        finite = problem.value[np.isfinite(problem.value)]
        largest = float(np.abs(finite).max(initial=0.0))
        return np.maximum(np.full(len(point), 2 * largest + 1e-12), 4 * point)

    def _value(self, rows: np.ndarray, prices: np.ndarray) -> tuple[float, np.ndarray]:
        """The dual value and its slope in the prices of the rows."""
        coupling = self.response.coupling
        full = np.zeros(len(coupling.limits))
        full[rows] = prices
        response = self.response.at(full)
        limits = coupling.limits[rows]
        used = coupling.use(self.response.problem, response.messages)[rows]
        return float(response.reduced.sum() + prices @ limits), limits - used


class _Tangents:
    """Tangents ``value + slope (x - point)`` of a convex function of prices that are not negative."""

    def __init__(self, n: int) -> None:
        self.points, self.slopes, self.offsets = np.zeros((0, n)), np.zeros((0, n)), np.zeros(0)

    def add(self, point: np.ndarray, value: float, slope: np.ndarray) -> None:
        """Add the tangent at a point."""
        self.points = np.vstack([self.points, point])
        self.slopes = np.vstack([self.slopes, slope])
        self.offsets = np.append(self.offsets, value - slope @ point)

    def forget(self, mixture: np.ndarray) -> None:
        """Keep the newest tangents, and those on which the lower bound rests."""
        if len(self.offsets) > MOST_CUTS:
            kept = mixture > 0
            kept[-MOST_CUTS // 2 :] = True
            self.points, self.slopes = self.points[kept], self.slopes[kept]
            self.offsets = self.offsets[kept]

    def lowest(self, box: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """The lowest value of all tangents' maximum, their weights there, and the prices."""
        n = len(box)
        size = max(float(np.abs(self.slopes).max()), 1e-12)
        matrix = np.column_stack([self.slopes / size, -np.ones(len(self.offsets))])  # value / size
        result = linprog(
            np.append(np.zeros(n), 1.0),
            A_ub=matrix,
            b_ub=-self.offsets / size,
            bounds=[*((0.0, float(top)) for top in box), (None, None)],
            method="highs",
        )
        if not result.success:
            raise ArithmeticError(f"the bound of the prices cannot be computed: {result.message}")
        weights = np.maximum(-result.ineqlin.marginals, 0)
        return float(result.x[-1] * size), weights, result.x[:-1]

    def nearest(self, centre: np.ndarray, level: float, otherwise: np.ndarray) -> np.ndarray:
        """The prices nearest to `centre` at which no tangent is above the level."""
        # y = x - centre; minimise |y| with G y >= h
        gap = self.offsets + self.slopes @ centre - level
        norm = np.maximum(np.linalg.norm(self.slopes, axis=1), 1e-300)
        matrix = np.vstack([-self.slopes / norm[:, None], np.eye(len(centre))])
        right = np.concatenate([gap / norm, -centre])
        try:
            dual, _ = nnls(np.vstack([matrix.T, right]), np.append(np.zeros(len(centre)), 1.0))
        except RuntimeError:  # no convergence
            return otherwise
        rest = np.vstack([matrix.T, right]) @ dual - np.append(np.zeros(len(centre)), 1.0)
        if abs(rest[-1]) < 1e-13:
            return otherwise
        return np.maximum(centre - rest[:-1] / rest[-1], 0)
