"""BG/NBD and Gamma-Gamma: published figures, known truths, and what cannot be fitted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.special import beta, hyp2f1
from scipy.stats import gamma

from growthlab.core.errors import DataError
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.metrics.value.normalised_gini import NormalisedGini
from growthlab.models.btyd import (
    bg_nbd_log_likelihood,
    fit_bg_nbd,
    fit_gamma_gamma,
    gamma_gamma_log_likelihood,
)
from growthlab.scorers.btyd_rows import BGNBD, BTYDRows, GammaGamma

PUBLISHED = BGNBD(0.2426, 4.4136, 0.7929, 2.4259)  # CDNOW, in weeks


class Summary(NamedTuple):
    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    mean_spend: np.ndarray
    later_purchases: np.ndarray
    later_spend: np.ndarray


@pytest.fixture(scope="module")
def cdnow(real_data: Callable[[str], Path]) -> Summary:
    """The 1/10 sample in weeks: 39 weeks to learn from, 39 to foretell."""
    rows = pd.read_parquet(real_data("cdnow") / "sample.parquet")
    days = rows.groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    end = pd.Timestamp("1997-09-30")
    past, future = days[days["date"] <= end], days[days["date"] > end]
    by = past.groupby("customer_id")
    first, x = by["date"].min(), by.size() - 1
    repeats = past[past["date"] > past["customer_id"].map(first)]
    later = future.groupby("customer_id")["amount"].agg(["size", "sum"])
    later = later.reindex(first.index, fill_value=0)
    return Summary(
        x.to_numpy(dtype=float),
        ((by["date"].max() - first).dt.days / 7).to_numpy(),
        ((end - first).dt.days / 7).to_numpy(),
        repeats.groupby("customer_id")["amount"].mean().reindex(first.index).to_numpy(),
        later["size"].to_numpy(dtype=float),
        later["sum"].to_numpy(dtype=float),
    )


def one(*values: float) -> list[np.ndarray]:
    return [np.array([v]) for v in values]


def simulated(truth: BGNBD, n: int, age: float, seed: int = 0) -> list[np.ndarray]:
    """Purchase summaries of customers who live by the model's own story."""
    random = np.random.default_rng(seed)
    rate = random.gamma(truth.r, 1 / truth.alpha, n)
    leaves = random.beta(truth.a, truth.b, n)
    x, t_x, alive = np.zeros(n), np.zeros(n), np.ones(n, dtype=bool)
    while alive.any():
        next_time = t_x + random.exponential(1, n) / np.maximum(rate, 1e-300)
        alive &= next_time <= age
        x, t_x = np.where(alive, x + 1, x), np.where(alive, next_time, t_x)
        alive &= random.random(n) >= leaves
    return [x, t_x, np.full(n, float(age))]


@pytest.mark.data
def test_bg_nbd_of_cdnow_is_the_published_one(cdnow: Summary) -> None:
    found = fit_bg_nbd(cdnow.x, cdnow.t_x, cdnow.T)
    assert found == pytest.approx((0.2426, 4.4136, 0.7929, 2.4259), rel=1e-3)
    value, gradient = bg_nbd_log_likelihood(found, cdnow.x, cdnow.t_x, cdnow.T)
    assert value == pytest.approx(-9582.43, abs=0.01)
    assert np.abs(gradient).max() < 0.01


@pytest.mark.data
def test_gamma_gamma_of_cdnow_is_the_published_one(cdnow: Summary) -> None:
    found = fit_gamma_gamma(cdnow.x, cdnow.mean_spend)
    assert found == pytest.approx((6.249, 3.745, 15.447), rel=1e-3)
    known = cdnow.x > 0
    assert known.sum() == 946
    value, _ = gamma_gamma_log_likelihood(found, cdnow.x[known], cdnow.mean_spend[known])
    assert value == pytest.approx(-4055.92, abs=0.01)


@pytest.mark.data
def test_the_forecast_of_cdnow_is_the_published_one(cdnow: Summary) -> None:
    model = fit_bg_nbd(cdnow.x, cdnow.t_x, cdnow.T)
    expected = model.purchases(cdnow.x, cdnow.t_x, cdnow.T, 39)
    assert expected.sum() == pytest.approx(1653.4, rel=1e-3)
    assert np.abs(expected - cdnow.later_purchases).mean() == pytest.approx(0.786, abs=1e-3)
    spend = fit_gamma_gamma(cdnow.x, cdnow.mean_spend).spend(cdnow.x, cdnow.mean_spend)
    gini = NormalisedGini()(cdnow.later_spend, expected * spend)
    assert gini == pytest.approx(0.638, abs=1e-3)


@pytest.mark.data
def test_p_alive_ranks_cdnow_worse_than_chance_and_p_purchase_does_not(cdnow: Summary) -> None:
    model = fit_bg_nbd(cdnow.x, cdnow.t_x, cdnow.T)
    bought = (cdnow.later_purchases > 0).astype(float)
    summary = cdnow.x, cdnow.t_x, cdnow.T
    assert RocAuc()(bought, model.p_alive(*summary)) == pytest.approx(0.316, abs=1e-3)
    p = model.p_purchase(*summary, 39)
    assert RocAuc()(bought, p) == pytest.approx(0.757, abs=1e-3)
    assert np.mean((p - bought) ** 2) == pytest.approx(0.161, abs=1e-3)


