"""Exploration: messages drawn at random with probabilities that are known before they are drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from growthlab.campaign.solver.coupling import Coupling
from growthlab.campaign.solver.plan_problem import Messages, PlanProblem

SURE = 4.0  # standard deviations between what is expected and a limit


@dataclass(frozen=True)
class Exploration:
    """What the exploring customers are sent, and with which probability each gets its message or none.

    A customer gets a message with probability `share`, one of the allowed ones, each as probable as the
    others. `probability` is given to each exploring customer, of what was drawn.
    """

    messages: Messages
    share: float
    probability: np.ndarray

    @classmethod
    def draw(
        cls,
        problem: PlanProblem,
        customers: np.ndarray,
        gets: np.ndarray,
        which: np.ndarray,
        most: float,
    ) -> Exploration:
        """Draw by uniform numbers `gets` and `which` of each customer, within `most` of each limit.

        The share is 1, or as large as the limits bear: it is set by what is expected to be used, never
        by what was drawn, and halved in the rare case that what was drawn does not fit. Options are the
        finite ones; windows are looked at for a single message each.
        """
        finite = np.isfinite(problem.flat_value[customers])
        n_allowed = finite.sum(axis=1)
        share = _share(problem, customers, finite, n_allowed, most)
        place = np.minimum((which * n_allowed).astype(np.int64), np.maximum(n_allowed - 1, 0))
        option = (np.cumsum(finite, axis=1) > place[:, None]).argmax(axis=1)
        while True:
            drawn = (gets < share) & (n_allowed > 0)
            messages = Messages(customers[drawn], option[drawn])
            if _fits(problem, messages, most) or share == 0:
                break
            share = share / 2 if share > 1e-6 else 0.0
        probability = np.where(
            drawn, share / np.maximum(n_allowed, 1), np.where(n_allowed > 0, 1 - share, 1.0)
        )
        return cls(messages, float(share), probability)


def offer_chances(problem: PlanProblem, customers: np.ndarray, share: float) -> np.ndarray:
    """The probability of each offer, over its channels and slots, for an exploring customer.

    Shape ``(n_customers, n_offers)``; the rest of 1 is that of no message.
    """
    finite = np.isfinite(problem.value[customers])
    by_type = finite.sum(axis=1).reshape(len(customers), problem.n_channels, problem.n_offers)
    by_offer = by_type.sum(axis=1)
    chances: np.ndarray = share * by_offer / np.maximum(by_offer.sum(axis=1, keepdims=True), 1)
    return chances


def _share(
    problem: PlanProblem,
    customers: np.ndarray,
    finite: np.ndarray,
    n_allowed: np.ndarray,
    most: float,
) -> float:
    """The largest share at which what is expected stays `SURE` deviations below each limit."""
    coupling = _without_aims(problem, most)
    asked, option = np.nonzero(finite)
    all_options = Messages(customers[asked], option)
    expected = np.zeros(len(coupling.limits))
    variance = np.zeros(len(coupling.limits))
    for rows, row, amount in coupling.amounts(problem, all_options):
        n_rows = rows.stop - rows.start
        chance = 1 / n_allowed[asked]
        expected[rows] = np.bincount(row, amount * chance, minlength=n_rows)
        variance[rows] = np.bincount(row, amount**2 * chance, minlength=n_rows)
    limited = np.isfinite(coupling.limits) & (expected > 0)
    mean, spread, limit = expected[limited], variance[limited], coupling.limits[limited]
    # share * mean + SURE * sqrt(share * variance) <= limit, a quadratic in the root of the share
    root = (np.sqrt(SURE**2 * spread + 4 * mean * limit) - SURE * np.sqrt(spread)) / (2 * mean)
    return float(min(root.min(initial=1.0), 1.0) ** 2)


def _fits(problem: PlanProblem, messages: Messages, most: float) -> bool:
    coupling = _without_aims(problem, most)
    return bool((coupling.use(problem, messages) <= coupling.limits).all())


def _without_aims(problem: PlanProblem, most: float) -> Coupling:
    """A part of the limits, without ROI floor and minima, which are for the plan to meet."""
    coupling = Coupling.of_problem(problem)
    limits = np.where(np.isfinite(coupling.limits), most * coupling.limits, np.inf)
    limits[coupling.roi] = np.inf
    limits[coupling.minima] = np.inf
    return replace(coupling, limits=limits)
