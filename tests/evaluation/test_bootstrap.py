"""Metrics with their intervals: close to the textbook's, the same resamples for every model."""

import numpy as np
import pandas as pd
import pytest

from growthlab.evaluation.bootstrap import (
    evaluate_lists,
    evaluate_predictions,
    evaluate_subset,
    mean_estimates,
    ratio_estimates,
    rough_predictions,
    rough_ratios,
)
from growthlab.evaluation.intervals import jackknife_bounds
from growthlab.evaluation.resamples import Resamples
from growthlab.metrics.binary.calibration_error import CalibrationError
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.metrics.ranking.coverage import Coverage
from growthlab.metrics.ranking.ndcg import NDCG
from growthlab.metrics.ranking.recall_micro import RecallMicro
from growthlab.metrics.value.decile_mape import DecileMape
from growthlab.metrics.value.mae import MAE
from growthlab.metrics.value.normalised_gini import NormalisedGini
from growthlab.metrics.value.spearman import Spearman


def test_bounds_of_a_mean_are_those_of_the_normal_approximation():
    # sd 1, n 4,000: 1.96 / sqrt(4000) = 0.031 on each side
    values = np.random.default_rng(0).normal(size=4000)
    (estimate,) = mean_estimates(pd.DataFrame({"m": values})).values()
    half = 1.96 * values.std() / np.sqrt(4000)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.003)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.003)


def test_users_without_a_value_are_left_out_of_the_mean():
    frame = pd.DataFrame({"some": [1.0, np.nan, 3.0], "none": [np.nan] * 3})
    result = mean_estimates(frame)
    assert result["some"].value == 2.0
    assert np.isnan(result["none"]).all()


def test_without_resamples_there_are_no_bounds():
    (estimate,) = mean_estimates(pd.DataFrame({"m": [1.0, 2.0]}), n_resamples=0).values()
    assert estimate.value == 1.5
    assert np.isnan(estimate.low)
    assert np.isnan(estimate.high)


def test_a_column_has_the_same_bounds_alone_and_with_others():
    values = np.random.default_rng(1).random(50)
    alone = mean_estimates(pd.DataFrame({"m": values}))["m"]
    together = mean_estimates(pd.DataFrame({"other": values**2, "m": values}))["m"]
    assert alone == pytest.approx(together)


def test_resamples_of_a_metric_are_the_metric_of_resampled_rows():
    random = np.random.default_rng(2)
    label, prediction = (random.random(60) < 0.5).astype(float), random.integers(0, 9, 60) / 9
    result = evaluate_predictions(label, prediction, [RocAuc()], n_resamples=200)["roc_auc"]
    drawn = [
        RocAuc()(np.repeat(label, row), np.repeat(prediction, row))
        for counts in Resamples(60).counts(200)
        for row in counts
    ]
    assert result.value == pytest.approx(RocAuc()(label, prediction))
    assert (result.low, result.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]))


def test_a_stratum_has_the_resamples_of_all_customers():
    random = np.random.default_rng(3)
    label, prediction = random.random(90), random.integers(0, 9, 90) / 9
    rows = np.flatnonzero(random.random(90) < 0.4)
    metrics, resamples = [NormalisedGini(), Spearman()], Resamples(90)
    result = evaluate_subset(
        label[rows], prediction[rows], metrics, resamples, rows, n_resamples=100
    )
    for metric in metrics:
        drawn = [
            metric(np.repeat(label[rows], row[rows]), np.repeat(prediction[rows], row[rows]))
            for counts in resamples.counts(100)
            for row in counts
        ]
        expected = np.quantile(drawn, [0.025, 0.975])
        assert (result[metric.name].low, result[metric.name].high) == pytest.approx(expected)


def test_a_metric_that_takes_one_resample_at_a_time_has_the_same_bounds():
    class Plain:
        name, larger_is_better = "plain", True

        def __call__(self, label, prediction, weight=None):
            return RocAuc()(label, prediction, weight)

    random = np.random.default_rng(4)
    label, prediction = (random.random(50) < 0.5).astype(float), random.integers(0, 9, 50) / 9
    result = evaluate_predictions(label, prediction, [RocAuc(), Plain()], n_resamples=60)
    assert result["plain"] == pytest.approx(result["roc_auc"])


def test_a_metric_biased_by_resampling_has_no_bounds():
    """Stated and real share are equal in each tenth; those of a resample never are."""
    label = np.tile([0.0, 1.0], 100)
    prediction = np.full(200, 0.5) + np.repeat(np.arange(10), 20) / 1e9
    metrics = [CalibrationError(), RocAuc()]
    result = evaluate_predictions(label, prediction, metrics, n_resamples=50)
    assert result["calibration_error"].value == pytest.approx(0, abs=1e-7)
    assert np.isnan([result["calibration_error"].low, result["calibration_error"].high]).all()
    assert result["roc_auc"].low < 0.5 < result["roc_auc"].high
    alone = evaluate_predictions(label, label, [DecileMape()], n_resamples=50)["decile_mape"]
    assert (alone.value, np.isnan(alone.low)) == (0, True)


