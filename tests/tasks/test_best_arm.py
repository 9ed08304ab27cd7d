"""The task of the best arm: whose effects models learn, what is judged, and what is said without skill."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.simulated_campaign import SimulatedCampaign
from growthlab.evaluation.outcome import Estimate
from growthlab.metrics.best_arm.costly_qini import CostlyQini
from growthlab.metrics.best_arm.net_value import NetValue
from growthlab.metrics.best_arm.skill import ChoiceSkill
from growthlab.models.best_arm.effect_per_arm import EffectPerArm
from growthlab.models.uplift.everybody import Everybody, average_effect
from growthlab.models.uplift.random import RandomCustomers
from growthlab.models.uplift.t_learner import TLearner
from growthlab.split.customers import Customers
from growthlab.tasks.best_arm import BestArm
from growthlab.training.fit_options import FitOptions

CAMPAIGN = SimulatedCampaign(customers=4000, cost={"mail": 0.01, "coupon": 0.2})
TABLE = CAMPAIGN.read()
FOLD = Customers(valid_share=0).table_folds(TABLE)[0]
TASK = BestArm()
DATA = TASK.table_data(FOLD)
METRICS = {"net_value": NetValue(), "costly_qini": CostlyQini(), "skill": ChoiceSkill()}


def linear() -> EffectPerArm:
    return EffectPerArm(TLearner(LinearRegression()))


FITTED = TASK.fit(linear(), DATA, FitOptions())


def test_the_control_of_every_arm_is_the_control() -> None:
    given = DATA.train.assignment
    for arm in ("coupon", "mail"):
        compared = DATA.train.against_control(arm)
        assert len(compared) == np.isin(given.arms, (arm, "none")).sum()
        assert compared.treatment.sum() == (given.arms == arm).sum()
        assert compared.propensity == pytest.approx(1 / 3)  # .25 of .25 + .5


def test_the_truth_is_an_unbiased_effect_of_every_customer() -> None:
    customers, table = DATA.evaluated, FOLD.future
    assert table.assignment is not None
    arms, y, m = table.assignment.arms, table.label, customers.expected
    assert m is not None
    at = [int(np.flatnonzero(arms == arm)[0]) for arm in ("coupon", "mail", "none")]
    # of the coupon: it got the coupon; it got the mail; it got nothing
    expected = [
        m[at[0], 1] + (y[at[0]] - m[at[0], 1]) / 0.25 - m[at[0], 0],
        m[at[1], 1] - m[at[1], 0],
        m[at[2], 1] - m[at[2], 0] - (y[at[2]] - m[at[2], 0]) / 0.5,
    ]
    assert customers.truth[at, 0] == pytest.approx(expected)


def test_each_arm_has_the_effects_of_a_model_of_its_own() -> None:
    effects = FITTED.effects(DATA.evaluated)
    alone = TLearner(LinearRegression()).fit(DATA.train.against_control("mail"), FitOptions())
    np.testing.assert_array_equal(effects[:, 1], alone.predict(DATA.evaluated))


def test_the_answer_for_the_unknown_is_the_best_arm_on_average() -> None:
    mail = average_effect(DATA.train.against_control("mail"))
    coupon = average_effect(DATA.train.against_control("coupon"))
    assert DATA.mean_outcome == pytest.approx(max(0.0, mail - 0.01, coupon - 0.2))
    everybody = TASK.fit(EffectPerArm(Everybody()), DATA, FitOptions())
    assert everybody.effects(DATA.evaluated)[0] == pytest.approx([coupon, mail])


def test_a_choice_by_customer_is_evaluated_with_its_costs() -> None:
    found = TASK.evaluate(FITTED, DATA, METRICS, seed=0, n_resamples=50)
    assert set(found.values) == {"ope_value_net", "costly_qini", "skill"}
    assert found.values["ope_value_net"].value == pytest.approx(
        found.per_user["ope_value_net"].mean()
    )
    qini = found.values["costly_qini"]
    assert qini.low < qini.value < qini.high
    assert set(found.per_user["arm"]) == {"coupon", "mail", "none"}
    choices = found.tables["choices"].set_index("arm")
    assert choices["customers"].sum() == len(DATA.evaluated)
    assert choices.loc["none", "net_value"] == 0
    given_none = found.per_user["arm"] == "none"
    assert (found.per_user.loc[given_none, "prediction"] == 0).all()
    assert TASK.n_deciding(found) > 20


def test_dearer_arms_are_given_to_fewer() -> None:
    def share(worth: float) -> float:
        task = BestArm(worth=worth)
        data = task.table_data(FOLD)
        model = task.fit(linear(), data, FitOptions())
        found = task.evaluate(model, data, METRICS, seed=0, intervals=False)
        return float((found.per_user["arm"] == "coupon").mean())

    assert share(0.5) < share(1.0) < share(5.0)


def test_without_skill_the_card_names_the_arm_for_everybody() -> None:
    answer = TASK.table_answer(FOLD.past)
    assert "best of coupon, mail for a customer, or none" in answer.intended_use
    without, with_skill = (
        TASK.answer_as_evaluated(answer, {"skill": Estimate(value, np.nan, np.nan)}).caveat
        for value in (0.0, 1.0)
    )
    assert "NO SKILL IS SHOWN" in without
    assert "same action for all" in with_skill
    assert "was not tested" in TASK.answer_as_evaluated(answer, {}).caveat


def test_an_arm_with_too_few_customers_is_named() -> None:
    few = SimulatedCampaign(customers=len(TABLE), probability={"none": 0.99, "mail": 0.01}).read()
    assert few.assignment is not None
    kept = (few.assignment.arms != "mail") | (np.cumsum(few.assignment.arms == "mail") <= 30)
    with pytest.raises(DataError, match=r"only \d+ customers of mail to evaluate"):
        TASK.table_data(Customers(valid_share=0).table_folds(few.select(kept))[0])


@pytest.mark.parametrize("worth", [0.0, -1.0, float("nan"), float("inf")])
def test_a_unit_of_the_outcome_is_worth_something(worth: float) -> None:
    with pytest.raises(ConfigError, match=r"task\.worth must be a number above 0"):
        BestArm(worth=worth)


def test_a_model_that_only_orders_customers_is_refused() -> None:
    with pytest.raises(ConfigError, match="orders customers and predicts no effects"):
        EffectPerArm(RandomCustomers())
