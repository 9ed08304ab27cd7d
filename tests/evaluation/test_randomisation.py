"""The sizes of arms, and the balance of what customers were before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from growthlab.evaluation.randomisation import balance, sample_ratio
from growthlab.evaluation.significance import benjamini_hochberg


def test_the_golden_split_raises_no_alarm() -> None:
    ratio = sample_ratio({"a": 50_000, "b": 50_700}, {"a": 0.5, "b": 0.5})
    assert ratio == pytest.approx((4.865938, 0.027392), abs=1e-6)
    assert not ratio.is_broken


def test_a_split_that_lost_customers_is_broken() -> None:
    # (600 - 500)^2 / 500 twice: chi-square 40 with one degree of freedom
    ratio = sample_ratio({"a": 600, "b": 400}, {"a": 1, "b": 1})
    assert ratio.chi_square == pytest.approx(40)
    assert ratio.is_broken


def test_intended_shares_may_differ() -> None:
    assert sample_ratio({"a": 900, "b": 100}, {"a": 9, "b": 1}).p == pytest.approx(1)


def test_three_arms_have_two_degrees_of_freedom() -> None:
    # expected 100 each: (10^2 + 0 + 10^2) / 100 = 2, and the tail of chi-square with 2 is exp(-1)
    ratio = sample_ratio({"a": 110, "b": 100, "c": 90}, {"a": 1, "b": 1, "c": 1})
    assert ratio.p == pytest.approx(np.exp(-1))


def test_a_standardised_difference_is_in_standard_deviations() -> None:
    before = pd.DataFrame({"orders": [0.0, 2.0, 1.0, 3.0]})
    compared = balance(before, np.array([False, False, True, True]))
    # means 1 and 2, variances 2 and 2: 1 / sqrt(2)
    assert compared.columns["difference"].item() == pytest.approx(1 / np.sqrt(2))
    assert compared.far_apart == ["orders"]


def test_words_and_gaps_are_shares() -> None:
    before = pd.DataFrame({"town": ["a", "b", "a", None], "age": [1.0, np.nan, 3.0, 2.0]})
    compared = balance(before, np.array([False, True, False, True]))
    assert set(compared.columns["column"]) == {
        *("town: a", "town: b", "town: missing", "age", "age: missing")
    }


def test_columns_that_repeat_each_other_count_once() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    treated = rng.random(500) < 0.5
    once = balance(pd.DataFrame({"x": x}), treated)
    twice = balance(pd.DataFrame({"x": x, "again": 2 * x}), treated)
    assert once.p == pytest.approx(twice.p)


def test_nothing_that_varies_has_no_p_value() -> None:
    assert np.isnan(balance(pd.DataFrame({"x": [1, 1, 1]}), np.array([True, False, True])).p)


@given(st.integers(0, 100))
def test_a_shift_of_one_arm_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    treated = np.arange(2000) % 2 == 0
    before = pd.DataFrame({"x": rng.normal(size=2000) + 0.5 * treated, "y": rng.normal(size=2000)})
    compared = balance(before, treated)
    assert compared.columns["column"].iloc[0] == "x"
    assert compared.p < 0.001


def test_benjamini_hochberg_of_the_golden_values() -> None:
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    expected = [0.02, 0.04, np.nan, 0.04, 0.02]
    np.testing.assert_allclose(benjamini_hochberg(p), expected)


@pytest.mark.data
def test_hillstrom_was_randomised(real_data: Callable[[str], Path]) -> None:
    customers = pd.read_parquet(real_data("hillstrom") / "customers.parquet")
    customers = customers[customers["segment"] != "Mens E-Mail"]
    known = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]
    compared = balance(customers[known], (customers["segment"] == "Womens E-Mail").to_numpy())
    assert compared.far_apart == []
    assert compared.p > 0.01
