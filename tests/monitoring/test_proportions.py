"""Shares with intervals, and how widely lists spread."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from growthlab.monitoring.proportions import (
    Proportion,
    coverage_and_gini,
    difference_of_proportions,
    rarefied_coverage_and_gini,
)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_bounds_are_those_of_the_literature(
    hits: int, n: int, low: float, high: float
) -> None:
    assert Proportion(hits, n).bounds == pytest.approx((low, high), abs=5e-5)


def test_no_cases_have_no_share() -> None:
    assert math.isnan(Proportion(0, 0).value)
    assert all(map(math.isnan, Proportion(0, 0).bounds))


@given(st.integers(0, 300), st.integers(0, 300))
def test_bounds_hold_the_share_and_stay_in_range(hits: int, more: int) -> None:
    share = Proportion(hits, hits + more + 1)
    low, high = share.bounds
    assert 0 <= low <= share.value + 1e-12
    assert share.value - 1e-12 <= high <= 1


def test_a_difference_has_newcombes_bounds() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), 873-890, table II, method 10: 56/70 - 48/80
    gap = difference_of_proportions(Proportion(56, 70), Proportion(48, 80))
    assert gap == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_spread_is_coverage_and_gini() -> None:
    assert coverage_and_gini(np.array([2, 2, 2, 2])) == (1.0, pytest.approx(0.0))
    assert coverage_and_gini(np.array([0, 0, 0, 8])) == (0.25, pytest.approx(1.0))
    assert all(map(math.isnan, coverage_and_gini(np.zeros(3, dtype=int))))


def test_a_longer_log_does_not_look_wider() -> None:
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, 201)
    short, long = (rng.multinomial(n, shares / shares.sum()) for n in (200, 20_000))
    assert coverage_and_gini(long)[0] - coverage_and_gini(short)[0] > 0.4
    thinned = rarefied_coverage_and_gini(long, 200, rng)
    assert thinned[0] == pytest.approx(coverage_and_gini(short)[0], abs=0.06)
    assert thinned[1] == pytest.approx(coverage_and_gini(short)[1], abs=0.06)
