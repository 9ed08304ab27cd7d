"""One call from a problem to its plan: exact where it is small, by prices where it is large."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from growthlab.campaign.solver.best_response import BestResponse
from growthlab.campaign.solver.budget_bisection import BudgetBisection
from growthlab.campaign.solver.coupling import Coupling
from growthlab.campaign.solver.dual import DualSolution
from growthlab.campaign.solver.exact import MIP_GAP, ExactProgramme
from growthlab.campaign.solver.level_bundle import LevelBundle
from growthlab.campaign.solver.plan_problem import Messages, PlanProblem
from growthlab.campaign.solver.rounding import Rounding
from growthlab.core.seeding import random_stream

EXACT, BISECTION, BUNDLE = "HiGHS", "bisection", "level bundle"
START = "yesterday's prices"
GOOD_ENOUGH = {BISECTION: 1e-5, BUNDLE: 1e-3}  # gaps at which a plan is taken
SMALL = 5_000  # options, up to which HiGHS takes seconds
RELEASED = 0.1  # of the customers, who are planned anew where the gap is too large
MOST_RELEASES = 5
SAMPLE = 50_000  # customers on whom yesterday's prices are brought up to date
MANY_SAMPLES = 4  # samples, from which on it is quicker
ENOUGH = 0.2  # of the gap: where planning anew gains less, it ends


@dataclass(frozen=True)
class PlanSolution:
    """The messages of a plan, what they are worth, and what no plan can exceed.

    Attributes
    ----------
    messages : within all limits, in the order of customers and options
    value : their sum
    bound : of every plan, from the LP's dual or from HiGHS
    prices : of each row of the `Coupling`: what one more unit of it would bring
    missing : messages that each minimum is short of; all zero where the plan meets them
    method : HiGHS, bisection, level bundle or yesterday's prices
    n_passes : over all options
    """

    messages: Messages
    value: float
    bound: float
    prices: np.ndarray
    missing: np.ndarray
    method: str
    n_passes: float

    @property
    def gap(self) -> float:
        """``(bound - value) / |bound|``: no plan is better by more; 0 where both are equal."""
        if self.bound == self.value:
            return 0.0
        return (self.bound - self.value) / max(abs(self.bound), 1e-300)


def solve(
    problem: PlanProblem,
    *,
    start: np.ndarray | None = None,
    method: str | None = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> PlanSolution:
    """The plan of a problem.

    Parameters
    ----------
    start : prices of an earlier plan with the same rows, from which prices are found sooner
    method : None chooses by the size and the number of limits
    tolerance : the gap at which a plan is taken; None: `GOOD_ENOUGH`, and `MIP_GAP` of HiGHS
    seed : of the draw between plans of equal value
    """
    coupling = Coupling.of_problem(problem)
    method = method or _method(problem, coupling)
    if method == EXACT:
        gap = MIP_GAP if tolerance is None else tolerance
        if (exact := _exactly(problem, coupling, gap)) is not None:
            return exact
        method = BUNDLE  # says what is missing
    response = BestResponse(problem, coupling)
    aim = _Aim(GOOD_ENOUGH[method] if tolerance is None else tolerance, seed)
    if start is not None and method == BUNDLE:
        early = _improved(_from_start(response, start, aim), response, aim)
        if early.gap <= aim.gap and not early.missing.any():
            return early
    return _improved(_by_prices(response, method, start, aim), response, aim)


@dataclass(frozen=True)
class _Aim:
    """The gap at which a plan is taken, and the seed of what is drawn."""

    gap: float
    seed: int

    @property
    def little(self) -> float:
        """The gap to which a plan is filled."""
        return self.gap / 10


def _exactly(problem: PlanProblem, coupling: Coupling, gap: float) -> PlanSolution | None:
    """HiGHS's plan; None where it finds none."""
    programme = ExactProgramme(problem, coupling)
    messages, bound = programme.solve(gap)
    if messages is None:
        return None
    _, prices = programme.relaxed()
    nothing_missing = np.zeros(len(problem.minima))
    return _solution(problem, messages, bound, prices, nothing_missing, EXACT, 1.0)


def _method(problem: PlanProblem, coupling: Coupling) -> str:
    if int(np.count_nonzero(np.isfinite(problem.value))) <= SMALL:
        return EXACT
    only_budget = set(coupling.limited.tolist()) <= {coupling.budget}
    return BISECTION if only_budget else BUNDLE


def _by_prices(
    response: BestResponse, method: str, start: np.ndarray | None, aim: _Aim
) -> PlanSolution:
    """The plan of a dual method."""
    little = aim.little
    if not len(response.coupling.limited):
        dual = _dual_at(response, np.zeros(len(response.coupling.limits)))
    elif method == BISECTION:
        if start is not None:
            little = aim.gap  # filling is a pass over all
            if (sample := _sample_of(response, aim.seed)) is not None:
                start = BudgetBisection(sample, aim.seed).solve(start).prices
                response.n_passes += sample.n_passes * SAMPLE / response.problem.n_customers
        dual = BudgetBisection(response, aim.seed).solve(start)
    else:
        dual = LevelBundle(response, aim.gap / 2, aim.seed).solve(start)
    return _rounded(response, dual, method, little)


