"""The inner fold: models of models learn about their members on a part of the past, then refit them."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.atomic_write import write_json
from growthlab.core.baskets import n_baskets, step_of_event
from growthlab.core.errors import DataError, GrowthlabError, one_line
from growthlab.core.histories import Histories
from growthlab.core.seeding import hash_ids
from growthlab.models.base import Recommender, TrainedInEpochs
from growthlab.ranking.candidates import hide_seen, seen_items
from growthlab.ranking.ndcg import ndcg
from growthlab.ranking.ties import TieBreak
from growthlab.ranking.top_k import top_k
from growthlab.scorers.fusion import short_lists
from growthlab.scorers.history_weights import MICROSECONDS_A_DAY
from growthlab.training.epoch_watch import EpochWatch
from growthlab.training.fit_options import FitOptions

log = logging.getLogger(__name__)

Factories = Mapping[str, Callable[[], Recommender]]

LATE_SHARE = 0.2  # of the events come after the cut, if no horizon is known
MOST_USERS = 2_000  # enough to tell weights apart, in seconds
K = 10  # of the NDCG by which members are evaluated
INSIDE = "inside.json"  # in a checkpoint folder: what was learned from the inner fits


@dataclass(frozen=True)
class InnerCut:
    """The past cut in two: the members learn from `past`, and are evaluated on what came after it.

    `histories` are those before the cut of users who have one and took something after it, in an
    order given by their raw ids; `truth` marks the items taken, ``(n_users, n_items)``, and `hidden`
    the items that the task would keep out of their lists (None: none).
    """

    past: Histories
    histories: Histories
    truth: csr_matrix
    hidden: csr_matrix | None

    @classmethod
    def of(cls, past: Histories, options: FitOptions) -> Self:
        """The cut of `past` that corresponds to the task's cutoff of the whole log.

        With timestamps all users are cut at the same time: a horizon before the newest event, with
        the gap before it left out; or before the newest fifth of the events, if no horizon is known
        or it is longer than half of the past. In a log without timestamps, the last basket of each
        user comes after the cut.

        Raises
        ------
        DataError
            No user has events on both sides.
        """
        before, after = (past.where(part) for part in _split_events(past, options))
        if options.target_events is not None:
            after = after.of_types(options.target_events)
        taken, seen = after.matrix(), seen_items(before, options.filter_seen)
        if seen is not None:
            taken = taken - taken.multiply(seen > 0)
            taken.eliminate_zeros()
        taken = taken.tocsr()
        rows = np.flatnonzero((before.lengths > 0) & (np.diff(taken.indptr) > 0))
        if not len(rows):
            raise DataError(
                "the past is too short to be cut in two: no user has a history before an inner cut "
                "and takes something after it; take a longer log or a shorter split.horizon_days"
            )
        rows = rows[np.argsort(hash_ids(past.user_ids[rows]), kind="stable")][:MOST_USERS]
        hidden = None if seen is None else seen[rows]
        return cls(before, before.select(rows), taken[rows], hidden)

    @property
    def n_relevant(self) -> np.ndarray:
        """Items taken by each user, ``(n_users,)``, 1 or more."""
        return np.diff(self.truth.indptr)

    def candidates(self, ranks: np.ndarray, rows: np.ndarray, depth: int) -> np.ndarray:
        """Whether an item is among the first `depth` of any member's list, ``(n_rows, n_items)``, bool.

        `ranks` are those of the users `rows`, ``(n_members, n_rows, n_items)``. Hidden items are
        left out and do not count.
        """
        if self.hidden is None:
            return short_lists(ranks, np.full(len(rows), depth))
        hidden = self.hidden[rows]
        return short_lists(ranks, depth + np.diff(hidden.indptr)) & ~(hidden.toarray() > 0)

    def ndcg(self, model: Any) -> float:
        """NDCG@10 of a fitted model on what was taken; a user it cannot score counts 0."""
        ties = TieBreak.of(self.histories.user_ids, self.histories.catalogue.item_ids, seed=0)
        total, height = 0.0, max(1, 4_000_000 // max(self.histories.n_items, 1))
        for first in range(0, self.histories.n_users, height):
            rows = np.arange(first, min(first + height, self.histories.n_users))
            scores = np.array(model.score(self.histories.select(rows)))
            scores[np.isnan(scores)] = -np.inf
            hide_seen(scores, None if self.hidden is None else self.hidden[rows])
            items, _ = top_k(scores, K, ties.select(rows))
            hits = np.asarray(self.truth[rows[:, None], items].toarray()) > 0
            total += float(ndcg(hits & (items >= 0), self.n_relevant[rows]).sum())
        return total / self.histories.n_users


def _split_events(past: Histories, options: FitOptions) -> tuple[np.ndarray, np.ndarray]:
    """Which events are before the inner cut, and which after it and its gap, bool, one an event."""
    if not past.n_events:
        return np.zeros(0, dtype=bool), np.zeros(0, dtype=bool)
    if not past.timed:
        counts = n_baskets(past)
        is_last = step_of_event(past) == np.repeat(counts - 1, past.lengths)
        late = is_last & np.repeat(counts > 1, past.lengths)
        return ~late, late
    oldest, end = int(past.times.min()), int(past.times.max()) + 1
    days = math.inf if options.horizon_days is None else options.horizon_days
    length, gap = days * MICROSECONDS_A_DAY, options.gap_days * MICROSECONDS_A_DAY
    if length + gap <= (end - oldest) / 2:
        return past.times < end - length - gap, past.times >= end - length
    late = past.times > np.quantile(past.times, 1 - LATE_SHARE, method="lower")
    return ~late, late


def fit_before_cut(
    members: Factories, cut: InnerCut, options: FitOptions
) -> tuple[dict[str, Recommender], dict[str, int]]:
    """The members fitted to the past before the cut, and the best epochs of those trained in epochs.

    If the options give a number of epochs, it is used without early stopping.
    """
    fitted, epochs = {}, {}
    for name, factory in members.items():
        own = _options_of(options, "inside", name)
        watch = None
        model = factory()
        if isinstance(model, TrainedInEpochs) and options.epochs is None:
            memory = None if own.checkpoint is None else own.checkpoint / "watch.json"
            watch = EpochWatch(cut.ndcg, model.trainer.patience, memory=memory)
            own = replace(own, on_epoch=watch)
        elif isinstance(model, TrainedInEpochs):
            own = replace(own, epochs=options.epochs)
        fitted[name] = _fit(name, model, cut.past, own)
        if watch is not None:
            epochs[name] = watch.best_epoch
        elif own.epochs is not None:
            epochs[name] = own.epochs
    return fitted, epochs


def fit_on_whole_past(
    members: Factories, past: Histories, epochs: Mapping[str, int], options: FitOptions
) -> dict[str, Recommender]:
    """The members fitted on the whole past, with their numbers of epochs if they are trained in epochs."""
    fitted = {}
    for name, factory in members.items():
        own = replace(_options_of(options, "whole", name), epochs=epochs.get(name))
        fitted[name] = _fit(name, factory(), past, own)
    return fitted


def _options_of(options: FitOptions, stage: str, name: str) -> FitOptions:
    """The options of one member's fit, with its own checkpoint folder."""
    folder = None if options.checkpoint is None else options.checkpoint / stage / name
    return replace(options, on_epoch=None, epochs=None, checkpoint=folder)


def _fit(name: str, model: Recommender, past: Histories, options: FitOptions) -> Recommender:
    """The fitted member; errors name it."""
    try:
        return model.fit(past, options)
    except GrowthlabError as error:
        raise type(error)(f"model.members.{name}: {one_line(error)}") from error


def load_or_compute(
    checkpoint: Path | None, compute: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The plain values of `compute`, or those that this fit computed before it was interrupted."""
    if checkpoint is None:
        return compute()
    path = checkpoint / INSIDE
    if path.exists():
        return dict(json.loads(path.read_text()))
    computed = compute()
    write_json(path, computed)
    return computed


def remove_inner_results(checkpoint: Path | None) -> None:
    """Remove what the inner fits saved, once the fit is done."""
    if checkpoint is not None:
        (checkpoint / INSIDE).unlink(missing_ok=True)
        for memory in checkpoint.glob("inside/*/watch.json"):
            memory.unlink()
