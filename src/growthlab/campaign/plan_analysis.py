"""What else is asked of a plan: its value at other budgets, and how much rests on uncertain values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from growthlab.campaign.planning import CampaignPlan
from growthlab.campaign.solver.plan_problem import Messages, PlanProblem
from growthlab.campaign.solver.solve import solve
from growthlab.core.seeding import random_stream

MOST_CUSTOMERS = (
    20_000  # of the planned arm, beyond which a sample with its share of the limits is asked
)
GAP = 1e-3  # at which a plan of the analysis is taken: many are made, and none is carried out
BUDGETS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)  # times the budget


def value_by_budget(plan: CampaignPlan) -> list[tuple[float, float]]:
    """Value of the planned arm at budgets from nothing to twice its own; without a budget, what it costs."""
    problem, share = _sampled(plan)
    own = problem.budget
    if not np.isfinite(own):
        own = share * float(plan.problem.cost_of(plan.solution.messages).sum())
    if own <= 0:
        return [(0.0, 0.0)]
    curve, start = [], plan.solution.prices
    for times in BUDGETS:
        solution = solve(
            replace(problem, budget=times * own, minima=0 * problem.minima),
            start=start,
            tolerance=GAP,
        )
        curve.append((times * own / share, solution.value / share))
    return curve


def changed_customers(plan: CampaignPlan, spread: np.ndarray, n_draws: int) -> np.ndarray:
    """The share of the planned arm whose offers or channels change, in each of `n_draws` draws of the values.

    `spread` is the standard deviation of each value, shape ``(n_customers, n_types)``; a draw moves the
    values of a customer's offers independently.
    """
    problem, _ = _sampled(plan)
    customers = _sample(plan)
    seed = plan.options.settings.seed
    before = solve(problem, start=plan.solution.prices, tolerance=GAP, seed=seed)
    scale = spread[plan.planned[customers]].astype(problem.value.dtype)[:, None, :]
    shares = []
    for draw in range(n_draws):
        stream = random_stream(seed, "draw of values", draw)
        moved = problem.value + scale * stream.standard_normal(scale.shape).astype(scale.dtype)
        moved_problem = replace(problem, value=moved)
        solution = solve(moved_problem, start=before.prices, tolerance=GAP, seed=seed)
        shares.append(_n_changed(problem, before.messages, solution.messages))
    return np.array(shares) / max(problem.n_customers, 1)


def _sample(plan: CampaignPlan) -> np.ndarray:
    n = plan.problem.n_customers
    if n <= MOST_CUSTOMERS:
        return np.arange(n)
    stream = random_stream(plan.options.settings.seed, "customers of the analysis")
    return np.sort(stream.choice(n, MOST_CUSTOMERS, replace=False))


def _sampled(plan: CampaignPlan) -> tuple[PlanProblem, float]:
    """The problem of a sample with its share of all limits, and the share."""
    problem, customers = plan.problem, _sample(plan)
    share = len(customers) / max(problem.n_customers, 1)
    if share == 1 or not len(customers):
        return problem, 1.0
    return problem.sample(customers), share


def _n_changed(problem: PlanProblem, before: Messages, after: Messages) -> int:
    """Customers who have an offer in a channel in one of two plans and not in the other."""
    n_types = problem.n_types
    old, new = (np.unique(m.customer * n_types + m.type(problem)) for m in (before, after))
    return len(np.unique(np.setxor1d(old, new, assume_unique=True) // n_types))
