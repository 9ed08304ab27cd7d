"""Golden values and properties of the single statistics."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import tea_tasting as tt
from hypothesis import given
from hypothesis import strategies as st

from growthlab.core.seeding import random_stream
from growthlab.effects.always_valid import Mixture
from growthlab.effects.arm_resamples import resampled_means, resampled_quantile
from growthlab.effects.power import customers_for_mean, customers_for_share, detectable, power_of
from growthlab.effects.welch import ArmMoments, welch


def test_the_golden_power_example_needs_31234_customers_an_arm() -> None:
    assert math.ceil(customers_for_share(0.05, 0.055)) == 31_234


def test_power_size_and_detectable_effect_agree() -> None:
    n = customers_for_mean(0.2, 4.0)
    error = math.sqrt(2 * 4.0 / n)
    assert detectable(error) == pytest.approx(0.2)
    assert power_of(0.2, error) == pytest.approx(0.8, abs=1e-4)
    assert power_of(0.0, error) == pytest.approx(0.05)


def test_the_golden_msprt() -> None:
    # n = 1000, difference .05, V = .095, tau^2 = 1e-4: the variance of the difference is V / n
    answer = Mixture(1e-4).at(0.05, 0.095 / 1000)
    assert float(answer.ratio) == pytest.approx(594.712, abs=0.001)
    assert float(answer.p) == pytest.approx(0.0016815, abs=1e-7)
    assert float(answer.low) > 0


@given(st.floats(-0.3, 0.3), st.floats(1e-5, 1e-2), st.floats(1e-6, 1e-2))
def test_bounds_hold_zero_exactly_where_p_is_above_alpha(d: float, v: float, t: float) -> None:
    answer = Mixture(t).at(d, v)
    if abs(float(answer.p) - 0.05) > 1e-6:
        assert bool(answer.low <= 0 <= answer.high) == bool(answer.p > 0.05)


def test_looking_every_day_keeps_the_false_alarms_of_a_mixture_below_alpha() -> None:
    rng = np.random.default_rng(0)
    n = np.arange(50, 1001, 50)
    values = rng.normal(size=(500, 1000)).cumsum(axis=1)[:, n - 1] / n
    looks = Mixture.of_planned_error(1000**-0.5).at(values, np.broadcast_to(1 / n, values.shape))
    naive = np.abs(values) * np.sqrt(n) > 1.96
    assert (looks.p < 0.05).any(axis=1).mean() < 0.05
    assert naive.any(axis=1).mean() > 0.15  # what the same looks do to a plain test


def test_a_confidence_sequence_is_narrowest_where_it_was_planned() -> None:
    errors = np.array([0.02, 0.05, 0.1])
    planned = [Mixture.of_planned_error(e).at(0.0, 0.05**2).high for e in errors]
    assert int(np.argmin(planned)) == 1


def test_our_welch_is_that_of_tea_tasting() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.gamma(1, 2, 300), rng.gamma(1, 2.5, 200)
    table = pd.DataFrame({"arm": [0] * 300 + [1] * 200, "x": np.concatenate([a, b])})
    theirs = tt.Mean("x").analyze(table, control=0, treatment=1, variant="arm")
    ours = welch(ArmMoments.of(a), ArmMoments.of(b))
    assert float(ours.p) == pytest.approx(theirs.pvalue, rel=1e-9)
    assert float(ours.low) == pytest.approx(theirs.effect_size_ci_lower, rel=1e-9)


def test_resampled_means_spread_as_the_standard_error() -> None:
    values = np.random.default_rng(2).normal(3, 2, (400, 1))
    drawn = resampled_means(values, seed=0)
    assert drawn.shape == (2000, 1)
    assert drawn.std() == pytest.approx(values.std() / 20, rel=0.08)


def test_resampled_quantiles_are_those_of_drawn_resamples() -> None:
    rng = np.random.default_rng(3)
    values = rng.exponential(size=201)
    quick = resampled_quantile(values, 0.5, random_stream(0, "q"), 4000)
    drawn = np.median(rng.choice(values, (4000, 201)), axis=1)
    assert quick.mean() == pytest.approx(drawn.mean(), abs=0.01)
    assert quick.std() == pytest.approx(drawn.std(), rel=0.1)
    assert set(quick) <= set(values)
