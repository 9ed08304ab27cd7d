"""Bundles that answer with numbers: text and number features, missing values, and the population's mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from growthlab.bundle.answers import PredictRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Provenance
from growthlab.core.errors import BundleError
from growthlab.export.write_bundle import write_estimator
from growthlab.features.examples import Examples
from growthlab.scorers.linear_row_scorer import Design, LinearRowScorer
from growthlab.tasks.value import Value


@pytest.fixture
def customers() -> Examples:
    """Three customers with a number, a flag and a name; what is not known is missing."""
    table = pd.DataFrame(
        {
            "spend": [np.expm1(1.0), np.nan, 0.0],
            "repeat": pd.array([1, 0, 1], dtype="int64"),
            "city": pd.Categorical(["Ulm", None, "Bonn"]),
            "unused": [1.0, 2.0, 3.0],
        }
    )
    ids = np.array(["zoe@example.org", "anna@example.org", "bert@example.org"])
    return Examples(table, ids, np.full(3, np.datetime64("2024-03-01", "us")), horizon_days=28.0)


@pytest.fixture
def scorer() -> LinearRowScorer:
    """10 x log(1 + spend) (1 where not known) + 5 for Ulm + 1."""
    one = np.ones(1)
    design = Design(("spend",), one, 0 * one, one, (("city", "Ulm"),))
    return LinearRowScorer(design, np.array([10.0, 5.0]), 1.0, "identity")


def written(folder: Path, scorer: Any, customers: Examples, base: float = 7.0) -> Bundle:
    about = Provenance(
        task="value",
        answer=Value.answer,
        model="linear",
        data="corner_shop",
        data_digest="ab",
        split="global_time",
    )
    return Bundle.load(
        write_estimator(folder / "value", scorer, about, customers=customers, base=base)
    )


def test_known_customers_are_answered_from_their_stored_features(
    tmp_path: Path, scorer: LinearRowScorer, customers: Examples
) -> None:
    bundle = written(tmp_path, scorer, customers)
    answers = bundle.predict([PredictRequest(u) for u in customers.user_ids.tolist()])
    assert [a.value for a in answers] == pytest.approx([16.0, 11.0, 1.0])
    assert {a.served for a in answers} == {"known"}


def test_features_of_the_request_may_be_names_numbers_or_missing(
    tmp_path: Path, scorer: LinearRowScorer, customers: Examples
) -> None:
    bundle = written(tmp_path, scorer, customers)
    features: list[dict[str, Any]] = [
        {"city": "Ulm"},
        {"spend": 0, "city": None},
        {"spend": True, "city": "Rome"},
    ]
    answers = bundle.predict([PredictRequest(features=f) for f in features])
    # spend not known: its median 1; true is 1: log(2)
    assert [a.value for a in answers] == pytest.approx([16.0, 1.0, 1 + 10 * np.log(2)])
    with pytest.raises(BundleError, match="no feature ctiy: did you mean city"):
        bundle.predict([PredictRequest(features={"ctiy": "Ulm"})])


def test_a_request_without_features_gets_the_population_mean(
    tmp_path: Path, scorer: LinearRowScorer, customers: Examples
) -> None:
    bundle = written(tmp_path, scorer, customers)
    answers = bundle.predict([PredictRequest(features={}), PredictRequest("stranger")])
    assert [(a.value, a.served) for a in answers] == [(7.0, "population_fallback")] * 2
    assert bundle.predict([]) == []


def test_without_outcomes_the_mean_prediction_is_used(
    tmp_path: Path, scorer: LinearRowScorer, customers: Examples
) -> None:
    bundle = written(tmp_path, scorer, customers, base=float("nan"))
    (nobody,) = bundle.predict([PredictRequest()])
    assert nobody.value == pytest.approx((16 + 11 + 1) / 3)


def test_example_request_holds_every_feature_and_works(
    tmp_path: Path, scorer: LinearRowScorer, customers: Examples
) -> None:
    bundle = written(tmp_path, scorer, customers)
    example = json.loads((bundle.folder / "request.json").read_text())
    assert set(example["features"]) == {"spend", "city"}
    (answer,) = bundle.predict([PredictRequest(features=example["features"])])
    assert answer.served == "features"


def test_only_columns_of_the_model_leave_the_laboratory(
    tmp_path: Path, scorer: LinearRowScorer, customers: Examples
) -> None:
    bundle = written(tmp_path, scorer, customers)
    with np.load(bundle.folder / "state" / "customers.npz") as stored:
        assert set(stored.files) == {"user_ids", "feature.spend", "feature.city"}
