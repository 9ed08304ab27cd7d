"""What will this customer want: rank the catalogue for everyone who took something after the cutoff."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.histories import UNKNOWN, Histories
from growthlab.data.event_log import EventLog
from growthlab.evaluation.bootstrap import metrics_of
from growthlab.evaluation.outcome import Estimate, Judged, Outcome
from growthlab.evaluation.strata import strata_of
from growthlab.evaluation.top_k import drop_seen_truth, rank
from growthlab.features.histories import catalogue_of, histories_of
from growthlab.metrics.ranking.base import RankedLists
from growthlab.models.base import Recommender
from growthlab.ranking.candidates import SEEN_EVENTS
from growthlab.split.fold import Fold
from growthlab.training.options import FitOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

TARGETS = ("horizon_set", "last")


@dataclass(frozen=True)
class TopNData:
    """What all recommenders share on one fold.

    `past` is what is learned from; `histories` are the same events of the users with a truth, one row each,
    users unseen in the past included, and `owned` what those had taken before (the target events), which
    tells a repeat. The truth is in CSR form: distinct items a user after the seen filter, code -1 for an item
    outside the catalogue.
    """

    past: Histories
    histories: Histories
    owned: Histories
    truth_offsets: np.ndarray  # (n_users + 1,)
    truth_items: np.ndarray  # (n_truth,)
    truth_table: pd.DataFrame  # user_id, item_id
    popularity: np.ndarray  # (n_items,) distinct past users
    targets_removed_by_filter: int
    horizon_days: float | None = None


@dataclass(frozen=True)
class TopN:
    """Full ranking of the catalogue as of the cutoff.

    `history_events` are what the models see, `target_events` what counts as taken afterwards, `filter_seen`
    which items are kept out of the lists (``none``, ``purchased`` or ``interacted``); None leaves each to
    the data set. `target` is the rule of what counts: ``horizon_set``, every distinct item in the horizon,
    or ``last``, only the last one. `tie_seed` makes the key by which ties are broken: the same for all
    models and seeds.
    """

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

    def __post_init__(self) -> None:
        for setting, possible in (("target", TARGETS), ("filter_seen", (*SEEN_EVENTS, None))):
            given = getattr(self, setting)
            if given not in possible:
                names = [p for p in possible if p]
                raise ConfigError(f"task.{setting}={given}: {near_matches(str(given), names)}")
        if self.list_length < 1:
            raise ConfigError(f"task.list_length must be at least 1, got {self.list_length}")

    def data(self, fold: Fold, known: TopNData | None = None) -> TopNData:
        """Histories, truth and popularity of the fold, in the catalogue and with the users of `known`.

        Raises
        ------
        DataError
            The log has no items, or nobody takes anything in the future of the fold.
        ConfigError
            The seen filter hides events that the histories do not hold.
        """
        self._check_filter()
        catalogue = catalogue_of(fold.past) if known is None else known.past.catalogue
        vocabulary = None if known is None else known.past.user_ids
        past = histories_of(fold.past, self._history_events, catalogue, vocabulary)
        vocabulary = past.user_ids if vocabulary is None else vocabulary
        truth = self._truth(fold.future)
        users = np.unique(truth["user_id"].to_numpy(dtype=str))
        histories, owned = (
            histories_of(fold.past, kinds, catalogue, vocabulary, users)
            for kinds in (self._history_events, self._target_events)
        )
        offsets, items = _csr(truth, users, catalogue.codes(truth["item_id"].to_numpy(dtype=str)))
        kept = drop_seen_truth(histories, offsets, items, self.filter_seen or "none")
        popularity = np.asarray(past.matrix().sum(axis=0)).ravel()
        n_removed = int((~kept).sum())
        if not kept.any():
            raise DataError(
                f"no test users: all {n_removed} targets were seen before and "
                f"task.filter_seen={self.filter_seen} removes them"
            )
        rows = np.repeat(np.arange(len(users)), np.diff(offsets))[kept]
        counts = np.bincount(rows, minlength=len(users))
        return TopNData(
            past=past,
            histories=histories,
            owned=owned,
            truth_offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            truth_items=items[kept],
            truth_table=truth[kept].reset_index(drop=True),
            popularity=popularity.astype(np.float32),
            targets_removed_by_filter=n_removed,
            horizon_days=fold.horizon / timedelta(days=1) if fold.horizon else None,
        )

    def fit(self, model: Any, data: TopNData, options: FitOptions) -> Recommender:
        """The recommender, fitted to the past."""
        if not isinstance(model, Recommender):
            raise ConfigError(f"task=top_n needs a recommender, and {type(model).__name__} is none")
        told = replace(
            options,
            target_events=self._target_events,
            horizon_days=data.horizon_days,
            filter_seen=self.filter_seen or "none",
        )
        return model.fit(data.past, told)

    def lists(self, model: Recommender, data: TopNData) -> RankedLists:
        """The model's lists for all users of the fold, beside the truth."""
        return rank(
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
        )

    def judge(
        self,
        model: Any,
        data: TopNData,
        metrics: Mapping[str, Any],
        *,
        seed: int,
        intervals: bool = True,
    ) -> Judged:
        """Every metric of the lists; see `Task.judge`."""
        started = time.perf_counter()
        lists = self.lists(model, data)
        seconds = time.perf_counter() - started
        per_user, values = metrics_of(lists, metrics, intervals=intervals)
        n_removed = float(data.targets_removed_by_filter)
        values["targets_removed_by_filter"] = Estimate(n_removed, np.nan, np.nan)
        strata = strata_of(lists, metrics) if intervals else pd.DataFrame()
        tables = self._tables(lists, data) if intervals else {}
        coverage = 1.0 - float(lists.fallback.mean())
        return Judged(values, per_user, strata, tables, seconds, coverage)

    def figures(self, outcome: Outcome) -> dict[str, Figure]:
        """The plots of one outcome, by file name."""
        from growthlab.evaluation.plots import outcome_figures

        return outcome_figures(outcome, self.objective, maximise=self.maximise)

    @property
    def _history_events(self) -> tuple[str, ...]:
        return tuple(self.history_events or ("purchase",))

    @property
    def _target_events(self) -> tuple[str, ...]:
        return tuple(self.target_events or ("purchase",))

    def _check_filter(self) -> None:
        """What is hidden is read off the histories, here and where the model serves."""
        hidden = SEEN_EVENTS[self.filter_seen or "none"]
        if hidden and not set(hidden) & set(self._history_events):
            raise ConfigError(
                f"task.filter_seen={self.filter_seen} would hide nothing: task.history_events="
                f"{list(self._history_events)} holds none of {', '.join(hidden)}"
            )

    def _truth(self, future: EventLog) -> pd.DataFrame:
        """The distinct (user_id, item_id) that count, sorted."""
        kinds = ", ".join(f"'{t}'" for t in self._target_events)
        taken = f"FROM events WHERE event_type IN ({kinds}) AND item_id IS NOT NULL"
        if self.target == "last":
            time = future.ordered_by
            latest = f"{time} = max({time}) OVER (PARTITION BY user_id)"
            query = f"SELECT user_id, item_id {taken} QUALIFY {latest}"
        else:
            query = f"SELECT user_id, item_id {taken}"
        truth = future.query(f"SELECT DISTINCT * FROM ({query}) ORDER BY user_id, item_id")
        if truth.empty:
            raise DataError(
                f"no test users: nobody has an event of the types {kinds} after the cutoff; "
                "choose an earlier split.cutoff, a longer split.horizon_days or other task.target_events"
            )
        return truth

    def _tables(self, lists: RankedLists, data: TopNData) -> dict[str, pd.DataFrame]:
        """The recommendations and the truth with raw ids."""
        n_users, k = lists.items.shape
        listed = lists.items.ravel() != UNKNOWN
        recommendations = pd.DataFrame(
            {
                "user_id": np.repeat(lists.user_ids, k)[listed],
                "item_id": data.past.catalogue.item_ids[lists.items.ravel()[listed]],
                "score": lists.scores.ravel()[listed],
                "rank": np.tile(np.arange(1, k + 1, dtype=np.int32), n_users)[listed],
            }
        )
        return {"recommendations": recommendations, "truth": data.truth_table}


def _csr(
    truth: pd.DataFrame, users: np.ndarray, items: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and items of a truth table that is sorted by user."""
    rows = np.searchsorted(users, truth["user_id"].to_numpy(dtype=str))
    counts = np.bincount(rows, minlength=len(users))
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), items