def test_expected_purchases_of_a_new_customer_as_published() -> None:
    weeks = np.array([1.0, 10.0, 39.0, 78.0])
    found = PUBLISHED.purchases_of_a_new_customer(weeks)
    assert found == pytest.approx([0.0532, 0.4318, 1.195, 1.858], abs=5e-4)


def test_one_published_customer() -> None:
    who = one(2, 30.43, 38.86)
    assert PUBLISHED.purchases(*who, 39) == pytest.approx([1.2259], abs=1e-4)
    assert PUBLISHED.p_alive(*who) == pytest.approx([0.7266], abs=1e-4)


def test_expected_spends_as_published() -> None:
    model = GammaGamma(6.25, 3.74, 15.44)
    x, m = np.array([0.0, 2.0, 1.0]), np.array([np.nan, 22.35, 11.77])
    assert model.spend(x, m) == pytest.approx([35.2, 24.66, 18.92], abs=0.02)


def test_p_alive_is_one_without_a_repeat_and_p_purchase_is_not() -> None:
    who = one(0, 0, 38.86)
    assert PUBLISHED.p_alive(*who) == [1]
    # alive, and no purchase with probability ((alpha + T) / (alpha + T + t)) ** r
    expected = 1 - (43.2736 / 82.2736) ** 0.2426
    assert PUBLISHED.p_purchase(*who, 39) == pytest.approx([expected])


@given(
    x=st.integers(0, 60),
    share=st.floats(0, 1),
    T=st.floats(0.1, 500),
    horizon=st.floats(0.1, 500),
)
def test_probabilities_are_probabilities_and_purchases_outnumber_them(
    x: int, share: float, T: float, horizon: float
) -> None:
    who = one(x, share * T if x else 0.0, T)
    p, n = PUBLISHED.p_purchase(*who, horizon)[0], PUBLISHED.purchases(*who, horizon)[0]
    assert 0 <= p <= 1
    assert n >= p - 1e-9  # the mean of a count is at least the probability that it is not 0


def test_eulers_transform_equals_the_published_formula() -> None:
    r, alpha, a, b = PUBLISHED
    x, t_x, T, t = 3.0, 20.0, 30.0, 39.0
    z = t / (alpha + T + t)
    untransformed = (
        (a + b + x - 1)
        / (a - 1)
        * (1 - (1 - z) ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, z))
        / (1 + a / (b + x - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x))
    )
    assert PUBLISHED.purchases(*one(x, t_x, T), t) == pytest.approx([untransformed])


@pytest.mark.parametrize("a", [0.3, 0.8, 1.0, 3.0, 40.0])
@pytest.mark.parametrize("x", [0.0, 2.0, 60.0])
def test_expected_purchases_equal_their_integral_over_drop_out(a: float, x: float) -> None:
    model, T, t = BGNBD(0.6, 5.0, a, 7.0), 20.0, 30.0

    def of_drop_out(u: float) -> float:
        p = u**4  # takes the singularity from the density at 0
        # with rate l: (1 - exp(-l p t)) / p purchases; l from Gamma(r + x, alpha + T)
        purchases = -np.expm1(-(model.r + x) * np.log1p(p * t / (model.alpha + T))) / p
        density = p ** (a - 1) * (1 - p) ** (model.b + x - 1) / beta(a, model.b + x)
        return purchases * density * 4 * u**3

    alive, _ = quad(of_drop_out, 0, 1, limit=200)
    who = one(x, 0.9 * T if x else 0.0, T)
    expected = model.p_alive(*who) * alive
    assert model.purchases(*who, t) == pytest.approx(expected, rel=3e-5)


def test_expected_purchases_pass_smoothly_over_the_poles_of_the_formula() -> None:
    near = [BGNBD(0.24, 4.4, a, 2.4).purchases(*one(2, 30, 38), 39)[0] for a in (0.999, 1, 1.001)]
    assert near[1] == pytest.approx((near[0] + near[2]) / 2, rel=1e-5)
    near = [BGNBD(0.24, 4.4, 0.5, b).purchases(*one(0, 0, 38), 39)[0] for b in (0.499, 0.5, 0.501)]
    assert near[1] == pytest.approx((near[0] + near[2]) / 2, rel=1e-5)


def test_the_likelihood_equals_its_integral_over_customers() -> None:
    """One customer, x = 1: the integral over rates and drop-out probabilities, done numerically."""
    r, alpha, a, b = 0.8, 3.0, 1.2, 2.5
    t_x, T = 2.0, 5.0

    leaves = a / (a + b)  # the mean of the drop-out probability

    def of_rate(rate: float) -> float:
        # the first repeat at t_x; then silence until T, or gone at once
        either = (1 - leaves) * rate * np.exp(-rate * T) + leaves * rate * np.exp(-rate * t_x)
        return either * gamma(r, scale=1 / alpha).pdf(rate)

    expected, _ = quad(of_rate, 0, np.inf)
    value, _ = bg_nbd_log_likelihood(BGNBD(r, alpha, a, b), *one(1, t_x, T))
    assert value == pytest.approx(np.log(expected), rel=1e-6)


