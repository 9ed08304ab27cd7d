"""Scorers that are products: their factors give their scores."""

import tracemalloc

import numpy as np
import pytest

from growthlab.core.histories import Catalogue, Histories
from growthlab.scorers.folded_factors import FoldedFactors
from growthlab.scorers.ridge import Ridge
from growthlab.scorers.user_factors import UserFactors

RANDOM = np.random.default_rng(0)
ITEMS = RANDOM.normal(size=(7, 3)).astype(np.float32)
USERS = RANDOM.normal(size=(4, 3)).astype(np.float32)
SCORERS = [
    FoldedFactors(ITEMS, Ridge(l2=0.1, unseen=0.2, frequency=0.0)),
    UserFactors(np.array([True, True, False, True]), USERS, ITEMS, ITEMS[:, 0]),
]


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda s: s.kind)
def test_the_product_of_the_factors_is_the_score(scorer):
    catalogue = Catalogue(np.array([f"i{i}" for i in range(7)]))
    users = np.array(["a", "b", "c", "d"])
    histories = Histories.from_events(
        catalogue, users, np.array([0, 0, 1, 3]), np.array([1, 2, 5, 6]), np.arange(4)
    )
    scores = scorer.score(histories)
    product = scorer.embed(histories) @ scorer.item_vectors().T
    np.testing.assert_allclose(product, scores, rtol=1e-5, atol=1e-6)
    assert np.isnan(scores[2]).all()  # no history, or unknown
    assert np.isfinite(scores[[0, 1, 3]]).all()


def test_a_history_of_items_without_factors_cannot_be_scored():
    new = np.vstack([ITEMS[:5], np.zeros((2, 3), dtype=np.float32)])
    catalogue = Catalogue(np.array([f"i{i}" for i in range(7)]))
    histories = Histories.from_events(
        catalogue, np.array(["a", "b"]), np.array([0, 1, 1]), np.array([6, 5, 1]), np.arange(3)
    )
    scores = FoldedFactors(new, Ridge(l2=0.1, unseen=0.2, frequency=0.0)).score(histories)
    assert np.isnan(scores[0]).all()
    assert np.isfinite(scores[1]).all()


def test_an_answer_copies_no_factors_of_items_that_it_does_not_read():
    factors = RANDOM.normal(size=(20_000, 64)).astype(np.float32)  # 5 MB
    scorer = FoldedFactors(factors, Ridge(l2=0.1, unseen=0.2, frequency=0.0))
    catalogue = Catalogue(np.array([f"i{i:05}" for i in range(len(factors))]))
    histories = Histories.from_lists(catalogue, [["i00003", "i19999"]])
    tracemalloc.start()
    scorer.embed(histories)
    scorer.similar(np.array([3]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < factors.nbytes / 2
