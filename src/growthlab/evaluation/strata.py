"""Metrics by stratum: warm and cold users and items, repeated and new items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from growthlab.evaluation.bootstrap import (
    per_user_table,
    ratio_estimates,
    sums_and_counts,
)
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
    return strata_with_values(lists, metrics, "", seed=seed, n_resamples=n_resamples)[0]


def strata_with_values(
    lists: RankedLists,
    metrics: Mapping[str, Any] | Iterable[Any],
    objective: str,
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table of `evaluate_strata`, and the values of the objective by customer, one row each.

    The columns of the second are named by `stratum_column`; NaN for a user without a target in the
    stratum. It is empty if no metric gives the objective.
    """
    values: dict[str, np.ndarray] = {}
    listed = metrics.values() if isinstance(metrics, Mapping) else metrics
    chosen = [m for m in listed if isinstance(m, PerUser) and _uses_truth(m)]
    rows = []
    for stratum, kept in target_strata(lists).items():
        part = lists.with_truth(kept)
        n_users = len(np.unique(lists.clusters[part.n_relevant > 0]))
        kept_as = stratum_column(objective, stratum) if stratum != "all" else ""
        columns = _columns(part, chosen, objective, kept_as, values)
        parts = sums_and_counts(columns, lists.clusters)
        estimates = ratio_estimates(parts, seed=seed, n_resamples=n_resamples)
        rows += [(stratum, name, *estimate, n_users) for name, estimate in estimates.items()]
    table = pd.DataFrame(rows, columns=["stratum", "metric", "value", "low", "high", "n_users"])
    return table, per_user_table(lists, values).drop(columns="user_id")


def stratum_column(objective: str, stratum: str) -> str:
    """The column of a customer's objective with the items of a stratum as the truth."""
    return f"{objective} of {stratum}"


def _columns(
    lists: RankedLists,
    metrics: Iterable[PerUser],
    objective: str,
    kept_as: str,
    values: dict[str, np.ndarray],
) -> Iterator[tuple[str, np.ndarray]]:
    """Name and values of each metric, one after the other; the objective stays in `values`."""
    for metric in metrics:
        for name, column in metric.per_user(lists).items():
            if name == objective and kept_as:
                values[kept_as] = column
            yield name, column


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