def test_a_prediction_that_is_not_finite_fails_the_run():
    with pytest.raises(ValueError, match="model output: 1 of 3 predictions are not finite"):
        evaluate_predictions(np.zeros(3), np.array([1.0, np.nan, 0.0]), [MAE()])


def test_no_customers_have_no_value():
    result = evaluate_predictions(np.zeros(0), np.zeros(0), {"mae": MAE()})
    assert np.isnan(result["mae"]).all()


def test_a_ratio_has_the_bounds_of_its_jackknife():
    above, below = np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 1.0, 4.0, 4.0])
    result = ratio_estimates({"m": (above, below)})["m"]
    # 6 / 10 of all; without the first 6 / 9, then 5 / 9, 4 / 6 and 3 / 6
    bounds = jackknife_bounds(0.6, np.array([6 / 9, 5 / 9, 4 / 6, 3 / 6]))
    assert result.value == 0.6
    # a ratio is not below that of the worst customer (0 / 1), nor above that of the best (1 / 1)
    assert (result.low, result.high) == pytest.approx((max(bounds[0], 0.0), min(bounds[1], 1.0)))


def test_equal_values_have_no_interval_of_zero_width():
    """Nobody of 50 was hit: that does not say that nobody ever will be."""
    values = pd.DataFrame({"hit": np.zeros(50), "other": np.r_[1.0, np.zeros(49)]})
    result = mean_estimates(values)
    assert result["hit"].value == 0
    assert np.isnan(result["hit"].low)
    assert result["other"].low < 0.02 < result["other"].high


def test_equal_predictions_have_no_interval_of_the_order():
    random = np.random.default_rng(5)
    label, prediction = random.lognormal(size=800), np.full(800, 3.0)
    result = evaluate_predictions(label, prediction, [NormalisedGini(), MAE()], n_resamples=100)
    assert 0 < result["normalised_gini"].value < 0.01  # (1 / n) / the perfect order's
    assert np.isnan(result["normalised_gini"].low)
    assert result["mae"].low < result["mae"].value < result["mae"].high


def test_a_stratum_of_many_has_the_bounds_of_sums_over_its_own_customers():
    random = np.random.default_rng(6)
    label, prediction = random.random(300), random.random(300)
    rows = np.flatnonzero(random.random(300) < 0.5)
    own = evaluate_subset(label[rows], prediction[rows], [MAE()], Resamples(300), rows)["mae"]
    alone = evaluate_predictions(label[rows], prediction[rows], [MAE()])["mae"]
    assert own == pytest.approx(alone)


def test_each_kind_of_ranking_metric_is_estimated_as_it_can_be(blurred_lists):
    metrics = [NDCG((10,)), RecallMicro((20,)), Coverage((10,))]
    per_user, result, _ = evaluate_lists(blurred_lists, metrics, n_resamples=100)
    assert per_user.columns.tolist() == ["user_id", "ndcg_at_10"]
    assert list(result) == ["ndcg_at_10", "recall_micro_at_20", "coverage_at_10"]
    for name in ("ndcg_at_10", "recall_micro_at_20"):
        assert result[name].low < result[name].value < result[name].high, name
    assert np.isnan(result["coverage_at_10"].low)


def test_an_object_that_is_not_a_metric_is_refused(lists):
    with pytest.raises(TypeError, match="RocAuc has neither per_user, parts nor overall"):
        evaluate_lists(lists, [RocAuc()])


def test_bounds_that_a_few_customers_decide_are_rough_for_the_metrics_they_decide():
    random = np.random.default_rng(0)
    label = random.lognormal(sigma=1, size=2000)
    prediction = label * random.lognormal(sigma=0.5, size=2000)
    label[0] = 1000 * label.max()
    assert rough_predictions(label, prediction, [MAE(), Spearman()]) == {"mae"}


def test_a_mean_of_even_values_is_sound_and_one_of_a_few_hits_is_rough():
    one = np.ones(400)
    hits = np.where(np.arange(400) % 100 == 0, 1.0, 0.0)
    even = np.arange(400.0) % 2
    ratios = {"few": (hits, one), "even": (even, one), "nobody": (0 * one, 0 * one)}
    assert rough_ratios(ratios) == {"few", "nobody"}


def test_a_pooled_ratio_is_judged_by_what_each_user_changes():
    found = np.ones(400)
    asked = np.ones(400)
    found[0] = asked[0] = 5000.0  # the ratio is 1 with and without this user
    assert rough_ratios({"recall_micro": (found, asked)}) == frozenset()
    found[0] = 0.0
    assert rough_ratios({"recall_micro": (found, asked)}) == {"recall_micro"}
