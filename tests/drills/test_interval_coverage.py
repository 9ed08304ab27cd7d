"""Intervals hold the truth as often as they say, where it is known, unless they are called rough."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "experiments" / "benchmarks" / "interval_coverage.py"
ROUNDS = 1000

pytestmark = pytest.mark.drill


@pytest.mark.parametrize("n_customers", [200, 400, 1000])
def test_intervals_of_lists_hold_the_truth(n_customers: int) -> None:
    benchmark = runpy.run_path(str(BENCHMARK), run_name="benchmark")
    shares = benchmark["coverage"](benchmark["WORLDS"]["lists"], n_customers, ROUNDS)["covers"]
    # 93.5 to 96.5 %, and 2 standard errors of 1,000 rounds: .7 % each
    assert (shares > 0.935 - 0.014).all(), shares
    assert (shares < 0.965 + 0.014).all(), shares


@pytest.mark.parametrize("world", ["churn_fifth", "value_1.0", "value_1.5"])
def test_intervals_that_are_not_called_rough_hold_the_truth(world: str) -> None:
    benchmark = runpy.run_path(str(BENCHMARK), run_name="benchmark")
    shares = benchmark["coverage"](benchmark["WORLDS"][world], 1000, 400)
    sound = shares[shares["n_not_rough"] >= 100]
    assert len(sound) >= 2
    error = (0.95 * 0.05 / sound["n_not_rough"]) ** 0.5
    assert (sound["covers_not_rough"] > 0.935 - 2.5 * error).all(), sound
    assert (sound["covers_not_rough"] < 0.965 + 2.5 * error).all(), sound
