"""SLIM: each item as a sparse, non-negative combination of the others."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix, vstack

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Histories
from growthlab.core.progress import progress
from growthlab.core.seeding import hash_ids
from growthlab.models.base import ScoredRecommender
from growthlab.models.co_counts import check_co_count, without_rare_pairs
from growthlab.models.gram import check_memory, dense_gram
from growthlab.scorers.history_weights import HistoryWeights
from growthlab.scorers.item_weights import ItemWeights
from growthlab.scorers.neighbourhood import Neighbourhood
from growthlab.training.fit_options import FitOptions

log = logging.getLogger(__name__)

TARGETS = 512  # items whose weights are fitted together
PANEL = 64  # coordinates updated between two matrix products


@dataclass(kw_only=True)
class SLIM(ScoredRecommender):
    """Sparse linear methods (Ning & Karypis, ICDM 2011), elastic net by coordinate descent.

    For each item j, with N users who have a history: minimise ``|x_j - X w|^2 / (2 N) + alpha
    l1_ratio |w|_1 + alpha (1 - l1_ratio) |w|^2 / 2`` over ``w >= 0`` with ``w_j = 0`` (scikit-learn's
    parameterisation, as in the published settings). The `neighbours` largest weights are kept for
    each item that is scored. X holds users' interactions weighted by `event_weights`; `step_decay`
    and `half_life_days` let old items of a history count less when it is scored. A history that
    reaches no item at all cannot be scored.

    The descent runs on the Gram matrix for many items together (Friedman et al., JSS 2010:
    covariance updates), until no weight of an item moves by more than `tolerance` of its largest
    or for at most `epochs` sweeps. Memory grows with the square of the catalogue: beyond
    `memory_mb` the fit is refused before it starts.
    """

    personalised: ClassVar[bool] = True

    neighbours: int | None = 500
    alpha: float = 0.05
    l1_ratio: float = 0.001
    epochs: int = 100
    tolerance: float = 0.01
    step_decay: float = 1.0
    half_life_days: float | None = None
    event_weights: Mapping[str, float] | None = None
    min_co_count: int = 1
    memory_mb: float = 4096

    def __post_init__(self) -> None:
        check_co_count(self.min_co_count)
        if not self.alpha > 0:
            raise ConfigError(f"model.alpha must be positive, got {self.alpha}")
        if not 0 <= self.l1_ratio <= 1:
            raise ConfigError(f"model.l1_ratio must lie in 0 ... 1, got {self.l1_ratio}")
        if self.epochs < 1:
            raise ConfigError(f"model.epochs must be at least 1, got {self.epochs}")
        if not self.tolerance > 0:
            raise ConfigError(f"model.tolerance must be positive, got {self.tolerance}")
        Neighbourhood(neighbours=self.neighbours)
        self._history()

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Fit the weights of all items, a block of them at a time."""
        history = self._history()
        history.require_times(past, "slim")
        check_memory("slim", past.n_items, 8, self.memory_mb)
        keys = hash_ids(past.catalogue.item_ids)
        order = np.argsort(keys)  # the order of the descent is independent of internal codes
        matrix = history.without_decay().matrix(past)[:, order]
        gram = dense_gram(matrix.tocsr())
        n_users = int((np.diff(matrix.indptr) > 0).sum())
        blocks = [csr_matrix((0, past.n_items), dtype=np.float32)]
        starts = range(0, past.n_items, TARGETS)
        for start in progress(starts, "slim", total=len(starts)):
            targets = np.arange(start, min(start + TARGETS, past.n_items))
            weights = csr_matrix(self._fit_weights(gram, targets, n_users).T)
            near = Neighbourhood(neighbours=self.neighbours)
            own = keys[order[targets]]
            blocks.append(near.nearest_of(weights, target_keys=own, source_keys=keys[order]))
        back = np.argsort(order)
        weights = vstack(blocks, format="csr", dtype=np.float32)[back][:, back]
        weights = without_rare_pairs(weights.T.tocsr(), past, self.min_co_count)
        self.scorer_ = ItemWeights(weights, history)
        return self

    def _fit_weights(self, gram: np.ndarray, targets: np.ndarray, n_users: int) -> np.ndarray:
        """`elastic_net` with the two penalties at the scale of the Gram matrix."""
        scale = n_users * self.alpha
        return elastic_net(
            gram,
            targets,
            l1=scale * self.l1_ratio,
            l2=scale * (1 - self.l1_ratio),
            epochs=self.epochs,
            tolerance=self.tolerance,
        )

    def _history(self) -> HistoryWeights:
        return HistoryWeights.of(self.event_weights, self.step_decay, self.half_life_days)


def elastic_net(
    gram: np.ndarray, targets: np.ndarray, *, l1: float, l2: float, epochs: int, tolerance: float
) -> np.ndarray:
    """Non-negative weights of all items for the `targets`, ``(n_items, n_targets)``, float32.

    Minimises ``w' G w / 2 - g_j' w + l1 |w|_1 + l2 |w|^2 / 2`` for each target j with ``w_j = 0``.
    A target is finished when none of its weights moves any more.
    """
    weights = np.zeros((len(gram), len(targets)), dtype=np.float32)
    active = np.arange(len(targets))
    w, residual = weights.copy(), gram[:, targets]  # residual: X' (x_j - X w), of each target
    for epoch in range(1, epochs + 1):
        moved = _sweep(gram, targets[active], w, residual, l1, l2)
        moving = moved > tolerance * w.max(axis=0, initial=0)
        if epoch == epochs and moving.any():
            log.warning("%d items had not converged after %d sweeps", moving.sum(), epochs)
        if not moving.all():
            weights[:, active[~moving]] = w[:, ~moving]
            active, w, residual = active[moving], w[:, moving], residual[:, moving]
        if not len(active):
            break
    weights[:, active] = w
    return weights


def _sweep(
    gram: np.ndarray,
    targets: np.ndarray,
    w: np.ndarray,
    residual: np.ndarray,
    l1: float,
    l2: float,
) -> np.ndarray:
    """Update each coordinate of all targets once, in place; returns the largest move of each target.

    Within a panel of coordinates only its own rows of the residual are updated; all others follow
    by one matrix product.
    """
    n_items, n_targets = w.shape
    column_of = np.full(n_items, -1)
    column_of[targets] = np.arange(n_targets)
    moved = np.zeros(n_targets, dtype=np.float32)
    for start in range(0, n_items, PANEL):
        panel = slice(start, min(start + PANEL, n_items))
        inner, own = gram[panel, panel], column_of[panel]
        delta = np.zeros((len(own), n_targets), dtype=np.float32)
        for i in range(len(own)):
            old, size = w[start + i], inner[i, i]
            divisor = np.float32(max(size + l2, np.finfo(np.float32).tiny))
            slope = residual[start + i] - inner[i, :i] @ delta[:i] + size * old
            new = np.maximum((slope - np.float32(l1)) / divisor, 0)
            if own[i] >= 0:
                new[own[i]] = 0
            delta[i] = new - old
            w[start + i] = new
        residual -= gram[:, panel] @ delta
        np.maximum(moved, np.abs(delta).max(axis=0), out=moved)
    return moved
