"""implicit's side: CosineRecommender, BM25Recommender, AlternatingLeastSquares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from protocol import Question, answer, seconds_of

question = Question.asked()
past = question.past
ones = np.ones(len(past), dtype=np.float32)
shape = (past["user"].max() + 1, question.events["item"].max() + 1)
matrix = csr_matrix((ones, (past["user"], past["item"])), shape=shape)


def model() -> Any:
    """The untrained model of the measure."""
    threads = {"num_threads": question.threads}
    if question.measure == "als":
        return AlternatingLeastSquares(
            factors=question.width,
            iterations=question.epochs,
            alpha=question.alpha,
            regularization=question.l2 * question.alpha,
            random_state=0,
            **threads,
        )
    kinds = {"none": CosineRecommender, "bm25": BM25Recommender}
    return kinds[question.weighting](K=question.neighbours, **threads)


users = np.arange(shape[0])
with threadpool_limits(1, "blas"):  # implicit's own advice: its threads and those of BLAS collide
    fitted = model()
    _, fit_seconds = seconds_of(lambda: fitted.fit(matrix, show_progress=False))
    _, top_seconds = seconds_of(lambda: fitted.recommend(users, matrix, N=question.k))
answer({"fit_seconds": fit_seconds, "top_10_seconds": top_seconds})
