"""Metrics of effects: the values of scikit-uplift and causalml, and what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from growthlab.metrics.by_hand import experiment_label
from growthlab.metrics.uplift.autoc import Autoc
from growthlab.metrics.uplift.auuc_causalml import AuucCausalml
from growthlab.metrics.uplift.auuc_sklift import AuucSklift
from growthlab.metrics.uplift.average_effect import AverageEffect
from growthlab.metrics.uplift.base import ArmsSoFar, Truth
from growthlab.metrics.uplift.dr_score import DrScore
from growthlab.metrics.uplift.effect_calibration import EffectCalibration
from growthlab.metrics.uplift.placebo_p import PlaceboP
from growthlab.metrics.uplift.policy_value_dr import PolicyValueDr
from growthlab.metrics.uplift.policy_value_ips import PolicyValueIps
from growthlab.metrics.uplift.qini_causalml import QiniCausalml
from growthlab.metrics.uplift.qini_sklift import QiniSklift
from growthlab.metrics.uplift.r_score import RScore
from growthlab.metrics.uplift.rate_p import RateP
from growthlab.metrics.uplift.rate_qini import RateQini
from growthlab.metrics.uplift.skill import Skill
from growthlab.metrics.uplift.uplift_at import UpliftAt
from growthlab.metrics.uplift.uplift_at_10 import UpliftAt10
from growthlab.metrics.weighted_rows import WeightedRows

# forty customers, drawn once: arm, outcome, score
W = [int(c) for c in "1111111000011001010010001010011111111101"]
Y = [int(c) for c in "0010110000011011110100001000111010001110"]
SCORE = [
    *(5, 39, 3, 32, 0, 23, 15, 4, 33, 25, 24, 19, 10, 1, 2, 11, 34, 30, 26, 27),
    *(28, 36, 13, 16, 35, 38, 14, 18, 20, 37, 12, 7, 9, 22, 17, 6, 8, 31, 21, 29),
]


FORTY = experiment_label(W, Y)
RANKED = np.array(SCORE) / 40
AMOUNTS = experiment_label(W, np.round(np.array(Y) * (1 + RANKED * 3 + np.array(W)), 2))
TIED = np.floor(RANKED * 5)


def test_the_forty_have_the_values_of_scikit_uplift() -> None:
    # sklift 0.5.1: qini_auc_score, uplift_auc_score, uplift_at_k(strategy="overall", k=0.3 and 0.1)
    assert QiniSklift()(FORTY, RANKED) == pytest.approx(-0.04582498457804081)
    assert AuucSklift()(FORTY, RANKED) == pytest.approx(-0.03748900575457215)
    assert UpliftAt()(FORTY, RANKED) == pytest.approx(0.25)
    assert UpliftAt10()(FORTY, RANKED) == pytest.approx(0.5)


def test_tied_scores_have_the_values_of_scikit_uplift() -> None:
    assert QiniSklift()(FORTY, TIED) == pytest.approx(-0.022067581969782472)
    assert AuucSklift()(FORTY, TIED) == pytest.approx(0.006746817945026328)


def test_the_forty_have_the_values_of_causalml() -> None:
    # causalml 0.18.0: qini_score and auuc_score with normalize=True
    assert QiniCausalml()(FORTY, RANKED) == pytest.approx(-0.062336204076780574)
    assert AuucCausalml()(FORTY, RANKED) == pytest.approx(0.45897821654128296)
    assert QiniCausalml()(AMOUNTS, RANKED) == pytest.approx(0.031080216460250464)
    assert AuucCausalml()(AMOUNTS, RANKED) == pytest.approx(0.5635551488108487)


def test_amounts_have_no_perfect_order_of_scikit_uplift() -> None:
    assert np.isnan(QiniSklift()(AMOUNTS, RANKED))
    assert np.isnan(AuucSklift()(AMOUNTS, RANKED))


EIGHT = experiment_label([1, 0, 1, 0, 1, 0, 1, 0], [1, 0, 1, 1, 0, 0, 0, 1])
EIGHT_RANKED = np.arange(8, 0, -1) / 8


def test_the_curves_of_eight_customers() -> None:
    arms = ArmsSoFar.of(WeightedRows.of(EIGHT, EIGHT_RANKED))
    # after 5: treated 2 of 3, control 1 of 2, so Qini 2 - 1 * 3 / 2 and gain (2/3 - 1/2) * 5
    assert arms.qini()[0] == pytest.approx([1, 1, 2, 1, 0.5, 1, 2 / 3, 0])
    assert arms.gain()[0] == pytest.approx([1, 2, 3, 2, 5 / 6, 2, 7 / 6, 0])
    # sklift 0.5.1 on these eight
    assert QiniSklift()(EIGHT, EIGHT_RANKED) == pytest.approx(0.5972222222222222)
    assert AuucSklift()(EIGHT, EIGHT_RANKED) == pytest.approx(0.6666666666666666)


def test_the_transformed_outcome_is_the_weighted_effect() -> None:
    truth = Truth.of(experiment_label([1, 1, 0, 0], [1, 0, 1, 0]))
    assert truth.weighted_effect.tolist() == [2, 0, -2, 0]


FOUR = experiment_label(
    [1, 0, 1, 0], [3, 1, 1, 1], expected_control=[0, 0, 0, 0], expected_treated=[1, 0, 0, 1]
)
# robust effects: 1 + 2 (3 - 1) = 5; -2 * 1; 2 * 1; 1 - 2 * 1; their mean is 1
BEST_FIRST = np.array([4.0, 1, 3, 2])


def test_rate_of_four_customers() -> None:
    assert Truth.of(FOUR).robust_effect.tolist() == [5, -2, 2, -1]
    # sums of 5, 2, -1, -2: 5, 7, 6, 4; TOC 5 - 1, 3.5 - 1, 2 - 1, 1 - 1
    assert Autoc()(FOUR, BEST_FIRST) == pytest.approx((4 + 2.5 + 1 + 0) / 4)
    # times k / 4: 1, 1.25, 0.75, 0
    assert RateQini()(FOUR, BEST_FIRST) == pytest.approx((1 + 1.25 + 0.75) / 4)


@pytest.mark.parametrize("metric", [Autoc(), RateQini(), QiniCausalml()])
def test_a_constant_says_nothing(metric) -> None:
    assert metric(FOUR, np.full(4, 0.1)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("metric", [Autoc(), RateQini(), PolicyValueDr(0.5), PolicyValueIps(0.5)])
def test_a_tie_is_the_mean_of_both_orders(metric) -> None:
    label = experiment_label([1, 0] * 4, np.random.default_rng(0).normal(size=8))
    score, moved = np.arange(8.0), 0.5 * (np.arange(8) == 4)
    score[4] = score[3]
    both = metric(label, score + moved), metric(label, score - moved)
    assert both[0] != both[1]
    assert metric(label, score) == pytest.approx(sum(both) / 2)


def test_policy_values_of_four_customers() -> None:
    # the first two of four: robust 5 and 2; weighted 2 * 3 and 2 * 1
    assert PolicyValueDr(0.5)(FOUR, BEST_FIRST) == pytest.approx(7 / 4)
    assert PolicyValueIps(0.5)(FOUR, BEST_FIRST) == pytest.approx(8 / 4)
    assert PolicyValueDr(0.5).name == "ope_value_dr_at_50"


def test_the_average_effect_is_the_mean_of_the_robust_effects() -> None:
    assert AverageEffect()(FOUR, BEST_FIRST) == pytest.approx((5 - 2 + 2 - 1) / 4)
    assert np.isnan(AverageEffect()(FOUR[:0], BEST_FIRST[:0]))


def test_scores_of_four_customers() -> None:
    average = np.ones(4)
    # squared distances to the mean of 1: 4^2, 3^2, 1, 2^2
    assert DrScore()(FOUR, average) == pytest.approx(0)
    assert DrScore()(FOUR, np.array([5.0, -2, 2, -1])) == pytest.approx(1)
    assert DrScore()(FOUR, np.array([2.0, 1, 1, 1])) == pytest.approx(1 - (9 + 9 + 1 + 4) / 30)
    # Y - m: 2.5, 1, 1, .5, and W - e: .5, -.5, .5, -.5, so the best constant is 1 / 1
    # its loss: 2^2 + 1.5^2 + .5^2 + 1^2 = 7.5; with 2 for the first: 1.5^2 + ... = 5.75
    assert RScore()(FOUR, average) == pytest.approx(0)
    assert RScore()(FOUR, np.array([2.0, 1, 1, 1])) == pytest.approx(1 - 5.75 / 7.5)


def test_the_r_score_is_that_of_econml() -> None:
    # econml 0.17.0: RScorer(DummyRegressor(), DummyRegressor(), cv=1): m and e are the means of all
    label = experiment_label(W, Y, propensity=0.6, expected_control=0.45, expected_treated=0.45)
    assert RScore()(label, RANKED - 0.4) == pytest.approx(-0.12041685144124159)


def test_calibration_of_two_bins() -> None:
    # bins {5, 2} and {-1, -2}: observed 3.5 and -1.5, predicted 3 and -1
    prediction = np.array([3.0001, -1.0001, 2.9999, -0.9999])
    assert EffectCalibration(bins=2)(FOUR, prediction) == pytest.approx(0.5)


WHOLE = [QiniSklift(), AuucSklift(), QiniCausalml(), AuucCausalml(), Autoc(), RateQini(), RScore()]


@pytest.mark.parametrize("metric", WHOLE, ids=lambda metric: metric.name)
def test_a_weight_repeats_a_customer(metric) -> None:
    weight = np.random.default_rng(1).integers(0, 4, 40)
    repeated = np.repeat(np.arange(40), weight)
    once = metric(FORTY[repeated], RANKED[repeated])
    assert metric(FORTY, RANKED, weight) == pytest.approx(once)


def experiment(n: int, seed: int, effect: float) -> tuple[np.ndarray, np.ndarray]:
    """A label in which the effect grows with the prediction, from none to twice `effect`."""
    random = np.random.default_rng(seed)
    prediction, treated = random.uniform(size=n), random.integers(0, 2, n)
    outcome = random.uniform(size=n) < 0.2 + 2 * effect * prediction * treated
    return experiment_label(
        treated, outcome, expected_control=0.2, expected_treated=0.2
    ), prediction


def test_an_effect_that_grows_with_the_prediction_is_skill() -> None:
    label, prediction = experiment(2000, 0, 0.2)
    assert Skill()(label, prediction) == 1
    assert Skill()(label, -prediction) == 0
    assert Skill()(label, np.ones(2000)) == 0


def test_no_effect_is_called_skill_as_often_as_alpha_says() -> None:
    found = {
        test.name: np.mean([test(*experiment(300, seed, 0.0)) <= 0.1 for seed in range(200)])
        for test in (RateP(), PlaceboP())
    }
    # 10 % of 200, within three standard errors of 2.1 %
    assert all(0.036 <= share <= 0.164 for share in found.values()), found
