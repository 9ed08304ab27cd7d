"""The customers of an experiment: what is refused, and how arms and shares are found."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.effects.experiment_data import ExperimentData
from growthlab.effects.experiment_outcome import ExperimentOutcome

Customers = Callable[..., pd.DataFrame]


def test_arms_are_compared_with_the_control_alone(customers: Customers) -> None:
    frame = customers(arms=("none", "mens", "womens"), n=600)
    data = ExperimentData.of(frame, control="none", arms=["womens"])
    assert data.counts == {"none": 200, "womens": 200}
    assert data.facts == ("200 customers of other arms are left out: mens",)
    assert ExperimentData.of(frame, control="none").arms == ["mens", "womens"]


def test_days_follow_customers_that_are_left_out(customers: Customers) -> None:
    frame = customers(arms=("none", "mens", "womens"), n=600)
    days = pd.DataFrame({"customer": [1, 2, 3], "day": [0, 0, 1], "spend": [1.0, 2.0, 3.0]})
    data = ExperimentData.of(frame, control="none", arms=["womens"], days=days)
    assert data.days is not None
    # the second of each three customers is left out: customer 2 is now 1, customer 3 is 2
    assert data.days[["customer", "spend"]].to_numpy().tolist() == [[1, 2.0], [2, 3.0]]
    assert data.customers["user_id"].iloc[[1, 2]].tolist() == ["u2", "u3"]


@pytest.mark.parametrize(
    ("change", "settings", "error", "line"),
    [
        ({}, {"control": "old"}, ConfigError, "control=old is no arm of the experiment: possible: con"),
        ({}, {"control": "control", "arms": ["nwe"]}, ConfigError, "did you mean new"),
        ({"arm": "control"}, {"control": "control"}, DataError, "one arm only"),
        ({}, {"control": "control", "shares": {"control": 1}}, ConfigError, "shares must give each"),
        ({}, {"control": "control", "shares": {"control": 1, "new": -1}}, ConfigError, "above 0"),
    ],
)  # fmt: skip
def test_what_is_no_experiment_is_refused_in_a_line(
    change: dict[str, object],
    settings: dict[str, object],
    error: type[Exception],
    line: str,
    customers: Customers,
) -> None:
    frame = customers(n=200).assign(**change)
    with pytest.raises(error, match=line) as raised:
        ExperimentData.of(frame, **settings)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


def test_thirty_people_are_no_experiment(customers: Customers) -> None:
    with pytest.raises(DataError, match="control has 15 customers"):
        ExperimentData.of(customers(n=30), control="control")


def test_a_customer_in_two_arms_is_named(customers: Customers) -> None:
    frame = customers(n=200)
    frame.loc[1, "user_id"] = "u0"
    with pytest.raises(
        DataError, match=r"1 customers are in two arms \(such as u0: control and new"
    ):
        ExperimentData.of(frame, control="control")


def test_a_customer_in_two_rows_is_named(customers: Customers) -> None:
    frame = customers(n=200)
    frame.loc[2, "user_id"] = "u0"
    with pytest.raises(DataError, match=r"1 customers have several rows \(such as u0"):
        ExperimentData.of(frame, control="control")


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        ("spent", "no outcome spent .* did you mean spend"),
        ("town", "town holds words"),
        ("gaps", "1 of 200 customers have no gaps"),
        ("spend/nothing", "nobody in one of the arms has any nothing"),
    ],
)
def test_an_outcome_that_cannot_be_compared_is_refused(
    outcome: str, line: str, customers: Customers
) -> None:
    frame = customers(n=200).assign(nothing=0.0, gaps=[None, *[1.0] * 199])
    data = ExperimentData.of(frame, control="control")
    with pytest.raises(DataError, match=line):
        data.require_outcomes([ExperimentOutcome.of(outcome)])


@pytest.mark.parametrize("spelling", ["", "a/b/c", "any a/b", "/a"])
def test_a_spelling_that_is_no_outcome_is_refused(spelling: str) -> None:
    with pytest.raises(ConfigError, match="is no outcome: write a column"):
        ExperimentOutcome.of(spelling)


def test_any_is_the_share_of_customers_with_some() -> None:
    outcome = ExperimentOutcome.of("any  spend")
    assert outcome.values(pd.DataFrame({"spend": [0.0, 2.0, 5.0]})).tolist() == [0, 1, 1]


def test_the_digest_follows_the_content_and_no_order(customers: Customers) -> None:
    frame = customers(n=200)
    first = ExperimentData.of(frame, control="control").digest
    assert ExperimentData.of(frame[::-1], control="control").digest == first
    changed = frame.assign(spend=frame["spend"] + 1)
    assert ExperimentData.of(changed, control="control").digest != first
