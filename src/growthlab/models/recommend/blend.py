"""Blend: the lists of several models fused, with weights learned on a part of the past."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.histories import Histories
from growthlab.core.seeding import hash_ids
from growthlab.models.base import TrainedInEpochs
from growthlab.models.hybrid import Hybrid
from growthlab.models.inner_fold import (
    InnerCut,
    K,
    fit_before_cut,
    fit_on_whole_past,
    load_or_compute,
    remove_inner_results,
)
from growthlab.ranking.ndcg import ndcg
from growthlab.scorers.blend_scorer import BlendScorer as BlendScorer
from growthlab.scorers.fusion import CONSTANT, HybridMembers, ranks_of, reciprocal_ranks
from growthlab.training.fit_options import FitOptions

log = logging.getLogger(__name__)

WEIGHTS = ("learned", "equal")
DEPTH = 50  # of each member's list: enough for the first ten of a blend
STEPS = 30  # of the selection: weights are multiples of 1 / 30 or coarser


@dataclass(kw_only=True, eq=False)
class Blend(Hybrid):
    """``sum of weight / (constant + rank)`` over the lists of `members`, a factory for each name.

    Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009) with ``weights=equal`` is the
    baseline of any fusion. With ``weights=learned`` the members are first fitted to the past before
    an inner cut (`InnerCut`), and weights that sum to 1 are chosen by NDCG@10 on what came next:
    starting from the best member, the member that improves the blend most is added repeatedly, and
    the best blend on the way is kept (ensemble selection: Caruana et al., ICML 2004). Then the
    members are fitted again to the whole past. If the past is too short for an inner cut, the
    weights are equal.

    `weights_` are the weights by name.
    """

    weights: str = "learned"
    constant: float = CONSTANT
    weights_: dict[str, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights not in WEIGHTS:
            raise ConfigError(
                f"model.weights={self.weights}: {near_matches(self.weights, WEIGHTS)}"
            )
        if not self.constant >= 0:
            raise ConfigError(f"model.constant must be 0 or more, got {self.constant}")

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Learn the weights on a part of the past, and fit the members to all of it."""
        learned = load_or_compute(options.checkpoint, lambda: self._learn_before_cut(past, options))
        self.weights_ = learned["weights"]
        fitted = fit_on_whole_past(self.members, past, learned["epochs"], options)
        weights = np.array(list(self.weights_.values()))
        self.scorer_ = BlendScorer(HybridMembers(fitted), weights, self.constant)
        remove_inner_results(options.checkpoint)
        return self

    def _learn_before_cut(self, past: Histories, options: FitOptions) -> dict[str, Any]:
        """The weights by name, and the epochs of the members that are trained in epochs."""
        equal = dict.fromkeys(self.members, 1 / len(self.members))
        trained = any(isinstance(m, TrainedInEpochs) for m in self.models())
        if self.weights == "equal" and (not trained or options.epochs is not None):
            return {"weights": equal, "epochs": dict.fromkeys(self.members, options.epochs)}
        try:
            cut = InnerCut.of(past, options)
        except DataError as error:
            log.warning("blend: weights stay equal: %s", error)
            return {"weights": equal, "epochs": dict.fromkeys(self.members, options.epochs)}
        fitted, epochs = fit_before_cut(self.members, cut, options)
        weights = equal if self.weights == "equal" else self._best_weights(fitted, cut)
        return {"weights": weights, "epochs": epochs}

    def _best_weights(self, fitted: dict[str, Any], cut: InnerCut) -> dict[str, float]:
        """The weights with the best NDCG@10 after the cut."""
        values, relevant = candidate_values(HybridMembers(fitted), cut, self.constant)
        weights, alone, best = select_weights(values, relevant, cut.n_relevant)
        words = [
            f"{n} {w:.2f} (alone {a:.4f})" for n, w, a in zip(fitted, weights, alone, strict=True)
        ]
        log.info(
            "blend: weights of %d users: %s; together %.4f", len(relevant), ", ".join(words), best
        )
        return dict(zip(fitted, weights.tolist(), strict=True))


def candidate_values(
    members: HybridMembers, cut: InnerCut, constant: float
) -> tuple[np.ndarray, np.ndarray]:
    """Each member's values of the items that may come first, and which of these were taken.

    Shapes ``(n_users, most, n_members)``, float32, and ``(n_users, most)``, bool; rows are padded
    with 0 and False. The items of a user are in an order given by their raw ids.
    """
    keys = hash_ids(cut.histories.catalogue.item_ids)
    parts = []
    for rows, _, scores in members.blocks(cut.histories):
        ranks = np.stack([ranks_of(s) for s in scores])
        listed = cut.candidates(ranks, rows, DEPTH)
        users, items = np.nonzero(listed)
        order = np.lexsort((keys[items], users))
        users, items = users[order], items[order]
        member_values = np.nan_to_num(reciprocal_ranks(ranks[:, users, items], constant)).T
        taken = np.asarray(cut.truth[rows][users, items]).ravel() > 0
        parts.append((rows[users], member_values, taken))
    users, member_values, taken = (np.concatenate(p) for p in zip(*parts, strict=True))
    counts = np.bincount(users, minlength=cut.histories.n_users)
    places = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (cut.histories.n_users, max(int(counts.max()), K + 1))
    values = np.zeros((*shape, len(members)), dtype=np.float32)
    relevant = np.zeros(shape, dtype=bool)
    values[users, places], relevant[users, places] = member_values, taken
    return values, relevant


def select_weights(
    values: np.ndarray, relevant: np.ndarray, n_relevant: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Weights that sum to 1, each member's NDCG@10 alone, and that of the blend.

    `values` and `relevant` are those of `candidate_values`.
    """
    n_members = values.shape[2]
    member_columns = [np.ascontiguousarray(values[:, :, m]) for m in range(n_members)]
    blend = np.zeros(relevant.shape, dtype=np.float32)
    counts, best = np.zeros(n_members), (-1.0, np.ones(n_members))
    alone = np.zeros(0)
    for _ in range(STEPS):
        values_with = np.array([_ndcg(blend + c, relevant, n_relevant) for c in member_columns])
        alone = values_with if not len(alone) else alone
        chosen = int(values_with.argmax())
        blend += member_columns[chosen]
        counts[chosen] += 1
        if values_with[chosen] > best[0]:
            best = (float(values_with[chosen]), counts.copy())
    return best[1] / best[1].sum(), alone, best[0]


def _ndcg(scores: np.ndarray, relevant: np.ndarray, n_relevant: np.ndarray) -> float:
    """The mean NDCG@10 of the lists by these scores."""
    first = np.argpartition(-scores, K - 1, axis=1)[:, :K]
    order = np.argsort(-np.take_along_axis(scores, first, axis=1), axis=1, kind="stable")
    listed = np.take_along_axis(first, order, axis=1)
    return float(ndcg(np.take_along_axis(relevant, listed, axis=1), n_relevant).mean())
