"""Outcomes built by hand, and ranked lists of a small shop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from growthlab.core.histories import Catalogue, Histories
from growthlab.evaluation.block_ranking import rank_items
from growthlab.evaluation.bootstrap import evaluate_lists, evaluate_predictions
from growthlab.evaluation.leaderboard_columns import MetricColumn
from growthlab.evaluation.outcome import Outcome
from growthlab.evaluation.strata import evaluate_strata
from growthlab.metrics.binary.average_precision import AveragePrecision
from growthlab.metrics.binary.brier import Brier
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.metrics.ranking.base import RankedLists
from growthlab.metrics.ranking.coverage import Coverage
from growthlab.metrics.ranking.ndcg import NDCG
from growthlab.metrics.ranking.novelty import Novelty
from growthlab.metrics.ranking.recall import Recall

N_USERS, N_ITEMS = 80, 30
RANKING = {
    "ndcg": NDCG((10,)),
    "recall": Recall((20,)),
    "coverage": Coverage(),
    "novelty": Novelty(),
}
RANKING_COLUMNS = (
    MetricColumn("ndcg_at_10", larger_is_better=True),
    MetricColumn("recall_at_20", larger_is_better=True),
    MetricColumn("coverage_at_10", larger_is_better=True),
    MetricColumn("gini_at_10", larger_is_better=False),  # not measured here
)
BINARY = {"average_precision": AveragePrecision(), "roc_auc": RocAuc(), "brier": Brier()}


def lists_with(noise: float, seed: int = 0) -> RankedLists:
    """Lists of users who take what they like, from their tastes blurred by `noise`.

    The first ten users have no history, item 29 has no past user, and each user takes one item
    from outside the catalogue.
    """
    random = np.random.default_rng(0)
    taste = random.normal(size=(N_USERS, N_ITEMS))
    liked = np.argsort(-taste, axis=1)[:, :6]
    rows = np.repeat(np.arange(10, N_USERS), 3)
    owned = np.where(liked[10:, :3].ravel() == 29, 0, liked[10:, :3].ravel())
    histories = Histories.from_events(
        Catalogue(np.array([f"i{i:02d}" for i in range(N_ITEMS)])),
        np.array([f"u{u:02d}" for u in range(N_USERS)]),
        rows,
        owned,
        np.arange(len(rows)),
    )
    truth = np.concatenate([liked[:, 2:6], np.full((N_USERS, 1), -1)], axis=1)
    popularity = np.asarray(histories.matrix().sum(axis=0)).ravel()
    blurred = taste + noise * np.random.default_rng([seed, 1]).normal(size=taste.shape)
    return rank_items(
        lambda h: blurred[[int(u[1:]) for u in h.user_ids]],
        histories,
        np.arange(N_USERS + 1) * 5,
        truth.ravel().astype(np.int32),
        k=20,
        filter_seen="none",
        fallback_scores=popularity,
        seed=0,
        popularity=popularity,
        n_past_users=70,
    )


def ranking_outcome(
    name: str, noise: float, seed: int = 0, *, valid: float | None = None, curve: bool = False
) -> Outcome:
    """The outcome of a recommender; `valid` is its validation objective (else the test one)."""
    lists = lists_with(noise, seed)
    per_user, test, _ = evaluate_lists(lists, RANKING, n_resamples=200)
    chosen = {n: e.value for n, e in test.items()}
    return Outcome(
        model=None,
        name=name,
        seed=seed,
        valid=chosen if valid is None else {**chosen, "ndcg_at_10": valid},
        test=test,
        per_user=per_user,
        strata=evaluate_strata(lists, RANKING, n_resamples=50),
        tables={},
        fit_seconds=1.5,
        score_seconds=0.2,
        peak_memory_mb=12.0,
        coverage=1.0,
        epochs=3 if curve else None,
        curves={"loss": [3.0, 2.0, 1.5], "valid/ndcg_at_10": [0.1, 0.3, 0.2]} if curve else {},
    )


def churn_outcome(name: str, noise: float, seed: int = 0, scale: float = 1.0) -> Outcome:
    """The outcome of a churn model; with another `scale` its scores are no probabilities."""
    random = np.random.default_rng(0)
    risk = random.normal(size=400)
    label = (random.random(400) < 1 / (1 + np.exp(-2 * risk))).astype(float)
    seen = risk + noise * np.random.default_rng([seed, 2]).normal(size=400)
    prediction = scale / (1 + np.exp(-2 * seen))
    ids = np.array([f"c{i}" for i in range(400)])
    table = pd.DataFrame({"user_id": ids, "label": label, "prediction": prediction})
    test = evaluate_predictions(label, prediction, BINARY, n_resamples=50)
    return Outcome(
        model=None,
        name=name,
        seed=seed,
        valid={n: e.value for n, e in test.items()},
        test=test,
        per_user=table,
        strata=pd.DataFrame(columns=["stratum", "metric", "value", "low", "high", "n_users"]),
        tables={"predictions": table},
        fit_seconds=0.5,
        score_seconds=0.1,
        peak_memory_mb=3.0,
        coverage=1.0,
    )


@pytest.fixture(scope="session")
def ranking_columns() -> tuple[MetricColumn, ...]:
    """The columns of a leaderboard of recommenders."""
    return RANKING_COLUMNS


@pytest.fixture(scope="session")
def recommenders() -> list[Outcome]:
    """A noisy baseline, two seeds of a good model that validation likes less, and the winner."""
    return [
        ranking_outcome("popularity", 3.0, valid=0.20),
        ranking_outcome("markov", 4.0, valid=0.10),
        ranking_outcome("gru4rec", 0.3, 0, valid=0.30, curve=True),
        ranking_outcome("gru4rec", 0.3, 1, valid=0.32, curve=True),
        ranking_outcome("item_knn", 1.0, valid=0.40),
    ]


@pytest.fixture(scope="session")
def churn_models() -> list[Outcome]:
    """A rule whose scores are no probabilities, and two models, one with two seeds."""
    return [
        churn_outcome("recency_rule", 2.0, scale=90),
        churn_outcome("logistic", 0.5),
        churn_outcome("lightgbm", 1.0, 0),
        churn_outcome("lightgbm", 1.0, 1),
    ]


@pytest.fixture
def lists() -> RankedLists:
    """The lists of a perfect model: it knows the tastes."""
    return lists_with(0.0)


@pytest.fixture
def blurred_lists() -> RankedLists:
    """The lists of a model that knows the tastes roughly."""
    return lists_with(1.0)


@pytest.fixture
def ranking_metrics() -> dict[str, object]:
    """Some ranking metrics by name."""
    return dict(RANKING)


@pytest.fixture
def binary_metrics() -> dict[str, object]:
    """Some churn metrics by name."""
    return dict(BINARY)


@pytest.fixture
def recommender_outcome() -> Callable[..., Outcome]:
    """See `ranking_outcome`."""
    return ranking_outcome
