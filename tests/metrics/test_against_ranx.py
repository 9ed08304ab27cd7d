"""The same lists evaluated by ranx, for metrics with the same definition."""

import warnings

import numpy as np
import pytest

from growthlab.metrics.ranking.hit_rate import HitRate
from growthlab.metrics.ranking.map import MAP
from growthlab.metrics.ranking.mrr import MRR
from growthlab.metrics.ranking.ndcg import NDCG
from growthlab.metrics.ranking.precision import Precision
from growthlab.metrics.ranking.recall import Recall

numba = pytest.importorskip("numba")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    jit, numba.config.DISABLE_JIT = numba.config.DISABLE_JIT, True  # to compile ranx takes minutes
    theirs = pytest.importorskip("ranx.metrics")
    numba.config.DISABLE_JIT = jit

K, N_ITEMS, N_USERS = 10, 40, 25


@pytest.fixture(scope="module")
def drawn():
    """Random lists, and 1 to 10 relevant items a user: no more than k, for ranx divides by all."""
    random = np.random.default_rng(7)
    items = np.array([random.permutation(N_ITEMS)[:K] for _ in range(N_USERS)])
    truth = [random.permutation(N_ITEMS)[: random.integers(1, K + 1)] for _ in range(N_USERS)]
    return items, truth


@pytest.mark.parametrize(
    ("ours", "name"),
    [
        (NDCG, "ndcg"),
        (MAP, "average_precision"),
        (MRR, "reciprocal_rank"),
        (Recall, "recall"),
        (Precision, "precision"),
        (HitRate, "hit_rate"),
    ],
)
def test_every_user_has_the_value_that_ranx_gives(drawn, lists_of, ours, name):
    items, truth = drawn
    lists = lists_of(items.tolist(), [t.tolist() for t in truth], popularity=[1] * N_ITEMS)
    relevant = [np.column_stack([np.sort(t), np.ones(len(t))]) for t in truth]
    run = [np.column_stack([row, np.arange(K, 0, -1)]) for row in items]
    (values,) = ours(k=(K,)).per_user(lists).values()
    assert values == pytest.approx(getattr(theirs, name)(relevant, run, K), abs=1e-9)
