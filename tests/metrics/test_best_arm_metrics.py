"""Metrics of several arms: values that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from growthlab.core.errors import ConfigError
from growthlab.metrics.best_arm.base import JudgedArms
from growthlab.metrics.best_arm.costly_qini import CostlyQini, curve
from growthlab.metrics.best_arm.net_gain import NetGain
from growthlab.metrics.best_arm.net_value import NetValue
from growthlab.metrics.best_arm.skill import ChoiceSkill

ONCE = np.ones((1, 2))
TWO = JudgedArms(
    predicted=np.array([[3.0, 4.0], [1.0, 4.0]]),
    robust=np.array([[2.0, 6.0], [0.0, 4.0]]),
    cost=np.array([1.0, 2.0]),
    average=np.array([1.0, 3.0]),
)


def test_the_choice_weighs_the_effect_against_the_cost() -> None:
    # nets 2 and 2: the first of equal ones; 0 and 2
    assert TWO.chosen.tolist() == [0, 1]
    # a unit of the outcome brings a quarter: nets -.25 and -1; -.75 and -1
    assert replace(TWO, worth=0.25).chosen.tolist() == [-1, -1]
    # on average 0 and 1
    assert TWO.same_for_all.tolist() == [1, 1]


def test_net_value_and_gain_of_two_customers() -> None:
    # 2 - 1 and 4 - 2; the same for all: 6 - 2 and 4 - 2
    assert NetValue().per_customer(TWO).tolist() == [1, 2]
    assert NetGain().per_customer(TWO).tolist() == [1 - 4, 2 - 2]
    assert NetValue().per_customer(replace(TWO, worth=0.25)).tolist() == [0, 0]


def test_the_curve_of_two_customers() -> None:
    # slopes: 3 / 1, then (4 - 3) / 1; and 4 / 2, which is better than 1 / 1
    x, y = curve(TWO, TWO.predicted, ONCE)
    assert x[0] == pytest.approx([0, 1 / 2, 1 / 2 + 2 / 2, 2])
    assert y[0] == pytest.approx([0, 2 / 2, 2 / 2 + 4 / 2, 1 + 2 + (6 - 2) / 2])


def test_the_costly_qini_of_two_customers() -> None:
    # model: .25 + 2 + 4 = 4.25 (.5 (0 + 1) / 2 = .25, 1 (1 + 3) / 2 = 2, .5 (3 + 5) / 2 = 2, in all 4.25)
    # average: 3 / 2 for the second arm beats 1: a line to (2, 5), 5; the dearest arm costs 2
    assert CostlyQini().of_arms(TWO, ONCE) == pytest.approx((0.25 + 2 + 2 - 5) / 2)


def test_what_is_not_spent_lets_the_curve_stay_level() -> None:
    # both go to the first arm alone: a line to (1, 1), then level until 2; average as before
    timid = replace(TWO, predicted=np.array([[3.0, 1.0], [3.0, 1.0]]))
    assert CostlyQini().of_arms(timid, ONCE) == pytest.approx((0.5 + 1 - 5) / 2)


def test_without_costs_the_budget_is_a_share_of_customers() -> None:
    free = replace(TWO, cost=np.zeros(2), predicted=np.array([[3.0, 1.0], [0.0, 4.0]]))
    # 4 before 3: a line to (1/2, 4/2), to (1, 2 + 2/2): .5 + 1.25; average: to (1, 5): 2.5
    assert CostlyQini().of_arms(free, ONCE) == pytest.approx((0.5 + 1.25 - 2.5) / 1)


def test_an_arm_without_cost_comes_first() -> None:
    mixed = replace(TWO, cost=np.array([0.0, 2.0]), predicted=np.array([[3.0, 4.0], [1.0, 0.5]]))
    x, y = curve(mixed, mixed.predicted, ONCE)
    assert x[0] == pytest.approx([0, 0, 2 / 2])
    assert y[0] == pytest.approx([0, (2 + 0) / 2, 1 + (6 - 2) / 2])


def test_the_same_prediction_for_all_has_no_area() -> None:
    same = replace(TWO, predicted=np.broadcast_to(TWO.average, (2, 2)))
    assert CostlyQini().of_arms(same, ONCE) == pytest.approx(0)
    assert NetGain().per_customer(same).tolist() == [0, 0]


def drawn(n: int, seed: int, effect: float) -> JudgedArms:
    """Two arms whose effects the prediction knows up to noise; with 0 it knows nothing."""
    random = np.random.default_rng(seed)
    true = effect * random.normal(size=(n, 2))
    noise = random.normal(size=(2, n, 2))
    return JudgedArms(true + noise[0], true + 2 * noise[1], np.array([0.1, 0.2]), np.zeros(2))


def test_a_weight_repeats_a_customer() -> None:
    judged, weight = drawn(40, 0, 1.0), np.random.default_rng(1).integers(0, 4, 40)
    rows = np.repeat(np.arange(40), weight)
    repeated = replace(judged, predicted=judged.predicted[rows], robust=judged.robust[rows])
    for metric in (CostlyQini(), ChoiceSkill()):
        once = metric.of_arms(repeated, np.ones((1, len(rows))))
        assert metric.of_arms(judged, weight[None, :].astype(float)) == pytest.approx(once)


def test_knowing_the_effects_is_worth_more_than_guessing() -> None:
    known, guessed = drawn(2000, 2, 1.0), drawn(2000, 2, 0.0)
    one = np.ones((1, 2000))
    assert CostlyQini().of_arms(known, one)[0] > 0.3
    assert abs(CostlyQini().of_arms(guessed, one)[0]) < 0.1
    assert ChoiceSkill().of_arms(known, one) == [1]


def test_guesses_are_called_skill_as_often_as_alpha_says() -> None:
    one = np.ones((1, 300))
    found = [ChoiceSkill(0.1).of_arms(drawn(300, s, 0.0), one)[0] for s in range(300)]
    # guesses cost money, so they are called skill at most as often: 10 % and three errors of 1.7 %
    assert np.mean(found) <= 0.152


def test_alpha_must_be_a_level() -> None:
    with pytest.raises(ConfigError, match=r"alpha of skill must lie in \(0, 1\), got 2"):
        ChoiceSkill(alpha=2)
