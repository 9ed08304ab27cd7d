"""Whether a bundle answers as its run was evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from growthlab.bundle.answers import PredictRequest, Recommendation, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.core.histories import Histories
from growthlab.core.seeding import random_stream
from growthlab.tasks.base import StepData

K = 10
TOLERANCE = 1e-4
N_CUSTOMERS = 1000
N_STEPS = 200
STEP_HISTORIES = (
    "asked.npz"  # artifact of a run whose rows are steps: histories that were asked about
)


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How far the answers of the exported bundle agree with those that were evaluated.

    `largest` is the largest difference of a score or prediction, see `parity_of`.
    `why_not` says in one line why nothing could be compared, or what differs; empty where the
    answers are the same.
    """

    n_compared: int
    n_same: int
    largest: float
    why_not: str = ""


def write_histories_for_parity(folder: Path, data: Any, *, seed: int = 0) -> None:
    """Write ``asked.npz`` for a task whose rows are steps: the histories of some of them.

    A bundle stores what was known at the cutoff and cannot know the history of a later step. Nothing
    is written for other tasks.
    """
    if not isinstance(data, StepData) or data.steps is None:
        return
    steps = data.steps
    n = min(N_STEPS, len(steps))
    rows = np.sort(random_stream(seed, "parity", len(steps)).choice(len(steps), n, replace=False))
    arrays: dict[str, Any] = data.histories.select(rows).to_arrays()
    np.savez_compressed(folder / STEP_HISTORIES, steps=steps[rows], **arrays)


def parity_of(
    bundle: Bundle,
    tables: Mapping[str, pd.DataFrame],
    step_histories: Mapping[str, np.ndarray] | None = None,
    *,
    seed: int = 0,
) -> Parity:
    """Compare the bundle's answers with the run's, for at most 1,000 customers.

    `tables` are the run's ``recommendations`` (the first 10 places are compared) or ``predictions``.
    A score may differ by 1e-4 of the largest in its list, a prediction by 1e-4 of itself, or of 1
    where that is more: networks add up in another order. Two items may change places only where
    their evaluated scores are as near.

    Where rows are steps, the bundle is asked about the histories in `step_histories`, the arrays of
    `write_histories_for_parity`; else about customers by their ids. Its index of the items is left out: what
    that loses of the exact lists is its recall.
    """
    bundle = without_index(bundle).asked_by_data_ids()
    if bundle.no_lookup:
        return Parity(n_compared=0, n_same=0, largest=math.nan, why_not=bundle.no_lookup)
    if bundle.predictor is None:
        return _compare_lists(bundle, tables["recommendations"], step_histories, seed)
    return _compare_numbers(bundle, tables["predictions"], seed)


def without_index(bundle: Bundle) -> Bundle:
    """The same bundle without its index of the items: its lists are exact."""
    if bundle.list_maker is None:
        return bundle
    return replace(bundle, list_maker=replace(bundle.list_maker, index=None))


def share_of_exact_lists(bundle: Bundle, user_ids: np.ndarray) -> float:
    """The share of the exact lists' first ten items that the bundle also lists with its index.

    Asked as for customers: seen items are hidden, and lists that the index does not fill are made
    exactly. NaN without customers.
    """
    bundle = bundle.asked_by_data_ids()
    requests = [RecommendRequest(str(user)) for user in user_ids]
    lists = (b.recommend(requests, K) for b in (bundle, without_index(bundle)))
    own, expected = ([{i.item for i in a.items} for a in answers] for answers in lists)
    n_same = sum(len(one & other) for one, other in zip(own, expected, strict=True))
    n_expected = sum(map(len, expected))
    return n_same / n_expected if n_expected else math.nan


