"""Two stages: candidates from several models, re-ranked by LightGBM on what it knows of both sides."""

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
from growthlab.models.inner_fold import InnerCut, K, fit_inside, fit_whole, forget, once
from growthlab.scorers.candidate_features import ItemFacts, feature_names
from growthlab.scorers.fusion import Members
from growthlab.scorers.two_stage_scorer import TwoStageScorer as TwoStageScorer
from growthlab.training.fit_options import FitOptions

if TYPE_CHECKING:
    import lightgbm

log = logging.getLogger(__name__)

RECENT_DAYS = 28.0  # of an item's popularity, where no horizon is known
OBJECTIVES = ("lambdarank", "rank_xendcg")
JUDGES = 5  # every fifth user decides how many trees are enough
PATIENCE = 30  # trees without a better NDCG of theirs


class Lesson(NamedTuple):
    """The candidates of the users who were asked, those of one user side by side."""

    features: np.ndarray  # (n_candidates, n_features)
    taken: np.ndarray  # (n_candidates,) bool
    users: np.ndarray  # (n_candidates,) rows of the inner cut's `asked`
    recall: float  # share of all that was taken that is among the candidates


@dataclass(kw_only=True, eq=False)
class TwoStage(Hybrid):
    """The first `candidates` items of each member's list, in the order of LightGBM's trees.

    Trees: Ke et al., "LightGBM", NIPS 2017. Their `objective` is ``rank_xendcg`` (Bruch, "An
    Alternative Cross Entropy Loss for Learning-to-Rank", WWW 2021), which draws at random, or
    ``lambdarank`` (Burges, Microsoft Research 2010), which does not and takes twice as long. They
    see each member's place, score and whether the item is in its list, the customer's rhythm and
    purchases, the item's popularity, trend and price, and how often and how lately the customer
    had the item and its category (`candidate_features`).

    What it learns from is never known to the members whose lists it sees: they are fitted to the
    past before an inner cut (`InnerCut`), and the items taken after it are the labels; candidates
    that were not taken are the negatives. Then the members are fitted again to the whole past, and
    the trees stay as they are. As many are kept, up to `trees`, as are best for every fifth user,
    who is held out.

    `candidate_recall_` is the share of the labels that was among the candidates, which caps what
    the trees can reach.
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
            given, least = getattr(self, name), 2 if name == "leaves" else 1
            if given < least:
                raise ConfigError(f"model.{name} must be at least {least}, got {given}")
        if self.objective not in OBJECTIVES:
            possible = near_matches(self.objective, OBJECTIVES)
            raise ConfigError(f"model.objective={self.objective}: {possible}")
        if not self.lr > 0:
            raise ConfigError(f"model.lr must be positive, got {self.lr}")
        if not self.l2 >= 0:
            raise ConfigError(f"model.l2 must not be negative, got {self.l2}")
        if not 0 < self.feature_share <= 1:
            raise ConfigError(f"model.feature_share must be in (0, 1], got {self.feature_share}")
        draws = self.objective == "rank_xendcg" or self.feature_share < 1
        self.stochastic = self.stochastic or draws

    def fit(self, past: Histories, options: FitOptions) -> Self:
        """Learn the order inside the past, and fit the members to all of it.

        Raises
        ------
        DataError
            The past is too short for an inner cut, or nothing taken after it is a candidate.
        """
        found = once(options.checkpoint, lambda: self._inside(past, options))
        self.candidate_recall_ = found["recall"]
        fitted = fit_whole(self.members, past, found["epochs"], options)
        self.scorer_ = self._scorer(fitted, past, options, found["trees"])
        forget(options.checkpoint)
        return self

    def _scorer(
        self, fitted: dict[str, Any], past: Histories, options: FitOptions, trees: str = ""
    ) -> TwoStageScorer:
        """The members as they are fitted to `past`, with the facts of that past."""
        facts = ItemFacts.of(past, options.horizon_days or RECENT_DAYS)
        hides = options.filter_seen != "none"
        return TwoStageScorer(Members(fitted), facts, self.candidates, hides, trees)

    def _inside(self, past: Histories, options: FitOptions) -> dict[str, Any]:
        """The trees, the members' epochs, and the recall of the candidates."""
        try:
            cut = InnerCut.of(past, options)
        except DataError as error:
            raise DataError(f"two_stage: {error}") from error
        fitted, epochs = fit_inside(self.members, cut, options)
        lesson = lesson_of(self._scorer(fitted, cut.past, options), cut)
        if not lesson.taken.any():
            raise DataError(
                "two_stage has nothing to learn: nothing that was taken after the inner cut is among "
                f"the candidates; raise model.candidates ({self.candidates}) or name other members"
            )
        booster = self._trees(lesson, options.seed)
        log.info(
            "two_stage: candidate recall %.3f with %.0f candidates each of %d users; %d trees",
            lesson.recall,
            len(lesson.users) / cut.asked.n_users,
            cut.asked.n_users,
            booster.best_iteration or booster.num_trees(),
        )
        trees = booster.model_to_string()  # up to the best
        return {"trees": trees, "epochs": epochs, "recall": lesson.recall}

    def _trees(self, lesson: Lesson, seed: int) -> lightgbm.Booster:
        """The trees; all of them where nothing was taken of those or of the others held out."""
        import lightgbm

        held = lesson.users % JUDGES == 0
        if not (lesson.taken[held].any() and lesson.taken[~held].any()):
            every = self._data(lesson, np.ones(len(held), dtype=bool))
            return lightgbm.train(self._settings(seed), every, self.trees)
        known = self._data(lesson, ~held)
        stop = lightgbm.early_stopping(PATIENCE, first_metric_only=True, verbose=False)
        return lightgbm.train(
            self._settings(seed),
            known,
            self.trees,
            valid_sets=[self._data(lesson, held, known)],
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
            "data_random_seed": 0,  # of the bins: no seed of ours changes them
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }

    def _data(
        self, lesson: Lesson, kept: np.ndarray, like: lightgbm.Dataset | None = None
    ) -> lightgbm.Dataset:
        """The kept candidates as LightGBM takes them, a group a user."""
        import lightgbm

        users = lesson.users[kept]
        groups = np.diff(np.append(np.flatnonzero(np.diff(users, prepend=-1)), len(users)))
        table, taken = lesson.features[kept], lesson.taken[kept].astype(np.float32)
        names = [re.sub(r"\W", "_", n) for n in feature_names(tuple(self.members))]
        return lightgbm.Dataset(table, taken, reference=like, group=groups, feature_name=names)


def lesson_of(scorer: TwoStageScorer, cut: InnerCut) -> Lesson:
    """The candidates after the cut with their features and labels.

    A user's candidates stand in an order that rests on the items' raw ids, as lambdarank starts
    from it; items that the task hides and users of whom no candidate was taken are left out.
    """
    keys = hash_ids(cut.asked.catalogue.item_ids)
    parts = []
    for found in scorer.blocks(cut.asked):
        rows, items = found.rows, found.items
        taken = np.asarray(cut.truth[found.users][rows, items]).ravel() > 0
        kept = np.ones(len(rows), dtype=bool)
        if cut.hidden is not None:
            kept = np.asarray(cut.hidden[found.users][rows, items]).ravel() == 0
        order = np.lexsort((keys[items], rows))
        order = order[kept[order]]
        parts.append((found.features[order], taken[order], found.users[rows[order]]))
    table, taken, users = (np.concatenate(p) for p in zip(*parts, strict=True))
    recall = float(taken.sum() / cut.n_relevant.sum())
    useful = np.bincount(users, taken, minlength=cut.asked.n_users)[users] > 0
    return Lesson(table[useful], taken[useful], users[useful], recall)
