"""CDNOW's 1/10 sample, 39 weeks to learn from and 39 to predict: the published figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.metrics.value.normalised_gini import NormalisedGini
from growthlab.models.btyd.fit import bootstrapped, fit_purchases, fit_spend
from growthlab.models.btyd.purchase_summary import PurchaseSummary, Spends
from growthlab.scorers.btyd_models import BGNBD

pytestmark = pytest.mark.data

# parameters, log-likelihood, purchases expected in weeks 40-78 and their mean absolute error
PUBLISHED = {
    "bg_nbd": ((0.2426, 4.4136, 0.7929, 2.4259), -9582.43),
    "mbg_nbd": ((0.525, 6.183, 0.891, 1.614), -9582.13),
    "pareto_nbd": ((0.5532, 10.576, 0.6063, 11.67), -9594.98),
}
each_model = pytest.mark.parametrize("name", PUBLISHED)


class Customers(NamedTuple):
    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    mean_spend: np.ndarray
    later_purchases: np.ndarray
    later_spend: np.ndarray

    @property
    def summary(self) -> PurchaseSummary:
        return PurchaseSummary.of(self.x, self.t_x, self.T)


@pytest.fixture(scope="module")
def cdnow(real_data: Callable[[str], Path]) -> Customers:
    """The sample in weeks."""
    rows = pd.read_parquet(real_data("cdnow") / "sample.parquet")
    days = rows.groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    end = pd.Timestamp("1997-09-30")
    past, future = days[days["date"] <= end], days[days["date"] > end]
    by = past.groupby("customer_id")
    first, x = by["date"].min(), by.size() - 1
    repeats = past[past["date"] > past["customer_id"].map(first)]
    later = future.groupby("customer_id")["amount"].agg(["size", "sum"])
    later = later.reindex(first.index, fill_value=0)
    return Customers(
        x.to_numpy(dtype=float),
        ((by["date"].max() - first).dt.days / 7).to_numpy(),
        ((end - first).dt.days / 7).to_numpy(),
        repeats.groupby("customer_id")["amount"].mean().reindex(first.index).to_numpy(),
        later["size"].to_numpy(dtype=float),
        later["sum"].to_numpy(dtype=float),
    )


@each_model
def test_the_fit_is_the_published_one(cdnow: Customers, name: str) -> None:
    parameters, log_likelihood = PUBLISHED[name]
    result = fit_purchases(name, cdnow.summary)
    assert result.model == pytest.approx(parameters, rel=1e-3)
    assert result.log_likelihood == pytest.approx(log_likelihood, abs=0.01)
    assert result.n_customers == 2357


def test_gamma_gamma_is_the_published_one(cdnow: Customers) -> None:
    result = fit_spend(Spends.of(cdnow.x, cdnow.mean_spend))
    assert result.model == pytest.approx((6.25, 3.74, 15.44), rel=2e-3)
    assert result.log_likelihood == pytest.approx(-4055.92, abs=0.01)
    assert result.n_customers == 946


@pytest.mark.parametrize(
    ("name", "total", "mae", "rmse", "spearman"),
    [("bg_nbd", 1653.4, 0.786, 1.608, 0.449), ("mbg_nbd", 1576.7, 0.765, 1.607, 0.450)],
)
def test_weeks_40_to_78_as_published(
    cdnow: Customers, name: str, total: float, mae: float, rmse: float, spearman: float
) -> None:
    assert cdnow.later_purchases.sum() == 1882
    model = fit_purchases(name, cdnow.summary).model
    expected = model.purchases(cdnow.x, cdnow.t_x, cdnow.T, 39)
    error = expected - cdnow.later_purchases
    assert expected.sum() == pytest.approx(total, rel=1e-3)
    assert np.abs(error).mean() == pytest.approx(mae, abs=1e-3)
    assert np.sqrt((error**2).mean()) == pytest.approx(rmse, abs=1e-3)
    order = spearmanr(expected.astype(np.float32), cdnow.later_purchases).statistic
    assert order == pytest.approx(spearman, abs=1e-3)


def test_revenue_of_weeks_40_to_78_as_computed_before(cdnow: Customers) -> None:
    model = fit_purchases("mbg_nbd", cdnow.summary).model
    spend = fit_spend(Spends.of(cdnow.x, cdnow.mean_spend)).model
    predicted = model.purchases(cdnow.x, cdnow.t_x, cdnow.T, 39)
    predicted = predicted * spend.spend(cdnow.x, cdnow.mean_spend)
    assert predicted.sum() == pytest.approx(57164, rel=1e-3)
    assert np.abs(predicted - cdnow.later_spend).mean() == pytest.approx(29.72, abs=0.02)
    order = spearmanr(predicted.astype(np.float32), cdnow.later_spend).statistic
    assert order == pytest.approx(0.430, abs=1e-3)
    assert NormalisedGini()(cdnow.later_spend, predicted) == pytest.approx(0.638, abs=1e-3)


def test_p_alive_ranks_worse_than_chance_and_p_purchase_does_not(cdnow: Customers) -> None:
    model = fit_purchases("bg_nbd", cdnow.summary).model
    assert isinstance(model, BGNBD)
    bought = (cdnow.later_purchases > 0).astype(float)
    assert bought.sum() == 684
    summary = cdnow.x, cdnow.t_x, cdnow.T
    assert RocAuc()(bought, model.p_alive(*summary)) == pytest.approx(0.316, abs=1e-3)
    p = model.p_purchase(*summary, 39)
    assert RocAuc()(bought, p) == pytest.approx(0.757, abs=1e-3)
    assert np.mean((p - bought) ** 2) == pytest.approx(0.161, abs=1e-3)


def test_the_sample_in_days_differs_in_the_unit_alone(cdnow: Customers) -> None:
    days = PurchaseSummary.of(cdnow.x, 7 * cdnow.t_x, 7 * cdnow.T)
    result = fit_purchases("pareto_nbd", days)
    assert result.model == pytest.approx((0.5532, 7 * 10.576, 0.6063, 7 * 11.67), rel=1e-3)
    # a density of 2,457 times, each a seventh of what it is in weeks
    assert result.log_likelihood == pytest.approx(-9594.98 - 2457 * np.log(7), abs=0.01)


@pytest.mark.parametrize("how", ["case", "parametric"])
def test_the_bootstrap_spreads_as_the_standard_errors_say(cdnow: Customers, how: str) -> None:
    fit = fit_purchases("bg_nbd", cdnow.summary)
    random = np.random.default_rng(0)
    spread = bootstrapped(fit, cdnow.summary, how, 200, random)  # type: ignore[arg-type]
    assert spread.resampled is not None
    result = np.std(np.log(spread.resampled), axis=0)
    # of 200 samples the spread is known within sqrt(1 / 400) = 5 %, were it normal; it is skewed,
    # and wider for cases than for customers of the model, who have no Christmas
    assert result == pytest.approx(fit.errors / np.array(fit.model), rel=0.4)
    low, high = spread.interval()
    assert ((low < fit.model) & (fit.model < high)).all()
