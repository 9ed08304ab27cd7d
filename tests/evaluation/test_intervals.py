"""Bounds of an estimate: those of Student's t where nothing is skewed, and honest where nothing varies."""

import numpy as np
import pytest
from scipy import stats

from growthlab.evaluation.bootstrap import evaluate_predictions
from growthlab.evaluation.intervals import (
    bias_corrected_bounds,
    effective_number,
    is_rough,
    jackknife_bounds,
    percentile_bounds,
    unless_without_width,
)
from growthlab.evaluation.prediction_values import PredictionValues
from growthlab.evaluation.resamples import Resamples
from growthlab.metrics.binary.empc import EMPC
from growthlab.metrics.binary.roc_auc import RocAuc


def bounds_of_mean(values):
    n = len(values)
    return jackknife_bounds(values.mean(), (values.sum() - values) / (n - 1))


def test_bounds_of_an_even_mean_are_those_of_students_t():
    values = np.concatenate([np.arange(30.0), -np.arange(30.0)])
    expected = stats.t.interval(0.95, 59, loc=0, scale=stats.sem(values))
    assert bounds_of_mean(values) == pytest.approx(expected)


def test_a_long_tail_moves_both_bounds_to_its_side():
    values = np.random.default_rng(0).lognormal(size=100)
    low, high = bounds_of_mean(values)
    even = stats.t.interval(0.95, 99, loc=values.mean(), scale=stats.sem(values))
    assert low > even[0]
    assert high > even[1]
    mirrored = bounds_of_mean(-values)
    assert mirrored == pytest.approx((-high, -low))


def test_the_transformation_is_undone_exactly():
    """With T = (value - truth) / error: T + s (2 T^2 + 1) + 4/3 s^2 T^3 is the quantile of t."""
    values = np.random.default_rng(1).lognormal(size=50)
    low, high = bounds_of_mean(values)
    d = values - values.mean()
    skew = (d**3).sum() / (6 * (d @ d) ** 1.5)
    for bound, quantile in ((low, 0.975), (high, 0.025)):
        t = (values.mean() - bound) / stats.sem(values)
        transformed = t + skew * (2 * t**2 + 1) + 4 / 3 * skew**2 * t**3
        assert transformed == pytest.approx(stats.t.ppf(quantile, 49))


def test_one_value_or_none_has_no_bounds():
    assert np.isnan(jackknife_bounds(1.0, np.array([]))).all()
    assert np.isnan(jackknife_bounds(1.0, np.array([np.nan]))).all()
    assert np.isnan(percentile_bounds(np.array([np.nan]))).all()


def test_bounds_leave_out_resamples_in_which_the_metric_is_undefined():
    assert percentile_bounds(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)


def test_what_resampling_adds_is_taken_off_twice():
    around = 1 + np.linspace(-1, 1, 401)  # bounds of 1: .05 and 1.95
    assert bias_corrected_bounds(1.0, around) == pytest.approx((0.05, 1.95))
    assert bias_corrected_bounds(1.0, around + 0.3) == pytest.approx((-0.25, 1.65))
    assert np.isnan(bias_corrected_bounds(1.0, np.array([np.nan]))).all()


def test_the_bounds_of_a_maximum_are_corrected_and_those_of_a_mean_are_not():
    random = np.random.default_rng(3)
    label = (random.random(300) < 0.2).astype(float)
    prediction = random.random(300)
    metrics = [EMPC(), RocAuc()]
    resampled = PredictionValues(label, prediction, metrics, Resamples(300, 0)).on_resamples(500)
    found = evaluate_predictions(label, prediction, metrics, n_resamples=500)
    value, low, high = found["empc"]
    assert (low, high) == bias_corrected_bounds(value, resampled[0])
    assert low < percentile_bounds(resampled[0])[0]
    assert tuple(found["roc_auc"][1:]) == percentile_bounds(resampled[1])


def test_bounds_without_width_are_none():
    same = jackknife_bounds(0.3, np.full(9, 0.3))
    assert same == (0.3, 0.3)
    assert np.isnan(unless_without_width(same)).all()
    assert unless_without_width((0.0, 1e-9)) == (0.0, 1e-9)


def test_customers_of_one_weight_count_whole_and_normal_ones_a_third():
    assert effective_number(np.tile([-1.0, 1.0], 50), 100) == pytest.approx(100)
    normal = np.random.default_rng(0).normal(size=100_000)
    assert effective_number(normal, 100_000) == pytest.approx(100_000 / 3, rel=0.03)


def test_a_customer_who_decides_alone_is_one():
    values = np.zeros(1000)
    values[7] = 1.0
    assert effective_number(values, 1000) == pytest.approx(1.0, rel=0.01)
    assert is_rough(values, 1000)


def test_the_number_is_the_same_from_groups_left_out():
    values = np.random.default_rng(0).exponential(size=256_000)
    of_customers = effective_number(values, 256_000)
    of_groups = effective_number(values.reshape(256, 1000).sum(axis=1), 256_000)
    assert of_customers == pytest.approx(256_000 / 9, rel=0.1)  # an exponential's kurtosis is 9
    assert of_groups > 200  # as near as 256 groups can tell: enough


@pytest.mark.parametrize(("n", "rough"), [(199, True), (200, False)])
def test_a_few_customers_are_rough_whatever_they_weigh(n: int, rough: bool):
    assert is_rough(np.resize([-1.0, 1.0], n), n) is rough


def test_nothing_that_never_changes_is_rough():
    assert not is_rough(np.full(300, 0.1 + 0.2), 300)
