"""Metrics by stratum: warm and cold users and items, repeated and new items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from growthlab.evaluation.bootstrap import ratio_estimates, sums_and_counts
from growthlab.evaluation.resamples import N_RESAMPLES
from growthlab.metrics.ranking.base import PerUser, PerUserAtK, RankedLists, head_items

STRATA = ("all", "warm", "head", "tail", "cold_item", "cold_user", "repeat", "new")


def evaluate_strata(
    lists: RankedLists,
    metrics: Mapping[str, Any] | Iterable[Any],
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> pd.DataFrame:
    """Every per-user metric, with one stratum of the relevant items at a time as the truth.

    warm
        the user has a history and the item past users;
    head, tail
        the item is one of the most popular ones that together have 80 % of the past interactions
        (user-item pairs), or any other item with past users;
    cold_item
        the item has no past users, or is outside the catalogue (then it is always missed);
    cold_user
        the user has no history: their list is the fallback, or from a model that needs no history;
    repeat, new
        the user has had the item before, or has not.

    A user without a target in a stratum is left out of it; `n_users` counts the others.

    Returns
    -------
    DataFrame with the columns stratum, metric, value, low, high, n_users
    """
    listed = metrics.values() if isinstance(metrics, Mapping) else metrics
    chosen = [m for m in listed if isinstance(m, PerUser) and _uses_truth(m)]
    rows = []
    for stratum, kept in target_strata(lists).items():
        part = lists.with_truth(kept)
        n_users = len(np.unique(lists.clusters[part.n_relevant > 0]))
        columns = (item for metric in chosen for item in metric.per_user(part).items())
        parts = sums_and_counts(columns, lists.clusters)
        estimates = ratio_estimates(parts, seed=seed, n_resamples=n_resamples)
        rows += [(stratum, name, *estimate, n_users) for name, estimate in estimates.items()]
    return pd.DataFrame(rows, columns=["stratum", "metric", "value", "low", "high", "n_users"])


def _uses_truth(metric: PerUser) -> bool:
    return not isinstance(metric, PerUserAtK) or metric.needs_truth


def target_strata(lists: RankedLists) -> dict[str, np.ndarray]:
    """Which relevant items belong to each stratum, bool, one per relevant item."""
    known = lists.truth_items >= 0
    past_users = np.zeros(len(known))
    past_users[known] = lists.popularity[lists.truth_items[known]]
    cold_item = past_users == 0
    in_head = np.zeros(len(known), dtype=bool)
    in_head[known] = head_items(lists.popularity)[lists.truth_items[known]]
    cold_user = (lists.histories.lengths == 0)[lists.truth_rows]
    return {
        "all": np.ones(len(known), dtype=bool),
        "warm": ~cold_item & ~cold_user,
        "head": in_head,
        "tail": ~in_head & ~cold_item,
        "cold_item": cold_item,
        "cold_user": cold_user,
        "repeat": lists.repeats,
        "new": ~lists.repeats,
    }
