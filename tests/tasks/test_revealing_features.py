"""A feature that gives the outcome away is named: numbers, texts and gaps, in every part of the data."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from growthlab.data.event_log import EventLog
from growthlab.features.examples import Examples
from growthlab.split.global_time import GlobalTime
from growthlab.tasks.churn import Churn
from growthlab.tasks.revealing_features import revealing_features
from growthlab.tasks.value import Value

N = 400


def examples_of(label: np.ndarray, **columns: object) -> Examples:
    times = np.full(len(label), np.datetime64("2025-06-01", "us"))
    table = pd.DataFrame(columns)
    return Examples(table, np.arange(len(label)).astype(str), times, 28.0, target=label)


@pytest.fixture
def label() -> np.ndarray:
    return (np.random.default_rng(0).random(N) < 0.5).astype(float)


def test_a_number_gives_the_outcome_away_in_either_direction(label: np.ndarray) -> None:
    honest = label + np.random.default_rng(1).normal(0, 1, N)
    assert revealing_features(examples_of(label, honest=honest, leak=-label)) == ["leak"]


def test_a_number_gives_the_outcome_away_by_where_it_is_missing(label: np.ndarray) -> None:
    closed = np.where(label == 1, np.random.default_rng(1).random(N), np.nan)
    assert revealing_features(examples_of(label, closed=closed)) == ["closed"]


def test_a_text_gives_the_outcome_away(label: np.ndarray) -> None:
    random = np.random.default_rng(1)
    told = pd.Series(np.where(label == 1, "closed", random.choice(["gold", "silver"], N)))
    region = pd.Series(random.choice(["north", "south"], N))
    found = revealing_features(
        examples_of(
            label, told=told.astype("category"), text=told, region=region.astype("category")
        )
    )
    assert found == ["told", "text"]


def test_a_text_of_its_own_for_everybody_tells_nothing(label: np.ndarray) -> None:
    names = pd.Series([f"name {i}" for i in range(N)], dtype="category")
    assert revealing_features(examples_of(label, name=names)) == []


def test_one_part_that_is_given_away_is_enough(label: np.ndarray) -> None:
    train = examples_of(label, tier=np.random.default_rng(1).random(N))
    assert revealing_features(train, examples_of(label, tier=label)) == ["tier"]


def test_few_examples_and_a_single_outcome_say_nothing(label: np.ndarray) -> None:
    few, all_left = label[:50], np.ones(N)
    assert revealing_features(examples_of(few, leak=few), examples_of(all_left, x=label)) == []


@pytest.mark.parametrize("task", [Churn(), Value()])
def test_an_attribute_written_after_the_cutoff_is_reported(
    task: Churn | Value, caplog: pytest.LogCaptureFixture
) -> None:
    """160 customers, half of whom buy again: the tier says which, in the test window alone."""
    rows = []
    for n in range(160):
        days = [-60, -40, -20, -5, *([5] if n % 2 else [])]
        rows += [(str(n), pd.Timestamp("2025-06-01") + pd.Timedelta(days=d), n) for d in days]
    events = pd.DataFrame(rows, columns=["user_id", "timestamp", "unit_price"])
    events = events.assign(event_type="purchase", unit_price=10.0)
    users = pd.DataFrame({"user_id": [str(n) for n in range(160)]})
    users["tier"] = ["gold" if n % 2 else "silver" for n in range(160)]
    fold = GlobalTime("2025-06-01", 10).folds(EventLog.from_frames(events, users=users))[0]
    with caplog.at_level(logging.WARNING):
        type(task)(attributes=["tier"]).data(fold)
    assert "feature tier alone gives the outcome away: is it from the future?" in caplog.text
