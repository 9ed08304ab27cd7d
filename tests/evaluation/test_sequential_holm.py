"""Holm's correction of one test: skipped draws do not change the decision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from growthlab.evaluation.sequential_holm import SequentialHolm
from growthlab.evaluation.significance import holm

N_DRAWS, BLOCK, LEVEL = 6000, 250, 0.05


def drawn_out(own: float, against: np.ndarray, n_unread: int = 0) -> tuple[float, int]:
    """The corrected p where draws are made while they are asked for, and how many were made."""
    tests = SequentialHolm(
        own, level=LEVEL, n_draws=N_DRAWS, n_others=len(against), n_unread=n_unread
    )
    n_made = 0
    for start in range(0, N_DRAWS, BLOCK):
        left = tests.left
        if not len(left):
            break
        draws = against[left, start : start + BLOCK]
        tests.add(left, draws.sum(axis=1), np.full(len(left), BLOCK), BLOCK)
        n_made += draws.size
    return tests.corrected(), n_made


chances = st.sampled_from([0.0, 0.0005, 0.002, 0.005, 0.01, 0.03, 0.1, 0.5, 1.0])


@given(chances, st.lists(chances, max_size=30), st.integers(0, 3), st.integers(0, 10**6))
def test_the_decision_is_that_of_all_draws_of_all_tests(
    own_chance: float, others: list[float], n_unread: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    every = random.random((1 + len(others), N_DRAWS)) < np.array(
        [[own_chance], *([c] for c in others)]
    )
    p = (every.sum(axis=1) + 1) / (N_DRAWS + 1)
    whole = holm(np.array([*p, *[1.0] * n_unread]))[0]
    corrected, _ = drawn_out(float(p[0]), every[1:], n_unread)
    assert (corrected <= LEVEL) == (whole <= LEVEL)
    assert p[0] <= corrected <= min(1.0, p[0] * (len(p) + n_unread)) * (1 + 1e-12)


def test_the_smallest_possible_p_needs_no_draws_of_other_tests() -> None:
    corrected, n_made = drawn_out(1 / (N_DRAWS + 1), np.zeros((9, N_DRAWS)))
    assert (corrected, n_made) == (pytest.approx(10 / (N_DRAWS + 1)), 0)


def test_a_p_close_to_the_level_needs_all_draws() -> None:
    own = 0.01  # of ten: 0.1 if it is the smallest, 0.05 if five are smaller, 0.01 if all are
    smaller = np.arange(N_DRAWS) < np.array([[30]] * 7)  # p = 31 / 6001 = 0.005
    larger = np.arange(N_DRAWS) < np.array([[3000]] * 2)
    corrected, n_made = drawn_out(own, np.concatenate([smaller, larger]))
    # 10 * 0.005 is the largest of (10, 9, ..., 4) * 0.005 and 3 * 0.01
    assert corrected == pytest.approx(10 * 31 / 6001)
    assert n_made == 7 * N_DRAWS + 2 * BLOCK


def test_a_missing_p_stays_missing() -> None:
    corrected, n_made = drawn_out(np.nan, np.zeros((3, N_DRAWS)))
    assert np.isnan(corrected)
    assert n_made == 0
