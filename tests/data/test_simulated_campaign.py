"""The simulated campaign: its outcomes follow from the truth that it knows, which no model sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from growthlab.core.errors import ConfigError
from growthlab.data.simulated_campaign import ARMS, NONE, SimulatedCampaign

CAMPAIGN = SimulatedCampaign(customers=20_000)


@pytest.mark.parametrize("outcome", ["visit", "spend"])
def test_the_mean_outcome_of_an_arm_is_the_expected_one(outcome: str) -> None:
    campaign = replace(CAMPAIGN, outcome=outcome)
    table, expected = campaign.read(), campaign.truth().expected
    assert table.assignment is not None
    for arm in ARMS:
        own = table.assignment.arms == arm
        error = table.label[own].std() / np.sqrt(own.sum())
        assert table.label[own].mean() == pytest.approx(expected[arm][own].mean(), abs=4 * error)


def test_the_truth_has_a_row_a_customer_and_is_no_feature() -> None:
    table, truth = CAMPAIGN.read(), CAMPAIGN.truth()
    np.testing.assert_array_equal(table.user_ids, truth.user_ids)
    effects = truth.effects()
    assert list(effects) == ["mail", "coupon"]
    assert (effects["mail"] < 0).any()
    assert (effects["mail"] > 0.1).any()
    assert not {*ARMS, "arm", "visit"} & set(table.features)


def test_without_effects_every_arm_does_the_same() -> None:
    effects = replace(CAMPAIGN, effect=0.0).truth().effects()
    assert (effects.to_numpy() == 0).all()


def test_an_arm_that_is_not_named_is_not_there() -> None:
    campaign = replace(CAMPAIGN, probability={NONE: 0.8, "mail": 0.2})
    table = campaign.read()
    assert table.assignment is not None
    assert table.assignment.treatments == ("mail",)
    assert (table.assignment.arms == "mail").mean() == pytest.approx(0.2, abs=0.012)
    assert list(campaign.truth().effects()) == ["mail"]


def test_another_seed_draws_other_customers() -> None:
    assert replace(CAMPAIGN, seed=8).read().digest != CAMPAIGN.read().digest


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"customers": 0}, "data.customers must be at least 1"),
        ({"outcome": "visits"}, "data.outcome=visits: did you mean visit"),
        ({"effect": float("nan")}, "data.effect must be a finite number"),
        ({"probability": {NONE: 0.5, "mail": 0.6}}, "sums to 1.1, and it must sum to 1"),
        ({"probability": {"mail": 1.0}}, "data.probability needs none, the control"),
        ({"probability": {NONE: 1.0, "mail": 0.0}}, "probability.mail must be above 0"),
        ({"probability": {NONE: 0.5, "post": 0.5}}, "data.probability has post"),
        ({"cost": {"mail": -1.0}}, "data.cost.mail must be 0 or more"),
    ],
)
def test_a_mistake_is_one_line(settings: dict[str, object], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        replace(CAMPAIGN, **settings)
