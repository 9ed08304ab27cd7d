"""What will this customer want: rank the catalogue for every user with a target after the cutoff."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from growthlab.bundle.answer_kinds import AnswerKind, TaskAnswer
from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.histories import UNKNOWN, Catalogue, Histories
from growthlab.core.prefixes import Prefixes
from growthlab.data.event_log import EventLog
from growthlab.evaluation.block_ranking import rank_items, unseen_targets
from growthlab.evaluation.bootstrap import evaluate_lists
from growthlab.evaluation.choice import MIN_DECIDING, require_number
from growthlab.evaluation.leaderboard_columns import MetricColumn
from growthlab.evaluation.outcome import Estimate, ModelEvaluation, Outcome
from growthlab.evaluation.resamples import N_RESAMPLES
from growthlab.evaluation.strata import strata_with_values
from growthlab.features.build_histories import CATALOGUE_COLUMNS, catalogue_of, histories_of
from growthlab.metrics.ranking.base import RankedLists
from growthlab.models.base import Recommender, ScoredRecommender
from growthlab.ranking.candidates import SEEN_EVENTS
from growthlab.scorers.base import Factored
from growthlab.split.fold import Fold
from growthlab.tasks.steps import FutureSteps, future_steps
from growthlab.training.fit_options import FitOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

TARGETS = ("horizon_set", "successive", "last")


@dataclass(frozen=True)
class TopNData:
    """The data that all recommenders share on one fold.

    Models are fitted to `past`. `histories` are the events of the users with targets, one row each, users
    unseen in the past included; `owned` are their earlier target events, which identify repeats. The truth
    is in CSR form: distinct items a user after the seen filter, code -1 for an item outside the catalogue.
    With the target ``successive`` a row is a step of a user instead of a user.
    """

    past: Histories
    histories: Histories | Prefixes
    owned: Histories | Prefixes
    truth_offsets: np.ndarray  # (n_users + 1,)
    truth_items: np.ndarray  # (n_truth,)
    truth_table: pd.DataFrame  # user_id, item_id; step where rows are steps
    popularity: np.ndarray  # (n_items,) distinct past users
    targets_removed_by_filter: int
    steps: np.ndarray | None = None  # (n_rows,) the basket's number within its user; None: users
    steps_without_history: int = 0
    horizon_days: float | None = None
    gap_days: float = 0.0


@dataclass(frozen=True)
class TopN:
    """Full ranking of the catalogue as of the cutoff.

    `history_events` are the events that models see, `target_events` those that count as targets, and
    `filter_seen` says which items are kept out of the lists (``none``, ``purchased`` or ``interacted``);
    None uses the data set's default. `tie_seed` seeds the key that breaks ties, the same for all models
    and seeds.

    `target` is the target rule; results under different rules are never compared:

    horizon_set
        every distinct item in the horizon, predicted at the cutoff;
    successive
        one basket after the other, each predicted as a set from everything strictly earlier: histories
        grow, parameters stay. Every occurrence of an item is a target, and the seen filter is that of
        the step. A step without any earlier event (the first view of a session) is left out, and
        counted as ``steps_without_history``; one whose earlier events are all of items outside the
        catalogue is answered by the fallback. Values are means over steps; intervals and tests resample
        users with all their steps.
    last
        only the last basket, predicted at the cutoff.

    Where fewer than `min_deciding` users decide on the validation window, the choice is by default.
    """

    answer: ClassVar[TaskAnswer] = TaskAnswer(
        kind=AnswerKind.LIST,
        endpoint="recommend",
        item_endpoint="similar",
        summary="A list of items for a known user, a history, a basket, or nobody.",
        intended_use=(
            "Ranks the catalogue for one customer: recommendations on pages and in messages."
        ),
        caveat="Scores are comparable within one list only; they are no probabilities of a purchase.",
    )

    model_type: ClassVar[Any] = Recommender

    objective: str = "ndcg_at_10"
    target: str = "horizon_set"
    filter_seen: str | None = None
    history_events: list[str] | tuple[str, ...] | None = None
    target_events: list[str] | tuple[str, ...] | None = None
    list_length: int = 100
    memory_mb: int = 512
    tie_seed: int = 0
    baselines: tuple[str, ...] = ("popularity", "popularity_recent", "personal_frequency", "markov")
    name: str = "top_n"
    models: str = "recommend"
    metrics: str = "ranking"
    maximise: bool = True
    min_deciding: int = MIN_DECIDING

    def __post_init__(self) -> None:
        require_number(self.min_deciding)
        for setting, possible in (("target", TARGETS), ("filter_seen", (*SEEN_EVENTS, None))):
            value = getattr(self, setting)
            if value not in possible:
                names = [p for p in possible if p]
                raise ConfigError(f"task.{setting}={value}: {near_matches(str(value), names)}")
        if self.list_length < 1:
            raise ConfigError(f"task.list_length must be at least 1, got {self.list_length}")
        if not self.memory_mb > 0:
            raise ConfigError(f"task.memory_mb must be positive, got {self.memory_mb}")

    def table_columns(self) -> tuple[str, ...]:
        """What the catalogue holds of items."""
        return CATALOGUE_COLUMNS

    def data(self, fold: Fold, fitted_on: TopNData | None = None) -> TopNData:
        """Histories, truth and popularity of the fold, in the catalogue and user codes of `fitted_on`.

        Raises
        ------
        DataError
            The log has no items, or the fold's future has no target.
        ConfigError
            The seen filter needs events that the histories do not hold.
        """
        self._check_filter()
        catalogue = catalogue_of(fold.past) if fitted_on is None else fitted_on.past.catalogue
        vocabulary = None if fitted_on is None else fitted_on.past.user_ids
        past = histories_of(fold.past, self._history_events, catalogue, vocabulary)
        vocabulary = past.user_ids if vocabulary is None else vocabulary
        rows = self._evaluation_rows(fold, catalogue, vocabulary)
        items = catalogue.codes(rows.truth["item_id"].to_numpy(dtype=str))
        offsets = _offsets(rows.truth_rows, rows.histories.n_users)
        kept = unseen_targets(rows.histories, offsets, items, self.filter_seen or "none")
        popularity = np.asarray(past.matrix().sum(axis=0)).ravel()
        n_removed = int((~kept).sum())
        if not kept.any():
            raise DataError(
                f"no test users: all {n_removed} targets were seen before and "
                f"task.filter_seen={self.filter_seen} removes them"
            )
        return TopNData(
            past=past,
            histories=rows.histories,
            owned=rows.owned,
            truth_offsets=_offsets(rows.truth_rows[kept], rows.histories.n_users),
            truth_items=items[kept],
            truth_table=rows.truth[kept].reset_index(drop=True),
            popularity=popularity.astype(np.float32),
            targets_removed_by_filter=n_removed,
            horizon_days=fold.horizon / timedelta(days=1) if fold.horizon else None,
            gap_days=fold.gap / timedelta(days=1),
            steps=rows.steps,
            steps_without_history=rows.without_history,
        )

    def fit(self, model: Any, data: TopNData, options: FitOptions) -> Recommender:
        """Fit the recommender to the past."""
        if not isinstance(model, Recommender):
            raise ConfigError(
                f"task=top_n needs a recommender, and {type(model).__name__} is not one"
            )
        task_options = replace(
            options,
            target_events=self._target_events,
            horizon_days=data.horizon_days,
            gap_days=data.gap_days,
            filter_seen=self.filter_seen or "none",
        )
        return model.fit(data.past, task_options)

    def lists(self, model: Recommender, data: TopNData) -> RankedLists:
        """The model's lists for all users of the fold, with the truth."""
        source = model.scorer_ if isinstance(model, ScoredRecommender) else model
        return rank_items(
            model.score,
            data.histories,
            data.truth_offsets,
            data.truth_items,
            k=self.list_length,
            filter_seen=self.filter_seen or "none",
            fallback_scores=data.popularity,
            seed=self.tie_seed,
            memory_mb=self.memory_mb,
            popularity=data.popularity,
            n_past_users=data.past.n_users,
            owned=data.owned,
            factors=source if isinstance(source, Factored) else None,
        )

    def evaluate(
        self,
        model: Any,
        data: TopNData,
        metrics: Mapping[str, Any],
        *,
        seed: int,
        intervals: bool = True,
        n_resamples: int = N_RESAMPLES,
    ) -> ModelEvaluation:
        """Every metric of the lists, see `Task.evaluate`."""
        started = time.perf_counter()
        lists = self.lists(model, data)
        seconds = time.perf_counter() - started
        per_user, values, rough = evaluate_lists(
            lists, metrics, intervals=intervals, n_resamples=n_resamples
        )
        n_removed = float(data.targets_removed_by_filter)
        values["targets_removed_by_filter"] = Estimate(n_removed, np.nan, np.nan)
        if data.steps is not None:
            values["steps"] = Estimate(float(lists.n_users), np.nan, np.nan)
            n_without = float(data.steps_without_history)
            values["steps_without_history"] = Estimate(n_without, np.nan, np.nan)
        coverage = 1.0 - float(lists.fallback.mean())
        lists = replace(lists)  # frees what metrics cached: 200 MB for a million users
        strata = pd.DataFrame()
        if intervals:
            strata, by_stratum = strata_with_values(
                lists, metrics, self.objective, n_resamples=n_resamples
            )
            per_user = pd.concat([per_user, by_stratum], axis=1)
        lists = replace(lists)
        tables = self._tables(lists, data) if intervals else {}
        return ModelEvaluation(values, per_user, strata, tables, seconds, coverage, rough)

    def n_deciding(self, evaluation: ModelEvaluation) -> int:
        """The users with an item to find."""
        per_user = evaluation.per_user
        return int(per_user[self.objective if self.objective in per_user else "user_id"].count())

    def figures(self, outcome: Outcome, columns: Sequence[MetricColumn]) -> dict[str, Figure]:
        """The plots of an outcome by file name."""
        from growthlab.evaluation.figures import outcome_figures

        return outcome_figures(outcome, self.objective, columns, maximise=self.maximise)

    @property
    def asks_for_last_basket(self) -> bool:
        """Whether the target is the whole last basket."""
        return self.target == "last"

    @property
    def _history_events(self) -> tuple[str, ...]:
        return tuple(self.history_events or ("purchase",))

    @property
    def _target_events(self) -> tuple[str, ...]:
        return tuple(self.target_events or ("purchase",))

    def _check_filter(self) -> None:
        """Refuse a filter whose events are not in the histories, from which seen items are read."""
        hidden = SEEN_EVENTS[self.filter_seen or "none"]
        if hidden and not set(hidden) & set(self._history_events):
            raise ConfigError(
                f"task.filter_seen={self.filter_seen} would hide nothing: task.history_events="
                f"{list(self._history_events)} holds none of {', '.join(hidden)}"
            )

    def _evaluation_rows(
        self, fold: Fold, catalogue: Catalogue, vocabulary: np.ndarray
    ) -> _UserRows | FutureSteps:
        """The rows to evaluate, users or their steps, with histories and truth."""
        truth = self._truth(fold.future)
        events = self._history_events, self._target_events
        if self.target == "successive":
            steps = future_steps(fold, truth, *events, catalogue, vocabulary)
            if not steps.histories.n_users:
                raise DataError(
                    f"no step to predict: none of {steps.without_history} baskets after the cutoff "
                    "has an earlier event of its user; use task.target=horizon_set"
                )
            return steps
        users, rows = np.unique(truth["user_id"].to_numpy(dtype=str), return_inverse=True)
        histories, owned = (
            histories_of(fold.past, kinds, catalogue, vocabulary, users) for kinds in events
        )
        return _UserRows(histories, owned, truth, rows)

    def _truth(self, future: EventLog) -> pd.DataFrame:
        """The distinct (user_id, item_id) that are targets, sorted; with time for ``successive``."""
        kinds = ", ".join(f"'{t}'" for t in self._target_events)
        source = f"FROM events WHERE event_type IN ({kinds}) AND item_id IS NOT NULL"
        time, columns = future.ordered_by, "user_id, item_id"
        if self.target == "successive":
            columns = f"user_id, {time} AS time, item_id"
        elif self.target == "last":
            source += f" QUALIFY {time} = max({time}) OVER (PARTITION BY user_id)"
        truth = future.query(f"SELECT DISTINCT {columns} {source} ORDER BY ALL")
        if truth.empty:
            raise DataError(
                f"no test users: there are no events of the types {kinds} after the cutoff; "
                "choose an earlier split.cutoff, a longer split.horizon_days or other task.target_events"
            )
        return truth

    def _tables(self, lists: RankedLists, data: TopNData) -> dict[str, pd.DataFrame]:
        """The recommendations and the truth with raw ids."""
        n_rows, k = lists.items.shape
        listed = lists.items != UNKNOWN
        kept = slice(None) if listed.all() else listed.ravel()  # no copy of full lists
        rows = np.repeat(np.arange(n_rows, dtype=np.int32), k)[kept]
        users = lists.user_ids[np.flatnonzero(np.diff(lists.clusters, prepend=-1))]
        row_users = rows if data.steps is None else lists.clusters.astype(np.int32)[rows]
        columns: dict[str, Any] = {
            # categoricals, as millions of strings would take too much memory
            "user_id": pd.Categorical.from_codes(row_users, pd.Index(users)),
            "item_id": pd.Categorical.from_codes(
                lists.items.ravel()[kept], pd.Index(data.past.catalogue.item_ids)
            ),
            "score": lists.scores.ravel()[kept],
            "rank": np.tile(np.arange(1, k + 1, dtype=np.int16), n_rows)[kept],
        }
        if data.steps is not None:
            columns["step"] = data.steps[rows]
        recommendations = pd.DataFrame(columns, copy=False)
        return {"recommendations": recommendations, "truth": data.truth_table}


@dataclass(frozen=True)
class _UserRows:
    """The fields of `FutureSteps` where each row is a user."""

    histories: Histories
    owned: Histories
    truth: pd.DataFrame
    truth_rows: np.ndarray
    steps: None = None
    without_history: int = 0


def _offsets(rows: np.ndarray, n_rows: int) -> np.ndarray:
    """CSR offsets of entries that are sorted by row."""
    counts = np.bincount(rows, minlength=n_rows)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