def _from_start(response: BestResponse, start: np.ndarray, aim: _Aim) -> PlanSolution:
    """The plan from yesterday's prices, brought up to date on a sample where there are many customers.

    What the sample's mixture of prices leaves unused goes to the customers who are planned anew.
    """
    sample = _sample_of(response, aim.seed)
    if sample is None:
        return _rounded(response, _dual_at(response, start), START, aim.little)
    mixture = LevelBundle(sample, aim.gap / 10, aim.seed).mixture(start)
    response.n_passes += sample.n_passes * SAMPLE / response.problem.n_customers
    bound = _dual_at(response, mixture.best).bound
    dual = DualSolution(mixture.best, bound, mixture.drawn(response, aim.seed))
    return _rounded(response, dual, START, np.inf)


def _sample_of(response: BestResponse, seed: int) -> BestResponse | None:
    """The response of a sample of the customers to prices; None where there are few."""
    problem, n = response.problem, response.problem.n_customers
    if n < MANY_SAMPLES * SAMPLE:
        return None
    stream = random_stream(seed, "sample of customers")
    sample = problem.sample(np.sort(stream.choice(n, SAMPLE, replace=False)))
    return BestResponse(sample, Coupling.of_problem(sample))


def _dual_at(response: BestResponse, start: np.ndarray) -> DualSolution:
    """The dual value at given prices."""
    limited = response.coupling.limited
    prices = np.zeros(len(start))
    prices[limited] = np.maximum(start[limited], 0)
    worth = float(prices[limited] @ response.coupling.limits[limited])
    answer = response.at(prices)
    return DualSolution(prices, float(answer.reduced.sum()) + worth, answer.messages)


def _rounded(
    response: BestResponse, dual: DualSolution, method: str, little: float
) -> PlanSolution:
    """The plan from a dual solution; what it leaves unused is offered to all until the gap is `little`."""
    messages, missing = Rounding(response, dual, little).messages()
    return _solution(
        response.problem, messages, dual.bound, dual.prices, missing, method, response.n_passes
    )


def _improved(solution: PlanSolution, response: BestResponse, aim: _Aim) -> PlanSolution:
    """Plan some customers anew, with what the others leave, while the gap is too large.

    Rounding leaves unused what fits nobody at the prices of all. For a tenth of the customers this is
    a share that moves their prices; few of them are planned exactly.
    """
    problem, coupling = response.problem, response.coupling
    n, n_passes = problem.n_customers, solution.n_passes
    n_released = max(int(RELEASED * n), SMALL // max(problem.n_slots * problem.n_types, 1))
    for attempt in range(MOST_RELEASES):
        if solution.gap <= aim.gap or n_released >= n or solution.missing.any():
            break
        stream = random_stream(aim.seed, "released customers", attempt)
        released = np.sort(stream.choice(n, n_released, replace=False))
        among = np.isin(solution.messages.customer, released)
        kept, before = solution.messages[~among], solution.messages[among]
        left = coupling.limits - coupling.use(problem, kept)
        rows = replace(coupling, limits=np.where(np.isfinite(coupling.limits), left, np.inf))
        answer = _of_part(problem.of_customers(released, kept), rows, solution.prices, aim)
        n_passes += answer.n_passes * n_released / n
        gained = answer.value - float(problem.value_of(before).sum())
        enough = gained >= ENOUGH * (solution.bound - solution.value)
        if gained > 0 and not answer.missing.any():
            new = Messages(released[answer.messages.customer], answer.messages.option)
            solution = _solution(
                problem, kept.plus(new), solution.bound, solution.prices, solution.missing,
                solution.method, n_passes,
            )  # fmt: skip
        if not enough:
            break
    return replace(solution, n_passes=n_passes)


def _of_part(part: PlanProblem, coupling: Coupling, start: np.ndarray, aim: _Aim) -> PlanSolution:
    """The plan of some of the customers."""
    method = _method(part, coupling)
    if method == EXACT and (exact := _exactly(part, coupling, aim.gap / 10)) is not None:
        return exact
    return _by_prices(BestResponse(part, coupling), BUNDLE, start, aim)


def _solution(
    problem: PlanProblem,
    messages: Messages,
    bound: float,
    prices: np.ndarray,
    missing: np.ndarray,
    method: str,
    n_passes: float,
) -> PlanSolution:
    messages = messages[np.lexsort((messages.option, messages.customer))]
    value = float(problem.value_of(messages).sum())
    return PlanSolution(messages, value, bound, prices, missing, method, n_passes)
