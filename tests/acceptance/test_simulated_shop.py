"""The shop at its frozen defaults: what models reach of what its own tastes would allow.

experiments/00-simulated-shop holds the whole study; here are its claims, with models that fit in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from growthlab.core.histories import Histories
from growthlab.data.shop_truth import ShopTruth
from growthlab.evaluation.significance import compare_to_baseline
from growthlab.tasks.fold_evaluation import FoldEvaluation, run_model
from growthlab.workbench.workbench import Workbench

SEEDS = (7, 8, 9)
NDCG = "ndcg_at_10"


class Oracle:
    """A recommender that knows every customer's tastes, repeats, wishes and the transitions of the shop."""

    def __init__(self, truth: ShopTruth, at: object) -> None:
        self.truth, self.at = truth, at

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        scores = self.truth.taste_scores(histories.user_ids, histories.catalogue.item_ids, self.at)
        return (scores if items is None else scores[:, items]).astype(np.float32)


class Shop(NamedTuple):
    """A shop with the data that all models share, and how to run one of them."""

    evaluation: FoldEvaluation
    oracle: float
    per_user: Callable[..., pd.DataFrame]

    def value(self, name: str) -> float:
        """Mean NDCG@10 of a model on test."""
        return float(self.per_user(name)[NDCG].mean())

    def closed(self, name: str) -> float:
        """Share of the gap between popularity and the oracle that a model closes."""
        low = self.value("popularity")
        return (self.value(name) - low) / (self.oracle - low)


@pytest.fixture(scope="module")
def shop_of(bench_of: Callable[..., Workbench]) -> Callable[[str, int], Shop]:
    """The shop of a config file and a seed of the generator."""

    @cache
    def make(data: str, seed: int) -> Shop:
        words = (f"data={data}", f"data.seed={seed}")
        bench = bench_of(*words)
        evaluation = FoldEvaluation(bench.task, bench.folds[0], bench.metrics)
        oracle = Oracle(bench.source.truth(), bench.folds[0].cutoff)  # type: ignore[attr-defined]
        best = bench.task.evaluate(
            oracle, evaluation.test_data, bench.metrics, seed=0, intervals=False
        )

        @cache
        def per_user(name: str, *settings: str) -> pd.DataFrame:
            bench = bench_of(*words, f"model=recommend/{name}", *settings)
            (contender,) = bench.contenders
            return run_model(evaluation, contender.factory, name=name, device="cpu").per_user

        return Shop(evaluation, best.values[NDCG].value, per_user)

    return make


@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_personalised_models_close_a_fifth_of_the_gap_to_the_oracle(shop_of, seed) -> None:
    shop = shop_of("simulated_shop", seed)
    closed = [shop.closed(name) for name in ("personal_frequency", "user_knn")]
    assert min(closed) >= 0.20
    assert max(closed) < 1  # no model beats the oracle


def difference_to_item_knn(shop: Shop, name: str, *settings: str) -> pd.Series:
    """The paired difference of a model to item_knn, with its bounds."""
    tables = {name: shop.per_user(name, *settings), "item_knn": shop.per_user("item_knn")}
    return compare_to_baseline(tables, NDCG, "item_knn").iloc[0]


def test_transitions_win_where_the_next_item_follows_from_the_last(shop_of) -> None:
    assert difference_to_item_knn(shop_of("simulated_shop_markov", 7), "markov")["low"] > 0


def test_transitions_do_not_win_where_order_is_uninformative(shop_of) -> None:
    assert difference_to_item_knn(shop_of("simulated_shop_iid", 7), "markov")["low"] <= 0


# cut to seconds; the study trains the full length
SMALL = ("model.trainer.epochs=8", "model.trainer.lr=0.02", "model.length=50")


def test_a_sequence_network_wins_where_the_next_item_follows_from_the_last(shop_of) -> None:
    assert difference_to_item_knn(shop_of("simulated_shop_markov", 7), "gru4rec", *SMALL)["low"] > 0


def test_a_sequence_network_does_not_win_where_order_is_uninformative(shop_of) -> None:
    assert difference_to_item_knn(shop_of("simulated_shop_iid", 7), "gru4rec", *SMALL)["low"] <= 0
