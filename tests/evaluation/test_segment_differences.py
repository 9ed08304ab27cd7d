"""Paired differences by segment, slices that are found where they were planted, and the worst predictions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from growthlab.evaluation.comparison import Comparison
from growthlab.evaluation.largest_mistakes import largest_mistakes
from growthlab.evaluation.outcome import Outcome
from growthlab.evaluation.segment_differences import (
    Segments,
    find_slices,
    gains_by_customer,
    segment_differences,
)
from growthlab.evaluation.strata import strata_with_values
from growthlab.evaluation.verdict import Verdict
from growthlab.metrics.ranking.base import RankedLists

N = 200
USERS = np.array([f"u{n:03d}" for n in range(N)])


def lists_outcome(name: str, values: np.ndarray, valid: float) -> Outcome:
    """A recommender whose objective is known for each customer."""
    from growthlab.evaluation.bootstrap import mean_estimates

    per_user = pd.DataFrame({"user_id": USERS, "hits": values})
    return Outcome(
        model=None, name=name, seed=0, valid={"hits": valid},
        test=mean_estimates(per_user[["hits"]]), per_user=per_user, strata=pd.DataFrame(), tables={},
        fit_seconds=1.0, score_seconds=1.0, peak_memory_mb=1.0, coverage=1.0,
    )  # fmt: skip


@pytest.fixture
def comparison() -> Comparison:
    """Another model is better than the winner for the first half of the customers, and worse after."""
    random = np.random.default_rng(0)
    winner = random.random(N)
    other = winner + np.where(np.arange(N) < N / 2, 0.2, -0.3) + 0.05 * random.normal(size=N)
    outcomes = [lists_outcome("winner", winner, 0.5), lists_outcome("other", other, 0.4)]
    return Comparison({0: outcomes}, "hits", True, baselines=["other"])


def test_a_segment_has_the_mean_of_its_paired_differences(comparison: Comparison) -> None:
    first = np.arange(N) < N / 2
    segments = Segments(USERS, {"first": first, "last": ~first, "few": np.arange(N) < 10})
    table = segment_differences(comparison, "winner", segments).set_index("segment")
    tables = {name: seeds[0].per_user["hits"] for name, seeds in comparison.models.items()}
    expected = (tables["other"] - tables["winner"])[first].mean()
    assert table.loc["first", "difference"] == pytest.approx(expected)
    assert table.loc["first", "p_holm"] < 0.001
    assert table.loc["first", "low"] > 0
    assert table.loc["last", "high"] < 0
    assert np.isnan(table.loc["few", "p"])  # nothing is said of ten customers


def test_the_slice_is_found_in_which_the_gain_was_planted(comparison: Comparison) -> None:
    gains = gains_by_customer(comparison, "winner", "other")
    traits = pd.DataFrame(
        {
            "user_id": USERS,
            "orders": np.arange(N),
            "noise": np.random.default_rng(1).normal(size=N),
            "shop": np.where(np.arange(N) % 2, "north", "south"),
        }
    )
    found, n_tried = find_slices(gains, traits)
    assert n_tried > len(found) >= 2
    worst = found.iloc[0]
    assert worst["segment"].startswith("orders")
    assert worst["difference"] == pytest.approx(-0.2, abs=0.05)
    assert worst["elsewhere"] > worst["difference"]
    assert not any("shop" in name for name in found["segment"])


def test_nothing_is_found_where_nothing_was_planted() -> None:
    random = np.random.default_rng(3)
    gains = pd.Series(random.normal(size=N), index=USERS)
    traits = pd.DataFrame(
        {"user_id": USERS, "a": random.normal(size=N), "b": random.normal(size=N)}
    )
    found, n_tried = find_slices(gains, traits)
    assert found.empty
    assert 8 <= n_tried <= 12  # eight quarters, and the crossed halves that have 50 customers
    assert find_slices(gains, traits[:0])[1] == 0


def test_values_of_a_stratum_have_its_mean(
    lists: RankedLists, ranking_metrics: dict[str, object]
) -> None:
    table, values = strata_with_values(lists, ranking_metrics, "ndcg_at_10", n_resamples=50)
    means = table[table["metric"] == "ndcg_at_10"].set_index("stratum")["value"]
    assert set(values) == {f"ndcg_at_10 of {s}" for s in means.index if s != "all"}
    for stratum in ("repeat", "new", "head"):
        assert values[f"ndcg_at_10 of {stratum}"].mean() == pytest.approx(means[stratum])


def test_segments_of_predictions_are_compared_by_the_objective(
    churn_models: list[Outcome], binary_metrics: dict[str, object]
) -> None:
    comparison = Comparison(
        {0: churn_models}, "roc_auc", True, baselines=["recency_rule"], metrics=binary_metrics
    )
    users = churn_models[0].per_user["user_id"].to_numpy()
    half = Segments(users, {"half": np.arange(len(users)) < 200})
    table = segment_differences(comparison, "recency_rule", half).set_index("model")
    assert table.loc["logistic", "difference"] > 0.05
    assert table.loc["logistic", "p_holm"] < 0.01
    # scores of a rule are no probabilities, so their errors say nothing
    assert gains_by_customer(comparison, "logistic", "recency_rule").empty
    assert len(gains_by_customer(comparison, "logistic", "lightgbm")) == len(users)


def test_the_largest_mistake_comes_first_with_the_features_that_matter() -> None:
    predictions = pd.DataFrame(
        {
            "user_id": ["a", "b", "c", "d"],
            "label": [1.0, 0.0, 1.0, 0.0],
            "prediction": [0.1, 0.2, 0.8, 0.9],
        }
    )
    features = pd.DataFrame({"days": [3.0, 1.0, 2.0, np.nan], "city": ["x", "y", "x", "x"]})
    importance = pd.DataFrame({"feature": ["days", "city", "gone"], "importance": [0.3, 0.1, 0.0]})
    table = largest_mistakes(predictions, features, importance)
    assert table["user_id"].tolist()[:4] == ["d", "d", "a", "a"]  # 1.0 and 0.75 from the outcome
    first = table[table["user_id"] == "a"].set_index("feature")
    assert first.loc["days", "value"] == "3"
    assert first.loc["days", "percentile"] == 50.0  # two of four have less, one is unknown
    assert np.isnan(first.loc["city", "percentile"])


def test_the_verdict_says_whether_a_gain_is_worth_it(
    comparison: Comparison, recommender_outcome: Callable[..., Outcome]
) -> None:
    good = [recommender_outcome("popularity", 3.0), recommender_outcome("item_knn", 0.3)]
    better = Verdict(Comparison({0: good}, "ndcg_at_10", True, baselines=["popularity"]))
    assert better.is_better
    assert better.sentences()[-1] == "It is worth an experiment with customers."
    assert better.metrics()["models"] == 2
    same = [
        recommender_outcome("popularity", 1.0),
        recommender_outcome("item_knn", 1.0, 0, valid=0.9),
    ]
    equal = Verdict(Comparison({0: same}, "ndcg_at_10", True, baselines=["popularity"]))
    assert not equal.is_better
    assert "no proof of a difference" in equal.sentences()[-1]