def sample_of_ids(user_ids: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """At most `n` of the distinct ids, drawn uniformly, sorted."""
    distinct = np.unique(user_ids.astype(str))
    if len(distinct) <= n:
        return distinct
    drawn = random_stream(seed, "parity", len(distinct)).choice(len(distinct), n, replace=False)
    return distinct[np.sort(drawn)]


def _compare_numbers(bundle: Bundle, table: pd.DataFrame, seed: int) -> Parity:
    users = sample_of_ids(table["user_id"].to_numpy(), N_CUSTOMERS, seed)
    evaluated = table.set_index(table["user_id"].astype(str))["prediction"].loc[users].to_numpy()
    answers = bundle.predict([PredictRequest(str(u)) for u in users])
    unknown = [u for u, a in zip(users, answers, strict=True) if a.served != "known"]
    if unknown:
        why_not = f"the bundle does not know {len(unknown)} of {len(users)} customers"
        return Parity(n_compared=len(users), n_same=0, largest=math.nan, why_not=why_not)
    difference = np.abs(np.array([a.value for a in answers]) - evaluated)
    difference /= np.maximum(1.0, np.abs(evaluated))
    same = difference <= TOLERANCE
    largest = float(difference.max(initial=0.0))
    return _parity(int(same.sum()), len(users), largest, "predictions differ")


def _compare_lists(
    bundle: Bundle, table: pd.DataFrame, step_histories: Mapping[str, np.ndarray] | None, seed: int
) -> Parity:
    if "step" in table and step_histories is None:
        why_not = f"the run logged no {STEP_HISTORIES}, the histories of its steps: train it again"
        return Parity(n_compared=0, n_same=0, largest=math.nan, why_not=why_not)
    ids = table["user_id"].astype(str)
    if step_histories is None or "step" not in table:
        users = sample_of_ids(ids.unique(), N_CUSTOMERS, seed)
        keys: list[Any] = users.tolist()
        answers = bundle.recommend([RecommendRequest(u) for u in keys], K)
        groups: Any = "user_id"
    else:
        users = step_histories["user_ids"].astype(str)
        keys = list(zip(users.tolist(), step_histories["steps"].tolist(), strict=True))
        answers = _answers_to_steps(bundle, users, step_histories)
        groups = ["user_id", "step"]
    table = table.assign(user_id=ids)[ids.isin(users)].sort_values([*np.atleast_1d(groups), "rank"])
    lists = dict(iter(table.groupby(groups, sort=False)))
    n_same, largest = 0, 0.0
    for key, answer in zip(keys, answers, strict=True):
        items = [i.item for i in answer.items]
        scores = np.array([i.score for i in answer.items], dtype=float)
        same, difference = _same_list(items, scores, lists[key])
        n_same, largest = n_same + same, max(largest, difference)
    return _parity(n_same, len(keys), largest, "lists differ")


def _answers_to_steps(
    bundle: Bundle, users: np.ndarray, step_histories: Mapping[str, np.ndarray]
) -> list[Recommendation]:
    """The bundle's lists for the histories of steps."""
    assert bundle.list_maker is not None
    arrays = {name: values for name, values in step_histories.items() if name != "steps"}
    histories = Histories.from_arrays(arrays, bundle.list_maker.catalogue)
    maker = replace(bundle.list_maker, state=histories)
    return maker.lists([RecommendRequest(u) for u in users.tolist()], np.arange(len(users)), K)


def _same_list(items: list[str], scores: np.ndarray, evaluated: pd.DataFrame) -> tuple[bool, float]:
    """Whether a list is the evaluated one, and the largest difference of a score."""
    names = evaluated["item_id"].astype(str).to_numpy()
    known = evaluated["score"].to_numpy(dtype=float)
    n = min(K, len(names))
    if len(items) != n:
        return False, math.inf
    scale = max(1.0, float(np.abs(known[:n]).max(initial=0.0)))
    tie_scale = min(scale, float(np.abs(known[:n]).max(initial=0.0)))  # a swap needs a real tie
    difference = float(np.abs(scores - known[:n]).max(initial=0.0)) / scale
    evaluated_score = dict(zip(names.tolist(), known.tolist(), strict=True))
    moved = [p for p in range(n) if items[p] != names[p]]
    tied = all(
        abs(evaluated_score.get(items[p], math.inf) - known[p]) <= TOLERANCE * tie_scale
        for p in moved
    )
    return difference <= TOLERANCE and tied, difference


def _parity(n_same: int, n: int, largest: float, what: str) -> Parity:
    why_not = "" if n_same == n else f"{n - n_same:,} of {n:,} {what}, by {largest:.1e} at most"
    return Parity(n_compared=n, n_same=n_same, largest=largest, why_not=why_not)