def test_gradients_are_those_of_the_likelihoods() -> None:
    x, t_x, T = simulated(PUBLISHED, 300, 39)
    at = np.array([0.5, 3.0, 0.7, 2.0])
    numeric = approx_fprime(at, lambda p: bg_nbd_log_likelihood(BGNBD(*p), x, t_x, T)[0], 1e-7)
    assert bg_nbd_log_likelihood(BGNBD(*at), x, t_x, T)[1] == pytest.approx(numeric, rel=1e-4)
    x, m = np.array([1.0, 4.0, 2.0]), np.array([3.0, 30.0, 11.0])
    at = np.array([5.0, 3.0, 12.0])
    numeric = approx_fprime(at, lambda p: gamma_gamma_log_likelihood(GammaGamma(*p), x, m)[0], 1e-7)
    found = gamma_gamma_log_likelihood(GammaGamma(*at), x, m)[1]
    assert found == pytest.approx(numeric, rel=1e-4)


def test_parameters_are_recovered_within_three_standard_errors() -> None:
    truth = BGNBD(0.6, 8.0, 0.9, 2.5)
    summary = simulated(truth, 6000, 60, seed=3)
    found = fit_bg_nbd(*summary)

    def gradient(parameters: np.ndarray) -> np.ndarray:
        return bg_nbd_log_likelihood(BGNBD(*parameters), *summary)[1]

    steps = np.array(found) * 1e-5
    curvature = np.array(
        [(gradient(found + s) - gradient(found - s)) / (2 * s.sum()) for s in np.diag(steps)]
    )
    errors = np.sqrt(np.diag(np.linalg.inv(-(curvature + curvature.T) / 2)))
    assert (np.abs(np.subtract(found, truth)) < 3 * errors).all()


def test_only_alpha_depends_on_the_unit_of_time() -> None:
    x, t_x, T = simulated(PUBLISHED, 2000, 39)
    weeks, days = fit_bg_nbd(x, t_x, T), fit_bg_nbd(x, 7 * t_x, 7 * T)
    assert days == pytest.approx((weeks.r, 7 * weeks.alpha, weeks.a, weeks.b), rel=1e-3)


def test_only_v_depends_on_the_currency() -> None:
    random = np.random.default_rng(0)
    x = random.integers(1, 9, 500).astype(float)
    m = random.gamma(6 * x, 1 / (random.gamma(4, 1 / 15, 500) * x))
    euros, cents = fit_gamma_gamma(x, m), fit_gamma_gamma(x, 100 * m)
    assert cents == pytest.approx((euros.p, euros.q, 100 * euros.v), rel=1e-3)


def test_nobody_repeating_is_refused() -> None:
    with pytest.raises(DataError, match="none of 3 does"):
        fit_bg_nbd(np.zeros(3), np.zeros(3), np.full(3, 10.0))


def test_no_customer_at_all_is_refused() -> None:
    with pytest.raises(DataError, match="none of 0 does"):
        fit_bg_nbd(np.zeros(0), np.zeros(0), np.zeros(0))


def test_a_recency_beyond_the_age_is_refused() -> None:
    with pytest.raises(DataError, match="recency <= T"):
        fit_bg_nbd(np.ones(1), np.full(1, 11.0), np.full(1, 10.0))


@pytest.mark.parametrize("n", [1, 50])
def test_customers_who_all_repeat_alike_lie_at_a_bound_and_still_predict(
    n: int, caplog: pytest.LogCaptureFixture
) -> None:
    x, t_x, T = np.full(n, 9.0), np.full(n, 90.0), np.full(n, 91.0)
    with caplog.at_level(logging.WARNING):
        model = fit_bg_nbd(x, t_x, T)
    assert "customers differ too little" in caplog.text
    # about one purchase in ten days
    assert model.purchases(x, t_x, T, 20.0) == pytest.approx(np.full(n, 2.0), rel=0.15)
    assert (model.p_purchase(x, t_x, T, 20.0) > 0.8).all()


def test_spends_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(DataError, match="different positive spends"):
        fit_gamma_gamma(np.array([1.0, 2.0, 3.0]), np.full(3, 5.0))


def test_a_correlation_of_number_and_spend_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    x = np.arange(1.0, 40.0)
    with caplog.at_level(logging.WARNING):
        fit_gamma_gamma(x, 5 + x + np.sin(x))
    assert "takes spend and number of purchases for independent" in caplog.text


def test_a_customer_without_a_purchase_has_no_value_and_some_churn() -> None:
    nothing = {c: np.array([np.nan]) for c in ("frequency", "recency", "T", "monetary_value")}
    value = BTYDRows("value", PUBLISHED, 39, GammaGamma(6.25, 3.74, 15.44))
    assert value.predict(nothing) == [0]
    assert 0 < BTYDRows("churn", PUBLISHED, 39).predict(nothing)[0] < 1
