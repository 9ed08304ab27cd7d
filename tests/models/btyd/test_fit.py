"""Likelihoods, their gradients and maxima: integrals, known truths, units, intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.stats import gamma

from growthlab.core.errors import ConfigError, DataError
from growthlab.models.btyd import fit as fits
from growthlab.models.btyd.fit import Fit, bootstrapped, fit_purchases, fit_spend
from growthlab.models.btyd.likelihood import log_likelihood, spend_log_likelihood
from growthlab.models.btyd.purchase_summary import PurchaseSummary, Spends
from growthlab.models.btyd.simulation import simulated_purchases, simulated_spends
from growthlab.scorers.btyd_models import (
    BGNBD,
    MBGNBD,
    PURCHASE_MODELS,
    GammaGamma,
    ParetoNBD,
    PurchaseModel,
)

TRUTHS = {
    "bg_nbd": BGNBD(0.6, 8.0, 0.9, 2.5),
    "mbg_nbd": MBGNBD(0.8, 8.0, 0.7, 2.0),
    "pareto_nbd": ParetoNBD(0.7, 9.0, 0.8, 12.0),
}
SPENDS = GammaGamma(6.0, 4.0, 15.0)
each_model = pytest.mark.parametrize("name", PURCHASE_MODELS)


def born(model: PurchaseModel, n: int, seed: int = 0) -> PurchaseSummary:
    """Customers who live by the model, watched for 30 to 60 of its units of time."""
    random = np.random.default_rng(seed)
    T = random.uniform(30, 60, n)
    return PurchaseSummary.of(*simulated_purchases(model, T, random), T)


def one(x: float, t_x: float, T: float) -> PurchaseSummary:
    return PurchaseSummary.of(np.array([x]), np.array([t_x]), np.array([T]))


def spenders(n: int, seed: int = 0) -> Spends:
    random = np.random.default_rng(seed)
    x = random.integers(1, 9, n).astype(float)
    return Spends.of(x, simulated_spends(SPENDS, x, random))


@pytest.mark.parametrize("kind", [BGNBD, MBGNBD])
def test_the_likelihood_equals_its_integral_over_customers(kind: type[BGNBD]) -> None:
    """One customer, x = 1: the integral over rates, the chances to leave by their moments."""
    r, alpha, a, b = 0.8, 3.0, 1.2, 2.5
    t_x, T = 2.0, 5.0
    # BG: leaves after the repeat or not; MBG: stayed after the first, then leaves or not
    stay = b / (a + b)
    stay_then_leave = a * b / ((a + b) * (a + b + 1))
    leaves = stay_then_leave if kind is MBGNBD else a / (a + b)
    stays = stay - stay_then_leave if kind is MBGNBD else stay

    def of_rate(rate: float) -> float:
        either = stays * rate * np.exp(-rate * T) + leaves * rate * np.exp(-rate * t_x)
        return either * gamma(r, scale=1 / alpha).pdf(rate)

    expected, _ = quad(of_rate, 0, np.inf)
    value, _ = log_likelihood(kind(r, alpha, a, b), one(1, t_x, T))
    assert value == pytest.approx(np.log(expected), rel=1e-6)


def test_customers_of_mbg_nbd_without_a_repeat_may_have_left() -> None:
    # stays with b / (a + b) and is silent, or has left at once
    value, _ = log_likelihood(MBGNBD(0.8, 3.0, 1.2, 2.5), one(0, 0, 5))
    assert value == pytest.approx(np.log(2.5 / 3.7 * (3 / 8) ** 0.8 + 1.2 / 3.7))


@each_model
@given(logs=st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_gradients_are_those_of_the_likelihoods(name: str, logs: list[float]) -> None:
    kind, summary = PURCHASE_MODELS[name], born(TRUTHS[name], 60)
    at = np.array(TRUTHS[name]) * np.exp(logs)

    def value(log_parameters: np.ndarray) -> float:
        return log_likelihood(kind(*np.exp(log_parameters)), summary)[0]

    result = log_likelihood(kind(*at), summary)[1] * at
    steps = 1e-5 * np.eye(4)
    numeric = [(value(np.log(at) + s) - value(np.log(at) - s)) / 2e-5 for s in steps]
    assert result == pytest.approx(np.array(numeric), rel=1e-4, abs=1e-4)


def test_the_gradient_of_gamma_gamma_is_that_of_its_likelihood() -> None:
    spends = Spends.of(np.array([1.0, 4.0, 2.0]), np.array([3.0, 30.0, 11.0]))
    at = np.array([5.0, 3.0, 12.0])
    numeric = approx_fprime(at, lambda p: spend_log_likelihood(GammaGamma(*p), spends)[0], 1e-7)
    result = spend_log_likelihood(GammaGamma(*at), spends)[1]
    assert result == pytest.approx(numeric, rel=1e-4)


@each_model
def test_likelihoods_do_not_depend_on_the_blocks(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary, model = born(TRUTHS[name], 500), TRUTHS[name]
    whole, gradient = log_likelihood(model, summary)
    monkeypatch.setattr("growthlab.models.btyd.likelihood.BLOCK", 64)
    monkeypatch.setattr("growthlab.models.btyd.likelihood.PARETO_BLOCK", 64)
    value, in_blocks = log_likelihood(model, summary)
    assert value == pytest.approx(whole, rel=1e-12)
    assert in_blocks == pytest.approx(gradient, rel=1e-9)


@each_model
def test_parameters_are_recovered_within_three_standard_errors(name: str) -> None:
    result = fit_purchases(name, born(TRUTHS[name], 6000, seed=3))
    assert (result.errors > 0).all()
    assert (np.abs(np.subtract(result.model, TRUTHS[name])) < 3 * result.errors).all()


def test_spends_are_recovered_within_three_standard_errors() -> None:
    result = fit_spend(spenders(4000))
    assert (np.abs(np.subtract(result.model, SPENDS)) < 3 * result.errors).all()


@each_model
def test_simulated_customers_buy_as_often_as_the_model_expects(name: str) -> None:
    model, T = TRUTHS[name], np.full(40_000, 45.0)
    x, t_x = simulated_purchases(model, T, np.random.default_rng(1))
    expected = model.purchases_of_a_new_customer(np.array([45.0]))[0]
    assert x.mean() == pytest.approx(expected, abs=4 * x.std() / 200)
    assert ((t_x <= T) & ((t_x > 0) == (x > 0))).all()


@each_model
def test_standard_errors_of_twice_the_customers_are_smaller_by_the_root_of_two(name: str) -> None:
    summary = born(TRUTHS[name], 3000)
    once = fit_purchases(name, summary)
    doubled = PurchaseSummary(summary.x, summary.t_x, summary.T, 2 * summary.weight)
    twice = fit_purchases(name, doubled)
    assert twice.model == pytest.approx(once.model, rel=1e-4)
    assert twice.errors == pytest.approx(once.errors / np.sqrt(2), rel=1e-3)
    assert twice.log_likelihood == pytest.approx(2 * once.log_likelihood, rel=1e-9)


@each_model
def test_a_search_that_begins_with_a_part_ends_where_one_of_all_does(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = born(TRUTHS[name], 3000)
    at_once = fit_purchases(name, summary)
    monkeypatch.setattr(fits, "PREVIEW_ROWS", 300)
    result = fit_purchases(name, summary)
    assert result.log_likelihood == pytest.approx(at_once.log_likelihood, abs=1e-4)
    assert result.model == pytest.approx(at_once.model, rel=1e-3)
    assert result.errors == pytest.approx(at_once.errors, rel=1e-2)


@each_model
def test_only_times_depend_on_the_unit_of_time(name: str) -> None:
    weeks = born(TRUTHS[name], 2000)
    days = fit_purchases(name, weeks.in_units_of(1 / 7))
    model = fit_purchases(name, weeks).model
    scale = np.array([7 if f in ("alpha", "beta") else 1 for f in model._fields])
    # b of bg_nbd and b of mbg_nbd are no times
    assert days.model == pytest.approx(model * scale, rel=1e-3)


def test_only_v_depends_on_the_currency() -> None:
    spends = spenders(500)
    euros, cents = fit_spend(spends), fit_spend(spends.in_units_of(0.01))
    expected = (euros.model.p, euros.model.q, 100 * euros.model.v)
    assert cents.model == pytest.approx(expected, rel=1e-3)
    # a density of 500 spends, each a hundredth of what it is in euros
    assert cents.log_likelihood == pytest.approx(euros.log_likelihood - 500 * np.log(100), abs=1e-3)


def test_customers_who_are_alike_are_one_row() -> None:
    x, t_x, T = np.array([[0, 0, 5], [2, 3, 5], [0, 0, 5], [2, 3, 6], [2, 3, 5.0], [0, 0, 6]]).T
    summary = PurchaseSummary.of(x, t_x, T)
    rows = np.column_stack([summary.x, summary.t_x, summary.T, summary.weight])
    assert rows.tolist() == [[0, 0, 5, 2], [0, 0, 6, 1], [2, 3, 5, 2], [2, 3, 6, 1]]
    assert summary.counts.tolist() == [0, 2]
    assert summary.mass.tolist() == [3, 3]


@given(st.integers(0, 2**32))
def test_merging_changes_neither_who_there_is_nor_the_likelihood(seed: int) -> None:
    random = np.random.default_rng(seed)
    T = random.integers(1, 6, 50).astype(float)
    x = random.integers(0, 3, 50).astype(float)
    t_x = np.where(x > 0, np.ceil(T * random.random(50)), 0.0)
    summary = PurchaseSummary.of(x, t_x, T)
    again = np.repeat(
        np.column_stack([summary.x, summary.t_x, summary.T]), summary.weight.astype(int), axis=0
    )
    order = np.lexsort((T, t_x, x))
    np.testing.assert_array_equal(again, np.column_stack([x, t_x, T])[order])
    apart = PurchaseSummary(x[order], t_x[order], T[order], np.ones(50))
    model = TRUTHS["bg_nbd"]
    assert log_likelihood(model, summary)[0] == pytest.approx(log_likelihood(model, apart)[0])


def test_the_table_of_a_fit_has_a_row_a_parameter_and_the_log_likelihood() -> None:
    summary = born(TRUTHS["bg_nbd"], 800)
    fit = fit_purchases("bg_nbd", summary)
    table = bootstrapped(fit, summary, "case", 20, np.random.default_rng(0)).table()
    assert table["parameter"].tolist() == ["r", "alpha", "a", "b", "log_likelihood"]
    assert (table["model"] == "bg_nbd").all()
    parameters = table.iloc[:4]
    assert (parameters["low"] <= parameters["value"]).all()
    assert (parameters["value"] <= parameters["high"]).all()
    assert fit.table()["low"].isna().all()


@pytest.mark.parametrize("how", ["case", "parametric"])
def test_the_bootstrap_of_spends_covers_the_fit(how: str) -> None:
    spends = spenders(600)
    fit = bootstrapped(fit_spend(spends), spends, how, 40, np.random.default_rng(0))  # type: ignore[arg-type]
    low, high = fit.interval()
    assert ((low < fit.model) & (fit.model < high)).all()
    assert len(list(fit.models())) == 40


def test_samples_without_a_repeat_are_left_out_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # one repeat among four: a sample lacks it with probability (3/4)^4 = 0.32
    summary = PurchaseSummary.of(
        np.array([0, 0, 0, 3.0]), np.array([0, 0, 0, 5.0]), np.full(4, 9.0)
    )
    fit = Fit("bg_nbd", BGNBD(0.5, 3.0, 0.8, 2.0), np.full(4, np.nan), 0.0, 4)
    result = bootstrapped(fit, summary, "case", 30, np.random.default_rng(0))
    assert result.resampled is not None
    assert 0 < len(result.resampled) < 30
    assert "samples cannot be fitted" in caplog.text


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="no purchase model bgnbd: did you mean bg_nbd"):
        fit_purchases("bgnbd", one(1, 2, 3))


@pytest.mark.parametrize(
    ("x", "t_x", "T", "said"),
    [
        (1, 11, 10, "0 <= recency <= T"),
        (0, 0, 0, "T > 0"),
        (0, 0, np.nan, "T > 0"),
        (1.5, 1, 10, "whole numbers"),
        (-1, 0, 10, "whole numbers"),
        (0, 3, 10, "recency 0 for customers who did not buy again"),
    ],
)
def test_impossible_summaries_are_refused(x: float, t_x: float, T: float, said: str) -> None:
    with pytest.raises(DataError, match=said):
        one(x, t_x, T)


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A likelihood whose gradient points nowhere."""

    def false(model: PurchaseModel, summary: PurchaseSummary) -> tuple[float, np.ndarray]:
        value, gradient = log_likelihood(model, summary)
        return value, -gradient + 3.0

    return lambda: monkeypatch.setattr(fits, "log_likelihood", false)


@each_model
def test_a_search_that_gets_stuck_says_so_and_by_how_much(
    name: str, stuck: Callable[[], None]
) -> None:
    summary = born(TRUTHS[name], 300)
    stuck()
    with pytest.raises(
        DataError, match=rf"{name} does not converge: after \d+ steps.*still rise by"
    ):
        fit_purchases(name, summary)
