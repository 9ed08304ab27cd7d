"""Churn and value metrics: golden values, outside references, weights as repeated rows."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from growthlab.core.errors import ConfigError
from growthlab.metrics.binary.average_precision import AveragePrecision
from growthlab.metrics.binary.brier import Brier
from growthlab.metrics.binary.brier_skill import BrierSkill
from growthlab.metrics.binary.calibration_error import CalibrationError
from growthlab.metrics.binary.empc import EMPC
from growthlab.metrics.binary.empc_share import EMPCShare
from growthlab.metrics.binary.gain import Gain
from growthlab.metrics.binary.lift import Lift
from growthlab.metrics.binary.log_loss import LogLoss
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.metrics.value.decile_mape import DecileMape
from growthlab.metrics.value.log_rmse import LogRMSE
from growthlab.metrics.value.mae import MAE
from growthlab.metrics.value.normalised_gini import NormalisedGini
from growthlab.metrics.value.rmse import RMSE
from growthlab.metrics.value.spearman import Spearman
from growthlab.metrics.value.top_decile_capture import TopDecileCapture
from growthlab.metrics.value.total_bias import TotalBias

BINARY = (
    RocAuc(),
    AveragePrecision(),
    Brier(),
    BrierSkill(),
    LogLoss(),
    Lift(),
    Gain(),
    CalibrationError(),
    EMPC(),
    EMPCShare(),
)
VALUE = (
    MAE(),
    RMSE(),
    LogRMSE(),
    Spearman(),
    NormalisedGini(),
    DecileMape(),
    TotalBias(),
    TopDecileCapture(),
)
Y = np.array([0, 0, 1, 0, 1, 1, 0, 1.0])
P = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])


def named(metrics):
    return pytest.mark.parametrize("metric", metrics, ids=[m.name for m in metrics])


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (RocAuc(), 0.75),
        (AveragePrecision(), 0.770833),
        (Brier(), 0.2),
        (CalibrationError(bins=4), 0.25),
    ],
)
def test_golden_values_of_classification(metric, value):
    assert metric(Y, P) == pytest.approx(value, abs=1e-6)


def test_golden_values_of_the_expected_maximum_profit():
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05])
    left = np.array([1, 1, 0, 1, 0, 0, 0, 1, 0, 0.0])
    assert EMPC()(left, score) == pytest.approx(18.071714, abs=1e-6)
    assert EMPCShare()(left, score) == pytest.approx(0.756399, abs=1e-6)


def slow_empc(label, prediction, value, offer, contact, alpha, beta):
    """The definition: the best cut for each of many gammas, weighted by the density of gamma."""
    n = 20_000
    gammas = (np.arange(n) + 0.5) / n
    density = stats.beta(alpha, beta).pdf(gammas)
    best, share = np.zeros(n), np.zeros(n)
    for threshold in np.unique(prediction):
        reached = prediction >= threshold
        leavers, stayers = np.mean(reached & (label > 0)), np.mean(reached & (label == 0))
        profit = (gammas * (value - offer) - contact) * leavers - (offer + contact) * stayers
        share = np.where(profit > best, reached.mean(), share)
        best = np.maximum(best, profit)
    return (best * density).sum() / n, (share * density).sum() / n


@pytest.mark.parametrize(
    "costs",
    [
        {"value": 200.0, "offer": 10.0, "contact": 1.0, "alpha": 6.0, "beta": 14.0},
        {"value": 40.0, "offer": 10.0, "contact": 0.0, "alpha": 2.0, "beta": 2.0},
        {"value": 25.0, "offer": 0.0, "contact": 3.0, "alpha": 1.0, "beta": 9.0},
    ],
)
def test_the_expected_maximum_profit_is_the_integral_of_its_definition(tied, costs):
    label, prediction, _ = tied
    profit, share = slow_empc(label, prediction, **costs)
    assert EMPC(**costs)(label, prediction) == pytest.approx(profit, abs=1e-4)
    assert EMPCShare(**costs)(label, prediction) == pytest.approx(share, abs=1e-3)


def test_an_offer_that_costs_too_much_is_made_to_no_customer():
    """Gamma is at most 1: 10 are won at best, and 20 paid."""
    metric = EMPC(value=30, offer=20, contact=20)
    assert metric(Y, P) == 0
    assert EMPCShare(value=30, offer=20, contact=20)(Y, P) == 0


def test_without_leavers_the_expected_profit_is_zero():
    assert EMPC()(np.zeros(8), P) == 0


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ({"offer": 300.0}, "0 <= offer < value"),
        ({"contact": -1.0}, "contact >= 0"),
        ({"beta": 0.0}, "alpha and beta of empc must be positive"),
    ],
)
def test_invalid_costs_are_refused(costs, message):
    with pytest.raises(ConfigError, match=message):
        EMPC(**costs)


def test_brier_skill_is_zero_for_the_prevalence_and_one_for_the_labels():
    assert BrierSkill()(Y, np.full(8, 0.5)) == pytest.approx(0)
    assert BrierSkill()(Y, Y) == 1
    assert BrierSkill()(Y, P) == pytest.approx(1 - 0.2 / 0.25)
    assert math.isnan(BrierSkill()(np.ones(8), P))


def test_gain_is_the_share_of_leavers_at_the_top():
    # the upper half of the ranking holds 3 of the 4 leavers
    assert Gain(share=0.5)(Y, P) == 0.75
    assert Gain(share=0.5).name == "gain_at_50"
    with pytest.raises(ConfigError, match=r"share of gain must lie in \(0, 1\]"):
        Gain(share=0)


def test_log_rmse_compares_logarithms_and_counts_below_zero_as_zero():
    label, prediction = np.array([0.0, np.e - 1]), np.array([-5.0, np.e**3 - 1])
    assert LogRMSE()(label, prediction) == pytest.approx(np.sqrt((0 + 4) / 2))


def test_golden_values_of_value():
    label, prediction = np.array([0, 0, 10, 0, 50, 5.0]), np.array([1, 0.5, 8, 2, 20, 9])
    assert NormalisedGini()(label, prediction) == pytest.approx(0.971429, abs=1e-6)
    assert Spearman()(label, prediction) == pytest.approx(0.880406, abs=1e-6)


@pytest.fixture
def tied():
    """300 labels and probabilities with one decimal, so that most are tied."""
    random = np.random.default_rng(3)
    p = random.integers(1, 10, 300) / 10
    return (random.random(300) < p).astype(float), p, random.integers(0, 4, 300).astype(float)


@pytest.mark.parametrize(
    ("metric", "theirs"),
    [
        (RocAuc(), reference.roc_auc_score),
        (AveragePrecision(), reference.average_precision_score),
        (Brier(), reference.brier_score_loss),
        (LogLoss(), reference.log_loss),
        (MAE(), reference.mean_absolute_error),
        (RMSE(), reference.root_mean_squared_error),
    ],
)
def test_the_value_is_scikit_learns_with_and_without_weights(tied, metric, theirs):
    label, prediction, weight = tied
    assert metric(label, prediction) == pytest.approx(theirs(label, prediction))
    weighted = theirs(label, prediction, sample_weight=weight)
    assert metric(label, prediction, weight) == pytest.approx(weighted)


def test_spearman_is_scipys(tied):
    label, prediction, _ = tied
    assert Spearman()(label, prediction) == pytest.approx(stats.spearmanr(label, prediction)[0])


@named(BINARY)
@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 3)), min_size=1, max_size=25
    )
)
def test_a_weight_is_a_repeated_row_for_classification(metric, rows):
    assert_weight_is_repetition(metric, rows, scale=8)


@named(VALUE)
@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=25
    )
)
def test_a_weight_is_a_repeated_row_for_value(metric, rows):
    assert_weight_is_repetition(metric, rows, scale=1)


def assert_weight_is_repetition(metric, rows, scale):
    label, prediction, weight = np.array(rows, dtype=float).T
    prediction = prediction / scale
    times = weight.astype(int)
    if not times.any():
        return
    repeated = metric(np.repeat(label, times), np.repeat(prediction, times))
    assert metric(label, prediction, weight) == pytest.approx(repeated, abs=1e-9, nan_ok=True)


@named((*BINARY, *VALUE))
def test_the_order_of_rows_means_nothing_even_among_ties(metric, tied):
    label, prediction, _ = tied
    order = np.random.default_rng(1).permutation(len(label))
    assert metric(label[order], prediction[order]) == pytest.approx(metric(label, prediction))


@pytest.mark.parametrize("label", [np.zeros(5), np.ones(5)])
def test_roc_auc_of_one_class_is_undefined(label):
    assert math.isnan(RocAuc()(label, np.arange(5.0)))


def test_a_constant_ranks_as_chance():
    constant = np.full(8, 0.3)
    assert RocAuc()(Y, constant) == 0.5
    assert AveragePrecision()(Y, constant) == pytest.approx(Y.mean())
    assert Lift()(Y, constant) == pytest.approx(1)
    assert math.isnan(Spearman()(Y, constant))
    assert TopDecileCapture()(Y, constant) == pytest.approx(0.1)


@pytest.mark.parametrize("metric", [Brier(), BrierSkill(), LogLoss(), CalibrationError()])
def test_scores_that_are_not_probabilities_have_no_calibration(metric):
    assert math.isnan(metric(Y, 30 * P))


def test_one_wrong_certainty_leaves_the_log_loss_finite():
    assert math.isfinite(LogLoss()(np.array([1.0, 0.0]), np.array([0.0, 0.0])))


def test_lift_takes_the_next_whole_number_of_rows():
    # 12 rows: the top tenth is 2 rows, both positive: 1 / (3 / 12) = 4
    label = np.array([1, 1, 0, 1] + [0] * 8, dtype=float)
    assert Lift()(label, np.arange(12.0)[::-1]) == 4.0
    assert Lift().name == "lift_at_10"
    assert Lift(share=0.05).name == "lift_at_5"


def test_lift_averages_a_tie_at_the_border():
    # top 2 of 20: a certain positive, then one of four tied rows with one positive: 1.25
    label = np.array([1, 1, 0, 0, 0] + [0] * 15, dtype=float)
    prediction = np.array([9, 5, 5, 5, 5] + [1] * 15, dtype=float)
    assert Lift()(label, prediction) == pytest.approx(1.25 / 2 / 0.1)


def test_thirty_rows_have_three_in_the_top_tenth():
    # 0.1 * 30 is 3.0000000000000004
    label = np.array([1, 1, 1] + [0] * 27, dtype=float)
    assert Lift()(label, np.arange(30.0)[::-1]) == 10.0


def test_normalised_gini_averages_ties_over_their_orders():
    label, prediction = np.array([4, 0, 1, 3.0]), np.array([2, 2, 1, 1.0])
    orders = ([0, 1, 2, 3], [1, 0, 2, 3], [0, 1, 3, 2], [1, 0, 3, 2])
    raw = [2 / 4 * np.cumsum(label[o] / 8).sum() - 1 for o in map(list, orders)]
    perfect = 2 / 4 * np.cumsum([4, 3, 1, 0]).sum() / 8 - 1
    assert NormalisedGini()(label, prediction) == pytest.approx(np.mean(raw) / perfect)


def test_value_metrics_of_worthless_customers_are_undefined():
    zeros, prediction = np.zeros(6), np.arange(6.0)
    for metric in (NormalisedGini(), DecileMape(), TotalBias(), TopDecileCapture(), Spearman()):
        assert math.isnan(metric(zeros, prediction)), metric.name


def test_decile_mape_leaves_out_groups_without_value():
    # ten groups of one: the best-ranked is predicted as 12 instead of 10, the rest are worth nothing
    label, prediction = np.zeros(10), np.arange(10.0) / 10
    label[9], prediction[9] = 10, 12
    assert DecileMape()(label, prediction) == pytest.approx(0.2)


def test_total_bias_is_the_excess_of_all_predictions():
    assert TotalBias()(np.array([1.0, 3.0]), np.array([3.0, 3.0])) == pytest.approx(0.5)


@named((*BINARY, *VALUE))
def test_no_rows_have_no_value(metric):
    assert math.isnan(metric(np.zeros(0), np.zeros(0)))


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match=r"share of lift must lie in \(0, 1\], got 10"):
        Lift(share=10)
    with pytest.raises(ConfigError, match="bins of calibration_error must be at least 1, got 0"):
        CalibrationError(bins=0)
