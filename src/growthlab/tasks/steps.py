"""Steps: each basket after the cutoff as a question of its own, asked of all that came before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from growthlab.core.histories import Catalogue, Histories
from growthlab.core.prefixes import Prefixes
from growthlab.features.build_histories import histories_of
from growthlab.split.fold import Fold


@dataclass(frozen=True)
class Walk:
    """The steps of users through the future of a fold, a row each, users and times ascending.

    A basket (target events of one user at one time) is foretold as a set from everything that is
    strictly earlier: the past, and what of the future lies before. A step before which the user has
    no event that models can see is left out and counted, as in the literature on sessions: the
    first view of a session is given, not foretold.
    """

    histories: Prefixes
    owned: Prefixes
    truth: pd.DataFrame  # user_id, item_id, step
    rows: np.ndarray  # (n_truth,) the row of `histories` that is asked for each row of `truth`
    steps: np.ndarray  # (n_rows,) int32, which basket of the user's future it is, from 1
    without_history: int


def walk(
    fold: Fold,
    taken: pd.DataFrame,
    history_events: Sequence[str],
    target_events: Sequence[str],
    catalogue: Catalogue,
    vocabulary: np.ndarray,
) -> Walk:
    """The steps of `taken`: the distinct user_id, item_id and time after the cutoff, sorted by user
    and time."""
    user_ids, times = taken["user_id"].to_numpy(dtype=str), times_of(taken["time"])
    starts = np.concatenate([[True], (user_ids[1:] != user_ids[:-1]) | (np.diff(times) != 0)])
    firsts = np.flatnonzero(starts)
    users, of = np.unique(user_ids[firsts], return_inverse=True)
    histories, owned = (
        Prefixes.until(
            joined(
                histories_of(fold.past, kinds, catalogue, vocabulary, users),
                histories_of(fold.future, kinds, catalogue, vocabulary, users),
            ),
            of,
            times[firsts],
        )
        for kinds in (history_events, target_events)
    )
    begun = histories.lengths > 0
    steps = np.cumsum(starts) - 1
    numbers = (np.arange(len(of)) - np.searchsorted(of, of) + 1).astype(np.int32)
    kept = begun[steps]
    truth = taken.loc[kept, ["user_id", "item_id"]].assign(step=numbers[steps[kept]])
    return Walk(
        histories=histories.where(begun),
        owned=owned.where(begun),
        truth=truth.reset_index(drop=True),
        rows=(np.cumsum(begun) - 1)[steps[kept]],
        steps=numbers[begun],
        without_history=int((~begun).sum()),
    )


def joined(first: Histories, second: Histories) -> Histories:
    """The events of the same users in both, in one history each."""
    parts = (first, second)

    def both(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    return Histories.from_events(
        first.catalogue,
        first.user_ids,
        both("rows"),
        both("items"),
        both("times"),
        event_types=both("event_types"),
        quantities=both("quantities"),
        prices=both("prices"),
        user_codes=first.user_codes,
        timed=first.timed,
    )


def times_of(column: pd.Series) -> np.ndarray:
    """Timestamps or positions as `Histories.times` has them."""
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column.astype("datetime64[us]").astype("int64")
    return column.to_numpy(dtype=np.int64)
