"""Two stages: candidates from several models, re-ranked by LightGBM on user and item features."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.histories import Histories
from growthlab.core.seeding import hash_ids
from growthlab.models.hybrid import Hybrid
from growthlab.models.inner_fold import (
    InnerCut,
    K,
    fit_before_cut,
    fit_on_whole_past,
    load_or_compute,
    remove_inner_results,
)
from growthlab.scorers.candidate_features import ItemFacts, feature_names
from growthlab.scorers.fusion import HybridMembers
from growthlab.scorers.two_stage_scorer import TwoStageScorer as TwoStageScorer
from growthlab.training.fit_options import FitOptions

if TYPE_CHECKING:
    import lightgbm

log = logging.getLogger(__name__)

RECENT_DAYS = 28.0  # window of an item's recent popularity, if no horizon is known
OBJECTIVES = ("lambdarank", "rank_xendcg")
HELD_OUT = 5  # every fifth user is held out to choose the number of trees
PATIENCE = 30  # trees without improvement of the NDCG on the held-out users


class TrainingCandidates(NamedTuple):
    """Candidates with features and labels; those of one user are adjacent."""

    features: np.ndarray  # (n_candidates, n_features)
    taken: np.ndarray  # (n_candidates,) bool
    users: np.ndarray  # (n_candidates,) rows of the inner cut's `histories`
    recall: float  # share of the taken items that are candidates


@dataclass(kw_only=True, eq=False)
class TwoStage(Hybrid):
    """The first `candidates` items of each member's list, in the order of LightGBM's trees.

    Trees: Ke et al., "LightGBM", NIPS 2017. Their `objective` is ``rank_xendcg`` (Bruch, "An
    Alternative Cross Entropy Loss for Learning-to-Rank", WWW 2021), which draws at random, or
    ``lambdarank`` (Burges, Microsoft Research 2010), which does not and takes twice as long. They
    see each member's place, score and whether the item is in its list, the customer's rhythm and
    purchases, the item's popularity, trend and price, and how often and how lately the customer
    had the item and its category (`candidate_features`).

    The labels are unknown to the members whose lists the trees see: members are fitted to the
    past before an inner cut (`InnerCut`), and the items taken after it are the labels; candidates
    that were not taken are the negatives. Then the members are fitted again to the whole past; the
    trees are not. Their number, up to `trees`, is the best for every fifth user, who is held out.

    `candidate_recall_` is the share of the labels that was among the candidates, an upper
    bound of what the trees can reach.
    """

    candidates: int = 100
    objective: str = "rank_xendcg"
    trees: int = 300
    lr: float = 0.1
    leaves: int = 15
    min_leaf: int = 50
    l2: float = 1.0
    feature_share: float = 1.0
    truncation: int = 20
    candidate_recall_: float = field(init=False, default=float("nan"))

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("candidates", "trees", "leaves", "min_leaf", "truncation"):
            value, least = getattr(self, name), 2 if name == "leaves" else 1
            if value < least:
                raise ConfigError(f"model.{name} must be at least {least}, got {value}")
        if self.objective not in OBJECTIVES:
            possible = near_matches(self.objective, OBJECTIVES)
            raise ConfigError(f"model.objective={self.objective}: {possible}")
        if not self.lr > 0:
            raise ConfigError(f"model.lr must be positive, got {self.lr}")
        if not self.l2 >= 0:
            raise ConfigError(f"model.l2 must not be negative, got {self.l2}")
        if not 0 < self.feature_share <= 1:
            raise ConfigError(f"model.feature_share must be in (0, 1], got {self.feature_share}")
        is_random = self.objective == "rank_xendcg" or self.feature_share < 1
        self.stochastic = self.stochastic or is_random

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Learn the order on a part of the past, and fit the members to all of it.

        Raises
        ------
        DataError
            The past is too short for an inner cut, or nothing taken after it is a candidate.
        """
        learned = load_or_compute(options.checkpoint, lambda: self._learn_before_cut(past, options))
        self.candidate_recall_ = learned["recall"]
        fitted = fit_on_whole_past(self.members, past, learned["epochs"], options)
        self.scorer_ = self._scorer(fitted, past, options, learned["trees"])
        remove_inner_results(options.checkpoint)
        return self

    def _scorer(
        self, fitted: dict[str, Any], past: Histories, options: FitOptions, trees: str = ""
    ) -> TwoStageScorer:
        """The members fitted to `past`, with the item facts of that past."""
        facts = ItemFacts.of(past, options.horizon_days or RECENT_DAYS)
        hides = options.filter_seen != "none"
        return TwoStageScorer(HybridMembers(fitted), facts, self.candidates, hides, trees)

    def _learn_before_cut(self, past: Histories, options: FitOptions) -> dict[str, Any]:
        """The trees, the members' epochs, and the recall of the candidates."""
        try:
            cut = InnerCut.of(past, options)
        except DataError as error:
            raise DataError(f"two_stage: {error}") from error
        fitted, epochs = fit_before_cut(self.members, cut, options)
        training = training_candidates(self._scorer(fitted, cut.past, options), cut)
        if not training.taken.any():
            raise DataError(
                "two_stage has nothing to learn: nothing that was taken after the inner cut is among "
                f"the candidates; raise model.candidates ({self.candidates}) or name other members"
            )
        booster = self._trees(training, options.seed)
        log.info(
            "two_stage: candidate recall %.3f with %.0f candidates each of %d users; %d trees",
            training.recall,
            len(training.users) / cut.histories.n_users,
            cut.histories.n_users,
            booster.best_iteration or booster.num_trees(),
        )
        trees = booster.model_to_string()  # up to the best
        return {"trees": trees, "epochs": epochs, "recall": training.recall}

    def _trees(self, training: TrainingCandidates, seed: int) -> lightgbm.Booster:
        """The trees; all of them if the held-out users or the others have no taken candidate."""
        import lightgbm

        held = training.users % HELD_OUT == 0
        if not (training.taken[held].any() and training.taken[~held].any()):
            everything = self._data(training, np.ones(len(held), dtype=bool))
            return lightgbm.train(self._settings(seed), everything, self.trees)
        known = self._data(training, ~held)
        stop = lightgbm.early_stopping(PATIENCE, first_metric_only=True, verbose=False)
        return lightgbm.train(
            self._settings(seed),
            known,
            self.trees,
            valid_sets=[self._data(training, held, known)],
            callbacks=[stop],
        )

    def _settings(self, seed: int) -> dict[str, Any]:
        """LightGBM's parameters."""
        return {
            "objective": self.objective,
            "metric": "ndcg",
            "eval_at": [K],
            "lambdarank_truncation_level": self.truncation,
            "learning_rate": self.lr,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_leaf,
            "lambda_l2": self.l2,
            "feature_fraction": self.feature_share,
            "seed": seed,
            "data_random_seed": 0,  # of the bins: the same for all seeds
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }

    def _data(
        self, training: TrainingCandidates, kept: np.ndarray, like: lightgbm.Dataset | None = None
    ) -> lightgbm.Dataset:
        """The kept candidates as a LightGBM data set, a group a user."""
        import lightgbm

        users = training.users[kept]
        groups = np.diff(np.append(np.flatnonzero(np.diff(users, prepend=-1)), len(users)))
        table, taken = training.features[kept], training.taken[kept].astype(np.float32)
        names = [re.sub(r"\W", "_", n) for n in feature_names(tuple(self.members))]
        return lightgbm.Dataset(table, taken, reference=like, group=groups, feature_name=names)


def training_candidates(scorer: TwoStageScorer, cut: InnerCut) -> TrainingCandidates:
    """The candidates after the cut with their features and labels.

    A user's candidates are in an order given by the items' raw ids, which lambdarank starts from;
    items that the task hides and users without a taken candidate are left out.
    """
    keys = hash_ids(cut.histories.catalogue.item_ids)
    parts = []
    for block in scorer.blocks(cut.histories):
        rows, items = block.rows, block.items
        taken = np.asarray(cut.truth[block.users][rows, items]).ravel() > 0
        kept = np.ones(len(rows), dtype=bool)
        if cut.hidden is not None:
            kept = np.asarray(cut.hidden[block.users][rows, items]).ravel() == 0
        order = np.lexsort((keys[items], rows))
        order = order[kept[order]]
        parts.append((block.features[order], taken[order], block.users[rows[order]]))
    table, taken, users = (np.concatenate(p) for p in zip(*parts, strict=True))
    recall = float(taken.sum() / cut.n_relevant.sum())
    has_taken = np.bincount(users, taken, minlength=cut.histories.n_users)[users] > 0
    return TrainingCandidates(table[has_taken], taken[has_taken], users[has_taken], recall)
