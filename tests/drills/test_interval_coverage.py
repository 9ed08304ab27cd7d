"""Intervals hold the truth as often as they say: means over users' lists, where the truth is known."""

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
