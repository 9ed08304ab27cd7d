"""The population stability index: its golden value, its limits, and how often it cries wolf."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from growthlab.monitoring.stability import Drift, equal_parts, expected_psi, psi


def drift(reference: np.ndarray, current: np.ndarray) -> Drift:
    """Two rows of counts, each value by itself."""
    labels = [str(n) for n in range(len(reference))]
    return Drift("x", labels, reference, current, int(reference.sum()), int(current.sum()))


def test_the_golden_value() -> None:
    # .05 ln 1.5 + .05 ln 1.25 - .05 ln .875 - .05 ln (5/6) = 0.047223
    index = psi(np.array([0.1, 0.2, 0.4, 0.3]), np.array([0.15, 0.25, 0.35, 0.25]))
    assert index == pytest.approx(0.047223, abs=5e-7)


def test_counts_are_taken_as_shares() -> None:
    shares = psi(np.array([0.25, 0.75]), np.array([0.5, 0.5]))
    assert psi(np.array([10, 30]), np.array([500, 500])) == pytest.approx(shares)


def test_an_empty_bin_counts_a_ten_thousandth() -> None:
    # (0.5 - 0.0001) ln(0.5 / 0.0001) + (0.5 - 1) ln(0.5 / 1) = 4.25774 + 0.34657
    assert psi(np.array([0, 10]), np.array([5, 5])) == pytest.approx(4.60432, abs=1e-5)


def test_nothing_on_one_side_is_undefined() -> None:
    assert np.isnan(psi(np.zeros(3), np.ones(3)))
    assert drift(np.ones(3), np.zeros(3)).level() == "too few"


@given(
    st.lists(st.integers(0, 1000), min_size=4, max_size=4),
    st.lists(st.integers(0, 1000), min_size=4, max_size=4),
)
def test_it_is_symmetric_not_negative_and_zero_of_the_same(a: list[int], b: list[int]) -> None:
    left, right = np.array(a) + 1, np.array(b) + 1
    assert psi(left, right) == pytest.approx(psi(right, left))
    assert psi(left, right) >= 0
    assert psi(left, left) == 0


def test_chance_gives_what_is_expected_of_it() -> None:
    rng = np.random.default_rng(0)
    shares = np.full(10, 0.1)
    found = [psi(rng.multinomial(2000, shares), rng.multinomial(500, shares)) for _ in range(400)]
    # 9 (1/2000 + 1/500) = 0.0225; the mean of 400 draws has a standard error of 0.0005
    assert expected_psi(10, 2000, 500) == pytest.approx(0.0225)
    assert np.mean(found) == pytest.approx(0.0225, abs=0.0025)


def test_a_large_index_of_few_values_is_no_news() -> None:
    reference, current = np.array([100, 100, 100]), np.array([40, 30, 50])
    # shares a third each to .3333, .25, .4167: PSI 0.0426; by chance 2 (1/300 + 1/120) = 0.0233
    assert drift(reference, current).psi == pytest.approx(0.0426, abs=1e-4)
    assert drift(reference, current).level(moved=0.04) == "steady"  # below 3 x 0.0233
    assert drift(reference * 100, current * 100).level(moved=0.04) == "moved"
    assert drift(reference * 100, current * 100).level(moved=0.01, far=0.04) == "far"
    assert drift(reference, np.array([40, 30, 29])).level() == "too few"


@pytest.mark.parametrize("n", [100, 300, 3000])
def test_without_drift_one_alarm_in_a_thousand_is_expected(n: int) -> None:
    rng = np.random.default_rng(n)
    shares = np.full(10, 0.1)
    levels = [
        drift(rng.multinomial(1000, shares), rng.multinomial(n, shares)).level()
        for _ in range(1000)
    ]
    # PSI / (1/N + 1/n) is about chi-square with 9 degrees: P(> 27) = 0.0014; 5 of 1,000 is 3 sigma
    assert sum(level != "steady" for level in levels) <= 5


def test_an_empty_bin_of_few_values_is_no_news() -> None:
    reference = np.array([1506, 31])  # 2 %: of 150 values none lies there every twentieth time
    # (.9799 - 1) ln .9799 + (.0202 - .0001) ln 201.7 = 0.1075; half a value: .0169 ln 6.05 + ... = 0.031
    assert drift(reference, np.array([150, 0])).psi == pytest.approx(0.107, abs=1e-3)
    assert drift(reference, np.array([150, 0])).level() == "steady"
    assert drift(reference, np.array([15_000, 0])).level() == "moved"
    both = drift(np.array([500, 500, 0]), np.array([60, 60, 0]))  # a bin that neither uses
    assert both.level(moved=1e-6) == "steady"


def test_the_more_distributions_the_less_chance_may_move_one() -> None:
    rng = np.random.default_rng(5)
    shares = np.array([0.3, 0.4, 0.3])

    def reports_with_an_alert(n_compared: int) -> int:
        many = [
            [drift(rng.multinomial(1500, shares), rng.multinomial(120, shares)) for _ in range(70)]
            for _ in range(100)
        ]
        together = [[replace(d, n_compared=n_compared) for d in drifts] for drifts in many]
        return sum(any(d.level(moved=0.05) != "steady" for d in drifts) for drifts in together)

    # P(chi-square of 2 > 6) is 0.05 for each of 70; together 1 in 20 reports, 5 +- 3 x 2.2 of 100
    assert reports_with_an_alert(1) > 60
    assert reports_with_an_alert(70) <= 11


@pytest.mark.parametrize("n", [100, 3000])
def test_a_third_of_the_values_moved_away_is_always_seen(n: int) -> None:
    rng = np.random.default_rng(n)
    before, after = np.full(10, 0.1), np.array([0.2] * 3 + [0.1] * 4 + [0.0] * 3)
    levels = [
        drift(rng.multinomial(1000, before), rng.multinomial(n, after)).level() for _ in range(50)
    ]
    assert set(levels) == {"far"}


def test_the_largest_change_is_named() -> None:
    found = drift(np.array([10, 80, 10]), np.array([10, 50, 40]))
    assert found.largest_change == ("2", pytest.approx(0.1), pytest.approx(0.4))


def test_items_are_grouped_into_equal_parts_of_the_events() -> None:
    counts = np.array([5, 40, 0, 5, 50])
    # in order 50, 40, 5, 5: before them lie 0, 50, 90, 95 of 100; four parts of 25
    assert equal_parts(counts, 4).tolist() == [3, 2, 4, 3, 0]
    assert equal_parts(np.zeros(2, dtype=int), 4).tolist() == [4, 4]
