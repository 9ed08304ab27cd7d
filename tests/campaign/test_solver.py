from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.campaign.random_problems import random_problem

from growthlab.campaign.solver import exact
from growthlab.campaign.solver import solve as solving
from growthlab.campaign.solver.contact_windows import ContactCap, ContactWindows, Schedules
from growthlab.campaign.solver.coupling import Coupling
from growthlab.campaign.solver.exact import ExactProgramme
from growthlab.campaign.solver.plan_problem import PlanProblem
from growthlab.campaign.solver.solve import BISECTION, BUNDLE, EXACT, PlanSolution, solve
from growthlab.core.errors import ConfigError


def within_limits(problem: PlanProblem, solution: PlanSolution) -> bool:
    """Whether the messages satisfy the rows of HiGHS's programme, which are built apart."""
    programme = ExactProgramme(problem, Coupling.of_problem(problem))
    options = programme.options.customer * problem.n_slots * problem.n_types
    keys = options + programme.options.option
    messages = solution.messages
    chosen = messages.customer * problem.n_slots * problem.n_types + messages.option
    x = np.isin(keys, chosen).astype(float)
    slack = programme.limits - programme.matrix @ x
    return x.sum() == len(messages) and bool((slack >= -1e-6).all())


# science.md 8, MCKP: LP 16.5 at a budget price of 1.5, integer optimum 15 (the first option each)
@pytest.fixture
def golden() -> PlanProblem:
    value = np.array([[[5.0, 8.0]], [[4.0, 3.0]], [[6.0, 9.0]]])
    cost = np.array([[[1.0, 3.0]], [[1.0, 1.5]], [[2.0, 4.0]]])
    return PlanProblem(value=value, cost=cost, n_offers=2, slot_days=np.zeros(1, int), budget=5.0)


def test_the_knapsack_of_the_golden_values_is_solved_exactly(golden: PlanProblem) -> None:
    solution = solve(golden)
    assert solution.method == EXACT
    assert solution.value == 15
    assert solution.messages.option.tolist() == [0, 0, 0]
    assert golden.cost_of(solution.messages).sum() == 4
    assert solution.prices[0] == pytest.approx(1.5)


@pytest.mark.parametrize("method", [BISECTION, BUNDLE])
def test_both_dual_methods_reach_the_golden_bound_and_price(
    golden: PlanProblem, method: str
) -> None:
    solution = solve(golden, method=method, tolerance=1e-8)
    assert solution.bound == pytest.approx(16.5, abs=1e-5)
    assert solution.value == 15
    assert solution.prices[0] == pytest.approx(1.5, abs=1e-6)


