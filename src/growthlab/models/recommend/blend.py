"""Blend: the lists of several models fused, with weights learned inside the past."""

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
from growthlab.models.inner_fold import InnerCut, K, fit_inside, fit_whole, forget, once
from growthlab.ranking.ndcg import ndcg
from growthlab.scorers.blend_scorer import BlendScorer as BlendScorer
from growthlab.scorers.fusion import CONSTANT, Members, ranks_of, reciprocal
from growthlab.training.fit_options import FitOptions

log = logging.getLogger(__name__)

WEIGHTS = ("learned", "equal")
DEPTH = 50  # of each member's list: what can come among the first ten of a blend
STEPS = 30  # of the selection: weights are multiples of 1 / 30 at the finest


@dataclass(kw_only=True, eq=False)
class Blend(Hybrid):
    """``sum of weight / (constant + place)`` over the lists of `members`, a function for each name.

    Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009) with ``weights=equal`` is the
    baseline of any fusion. With ``weights=learned`` the members are first fitted to the past before
    an inner cut (`InnerCut`), and weights that sum to 1 are chosen by NDCG@10 on what came next:
    starting from the best member, the one is added, again and again, with which the blend is best,
    and the best blend on the way stays (ensemble selection: Caruana et al., ICML 2004). Then the
    members are fitted again to the whole past. A past too short for an inner cut leaves the weights
    equal.

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
        """Learn the weights inside the past, and fit the members to all of it."""
        found = once(options.checkpoint, lambda: self._inside(past, options))
        self.weights_ = found["weights"]
        fitted = fit_whole(self.members, past, found["epochs"], options)
        weights = np.array(list(self.weights_.values()))
        self.scorer_ = BlendScorer(Members(fitted), weights, self.constant)
        forget(options.checkpoint)
        return self

    def _inside(self, past: Histories, options: FitOptions) -> dict[str, Any]:
        """The weights by name, and the epochs of members that have epochs."""
        equal = dict.fromkeys(self.members, 1 / len(self.members))
        trained = any(isinstance(m, TrainedInEpochs) for m in self.models())
        if self.weights == "equal" and (not trained or options.epochs is not None):
            return {"weights": equal, "epochs": dict.fromkeys(self.members, options.epochs)}
        try:
            cut = InnerCut.of(past, options)
        except DataError as error:
            log.warning("blend: weights stay equal: %s", error)
            return {"weights": equal, "epochs": dict.fromkeys(self.members, options.epochs)}
        fitted, epochs = fit_inside(self.members, cut, options)
        weights = equal if self.weights == "equal" else self._learned(fitted, cut)
        return {"weights": weights, "epochs": epochs}

    def _learned(self, fitted: dict[str, Any], cut: InnerCut) -> dict[str, float]:
        """The weights with the best NDCG@10 after the cut."""
        values, relevant = places_of(Members(fitted), cut, self.constant)
        weights, alone, best = selected(values, relevant, cut.n_relevant)
        words = [
            f"{n} {w:.2f} (alone {a:.4f})" for n, w, a in zip(fitted, weights, alone, strict=True)
        ]
        log.info(
            "blend: weights of %d users: %s; together %.4f", len(relevant), ", ".join(words), best
        )
        return dict(zip(fitted, weights.tolist(), strict=True))


def places_of(members: Members, cut: InnerCut, constant: float) -> tuple[np.ndarray, np.ndarray]:
    """What each member gives to the items that could come first, and which of them were taken.

    Shapes ``(n_asked, most, n_members)``, float32, and ``(n_asked, most)``, bool; rows are filled
    with 0 and False. The items of a user stand in an order that rests on their raw ids.
    """
    keys = hash_ids(cut.asked.catalogue.item_ids)
    parts = []
    for rows, _, scores in members.blocks(cut.asked):
        ranks = np.stack([ranks_of(s) for s in scores])
        listed = cut.candidates(ranks, rows, DEPTH)
        users, items = np.nonzero(listed)
        order = np.lexsort((keys[items], users))
        users, items = users[order], items[order]
        given = np.nan_to_num(reciprocal(ranks[:, users, items], constant)).T
        taken = np.asarray(cut.truth[rows][users, items]).ravel() > 0
        parts.append((rows[users], given, taken))
    users, given, taken = (np.concatenate(p) for p in zip(*parts, strict=True))
    counts = np.bincount(users, minlength=cut.asked.n_users)
    places = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (cut.asked.n_users, max(int(counts.max()), K + 1))
    values = np.zeros((*shape, len(members)), dtype=np.float32)
    relevant = np.zeros(shape, dtype=bool)
    values[users, places], relevant[users, places] = given, taken
    return values, relevant


def selected(
    values: np.ndarray, relevant: np.ndarray, n_relevant: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Weights that sum to 1, each member's NDCG@10 alone, and that of the blend.

    `values` and `relevant` are those of `places_of`.
    """
    n_members = values.shape[2]
    columns = [np.ascontiguousarray(values[:, :, m]) for m in range(n_members)]
    together = np.zeros(relevant.shape, dtype=np.float32)
    counts, best = np.zeros(n_members), (-1.0, np.ones(n_members))
    alone = np.zeros(0)
    for _ in range(STEPS):
        reached = np.array([_ndcg(together + c, relevant, n_relevant) for c in columns])
        alone = reached if not len(alone) else alone
        chosen = int(reached.argmax())
        together += columns[chosen]
        counts[chosen] += 1
        if reached[chosen] > best[0]:
            best = (float(reached[chosen]), counts.copy())
    return best[1] / best[1].sum(), alone, best[0]


def _ndcg(scores: np.ndarray, relevant: np.ndarray, n_relevant: np.ndarray) -> float:
    """The mean NDCG@10 of the lists that the scores make."""
    first = np.argpartition(-scores, K - 1, axis=1)[:, :K]
    order = np.argsort(-np.take_along_axis(scores, first, axis=1), axis=1, kind="stable")
    listed = np.take_along_axis(first, order, axis=1)
    return float(ndcg(np.take_along_axis(relevant, listed, axis=1), n_relevant).mean())
