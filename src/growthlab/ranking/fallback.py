"""The fallback for users that a model cannot score, and checks of its scores."""

from __future__ import annotations

import numpy as np


def fill_unscored(scores: np.ndarray, fallback_scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores with all-NaN rows replaced by the fallback, and which rows those were.

    Returns
    -------
    scores : float32, ``(n_users, n_items)``; the same array where no row had to be filled
    fallback : bool, ``(n_users,)``

    Raises
    ------
    ValueError
        Where only a part of a row is NaN, or a score is ``+inf``: a bug of the model.
    """
    scores = np.asarray(scores, dtype=np.float32)
    fallback = np.zeros(len(scores), dtype=bool)
    if not scores.shape[1]:
        return scores, fallback
    best = scores.max(axis=1)  # NaN where any score is: no copy as large as the scores is made
    suspects = np.flatnonzero(np.isnan(best))
    unknown = np.isnan(scores[suspects])
    fallback[suspects] = unknown.all(axis=1)
    n_partly = len(suspects) - int(fallback.sum())
    if n_partly:
        raise ValueError(
            f"model output: {n_partly} of {len(scores)} users have NaN for some items only; "
            "a row is all NaN where the user cannot be scored, and -inf stands for an item"
        )
    if np.isposinf(best).any():
        n_infinite = int(np.isposinf(scores).sum())
        raise ValueError(f"model output: {n_infinite} scores are +inf and cannot be ranked")
    if fallback.any():
        scores = scores.copy()
        scores[fallback] = fallback_scores
    return scores, fallback