@pytest.mark.parametrize("block", range(6))
def test_plans_of_300_small_problems_equal_the_optimum_to_the_gap_they_print(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        single = seed % 3 == 0
        problem = random_problem(seed, n=8, single=single)
        optimum = solve(problem, method=EXACT)
        assert optimum.gap <= 1e-6, seed
        solution = solve(problem, method=BISECTION if single else BUNDLE, tolerance=1e-4)
        assert within_limits(problem, solution), seed
        close = 1e-6 * (1 + abs(optimum.value))
        assert solution.value <= optimum.value + close, seed
        assert optimum.value <= solution.bound + close, seed
        assert solution.value >= optimum.value - solution.gap * abs(solution.bound) - close, seed


@pytest.mark.parametrize("seed", range(20))
def test_the_bound_is_the_optimum_of_the_linear_programme(seed: int) -> None:
    problem = random_problem(seed, n=15, single=seed % 3 == 0)
    relaxed, _ = ExactProgramme(problem, Coupling.of_problem(problem)).relaxed()
    solution = solve(problem, method=BISECTION if seed % 3 == 0 else BUNDLE, tolerance=1e-7)
    assert solution.bound == pytest.approx(relaxed, rel=1e-5, abs=1e-6)


def test_a_larger_budget_never_lowers_the_value() -> None:
    problem = random_problem(3, single=True)
    values = [solve(replace(problem, budget=b)).value for b in (0.0, 1.0, 2.0, 4.0, 8.0, np.inf)]
    assert values == sorted(values)
    assert values[0] < values[-1]


def test_customers_who_are_all_alike_are_split_between_two_offers() -> None:
    # value 1 for cost 1, or 3 for cost 4: with 2.5 a customer half of them get each, 2 a customer
    value = np.tile(np.array([1.0, 3.0]), (10_000, 1, 1))
    cost = np.tile(np.array([1.0, 4.0]), (10_000, 1, 1))
    problem = PlanProblem(
        value=value, cost=cost, n_offers=2, slot_days=np.zeros(1, int), budget=25_000.0
    )
    for method in (BISECTION, BUNDLE):
        solution = solve(problem, method=method)
        assert solution.bound == pytest.approx(20_000.0, rel=1e-3)
        assert solution.value >= 19_900


def test_yesterday_s_prices_give_the_plan_of_the_same_problem_in_fewer_passes() -> None:
    rng = np.random.default_rng(0)
    value = rng.random((20_000, 2, 4)).astype(np.float32)
    cost = rng.random((20_000, 1, 4)).astype(np.float32)
    problem = PlanProblem(
        value=value, cost=cost, n_offers=2, slot_days=np.zeros(2, int), budget=2_000.0,
        stock=np.array([3_000.0, 4_000.0]),
    )  # fmt: skip
    cold = solve(problem)
    warm = solve(problem, start=cold.prices)
    assert warm.gap <= 1e-3
    assert warm.n_passes < cold.n_passes / 2


@pytest.mark.parametrize("limit", ["budget", "all"])
def test_where_customers_are_many_a_sample_brings_yesterday_s_prices_up_to_date(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(solving, "SAMPLE", 4_000)
    rng = np.random.default_rng(0)
    value = rng.lognormal(0, 1, (20_000, 2, 4)).astype(np.float32)
    cost = rng.random((20_000, 1, 4)).astype(np.float32)
    stock = None if limit == "budget" else np.array([3_000.0, 4_000.0])
    problem = PlanProblem(
        value=value, cost=cost, n_offers=2, slot_days=np.zeros(2, int), budget=2_000.0, stock=stock
    )
    before = solve(problem)
    tomorrow = replace(problem, value=value * rng.lognormal(0, 0.1, value.shape).astype("f4"))
    cold, warm = solve(tomorrow), solve(tomorrow, start=before.prices)
    assert within_limits(tomorrow, warm)
    assert warm.gap <= (1e-5 if limit == "budget" else 1e-3)
    assert warm.bound == pytest.approx(cold.bound, rel=1e-3)
    assert warm.n_passes < cold.n_passes
    again = solve(tomorrow, start=before.prices)
    assert np.array_equal(again.messages.option, warm.messages.option)


def test_the_exact_plan_rests_on_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, float]] = []
    real = exact.milp

    def noted(*words: object, **settings: Any) -> object:
        given.append(dict(settings["options"]))
        return real(*words, **settings)

    monkeypatch.setattr(exact, "milp", noted)
    solve(random_problem(1, n=8, single=False), method=EXACT)
    assert [set(options) for options in given] == [{"node_limit", "mip_rel_gap"}]


def test_rolling_caps_count_what_was_sent_before() -> None:
    # at most 2 in 7 days, planned days 0 to 2; one message 6 days before the plan, one on the day before
    sent = np.zeros((3, 10, 1), dtype=int)
    sent[1, -6, 0] = 1
    sent[2, -1, 0] = 2
    windows = ContactWindows.of_caps([ContactCap(2, 7)], sent, 3, 1)
    # a window ends on each planned day: the first customer has 1 day, 2 and then 2 of 3 days
    assert windows.allowance.tolist() == [[1, 2, 2], [1, 2, 2], [0, 0, 0]]
    sets = Schedules.of_windows(windows, 3, 3, 1)
    assert [len(sets.sets[g]) for g in sets.group] == [3, 3, 1]
    assert sets.sets[sets.group[2]].sum() == 0


def test_caps_that_leave_too_many_sets_of_days_are_refused() -> None:
    sent = np.zeros((1, 30, 1), dtype=int)
    windows = ContactWindows.of_caps([ContactCap(10, 30)], sent, 25, 1)
    with pytest.raises(ConfigError, match="plan fewer days at a time"):
        Schedules.of_windows(windows, 1, 25, 1)


def test_minima_are_met_at_a_loss_and_what_cannot_be_met_is_counted() -> None:
    value = np.array([[[5.0]], [[4.0]], [[-1.0]], [[-2.0]]])
    problem = PlanProblem(
        value=value, cost=np.ones((4, 1, 1)), n_offers=1, slot_days=np.zeros(1, int), budget=2.0,
        segments=np.array([0, 0, 1, 1]), minima=np.array([0.0, 1.0]),
    )  # fmt: skip
    for method in (EXACT, BUNDLE):
        solution = solve(problem, method=method)
        assert solution.messages.customer.tolist() == [0, 2]
        assert solution.missing.tolist() == [0, 0]
    impossible = solve(replace(problem, minima=np.array([0.0, 3.0])))
    assert impossible.missing.tolist() == [0, 1]


def test_no_customer_and_no_allowed_option_give_an_empty_plan() -> None:
    for n in (0, 3):
        value = np.full((n, 1, 2), -np.inf)
        problem = PlanProblem(
            value=value, cost=np.ones_like(value), n_offers=2, slot_days=np.zeros(1, int)
        )
        for method in (EXACT, BISECTION, BUNDLE):
            solution = solve(problem, method=method)
            assert len(solution.messages) == 0
            assert solution.value == solution.bound == solution.gap == 0
