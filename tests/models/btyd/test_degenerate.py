"""Logs from which little or nothing can be learned: a clear refusal, or a warning and a prediction."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from growthlab.core.errors import DataError
from growthlab.models.btyd.fit import fit_purchases, fit_spend
from growthlab.models.btyd.purchase_summary import PurchaseSummary, Spends
from growthlab.scorers.btyd_models import PURCHASE_MODELS

each_model = pytest.mark.parametrize("name", PURCHASE_MODELS)


@each_model
def test_no_repeating_customer_is_refused(name: str) -> None:
    with pytest.raises(
        DataError, match=f"{name} needs customers who buy on more than one day: none of 3"
    ):
        fit_purchases(name, PurchaseSummary.of(np.zeros(3), np.zeros(3), np.full(3, 10.0)))


@each_model
def test_no_customer_at_all_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="none of 0 does"):
        fit_purchases(name, PurchaseSummary.of(np.zeros(0), np.zeros(0), np.zeros(0)))


@each_model
def test_one_customer_without_a_repeat_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="none of 1 does"):
        fit_purchases(name, PurchaseSummary.of(np.zeros(1), np.zeros(1), np.ones(1)))


@each_model
@pytest.mark.parametrize("n", [1, 50])
def test_customers_who_all_repeat_alike_go_on_as_before(
    name: str, n: int, caplog: pytest.LogCaptureFixture
) -> None:
    x, t_x, T = np.full(n, 9.0), np.full(n, 90.0), np.full(n, 91.0)
    with caplog.at_level(logging.WARNING):
        fit = fit_purchases(name, PurchaseSummary.of(x, t_x, T))
    assert f"{name}, {n} customers: r at its upper bound" in caplog.text
    assert "(nearly) all buy at the same rate" in caplog.text
    assert "(nearly) no customer leaves" in caplog.text
    assert np.isnan(fit.errors).any()  # a parameter at a bound has no standard error
    # about one purchase in ten days
    assert fit.model.purchases(x, t_x, T, 20.0) == pytest.approx(np.full(n, 2.0), rel=0.15)
    assert (fit.model.p_alive(x, t_x, T) > 0.95).all()


@each_model
def test_all_customers_repeating_still_gives_finite_predictions(name: str) -> None:
    x = np.random.default_rng(0).integers(1, 9, 200).astype(float)
    t_x, T = np.linspace(1, 50, 200), np.full(200, 60.0)
    result = fit_purchases(name, PurchaseSummary.of(x, t_x, T)).model.purchases(x, t_x, T, 60.0)
    assert np.isfinite(result).all()
    assert (result >= 0).all()
    assert result[-1] > result[0]  # x alike on average, one seen lately and one not


@each_model
def test_customers_who_all_fell_silent_together_are_predicted_to_buy_nothing(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    x, t_x, T = np.full(50, 3.0), np.full(50, 10.0), np.full(50, 91.0)
    model = fit_purchases(name, PurchaseSummary.of(x, t_x, T)).model
    assert (model.purchases(x, t_x, T, 91.0) < 0.05).all()
    assert "upper bound" in caplog.text


@each_model
def test_one_customer_who_repeats_among_many_who_do_not(name: str) -> None:
    x, t_x = np.append(np.zeros(99), 1.0), np.append(np.zeros(99), 20.0)
    T = np.full(100, 60.0)
    result = fit_purchases(name, PurchaseSummary.of(x, t_x, T)).model.purchases(x, t_x, T, 60.0)
    assert (result < 0.1).all()


@each_model
def test_one_robot_among_few_customers_overflows_nothing(name: str) -> None:
    x, t_x = np.append(np.zeros(20), 5000.0), np.append(np.zeros(20), 360.0)
    T = np.full(21, 365.0)
    fit = fit_purchases(name, PurchaseSummary.of(x, t_x, T))
    assert np.isfinite(fit.log_likelihood)
    assert np.isfinite(fit.model.purchases(x, t_x, T, 365.0)).all()


@pytest.mark.parametrize(
    ("x", "m"), [([2], [5.0]), ([1, 2, 3], [5.0, 5.0, 5.0]), ([0, 0], [np.nan, np.nan])]
)
def test_spends_that_do_not_differ_are_refused(x: list[int], m: list[float]) -> None:
    spends = Spends.of(np.array(x, dtype=float), np.array(m))
    with pytest.raises(DataError, match=r"different positive spends.*model=value/mean"):
        fit_spend(spends)


def test_free_purchases_count_for_nothing_in_spend() -> None:
    spends = Spends.of(np.array([1.0, 2.0, 3.0, 1.0]), np.array([0.0, 4.0, 6.0, np.nan]))
    assert spends.m.tolist() == [4, 6]


def test_a_correlation_of_number_and_spend_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    x = np.arange(1.0, 40.0)
    with caplog.at_level(logging.WARNING):
        fit_spend(Spends.of(x, 5 + x + np.sin(x)))
    assert (
        "assumes that spend and number of purchases are independent: correlation 1.00"
        in caplog.text
    )
