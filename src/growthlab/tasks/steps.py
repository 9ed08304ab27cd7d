"""Steps: each basket after the cutoff is predicted from everything before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from growthlab.core.histories import Catalogue, Histories
from growthlab.core.prefixes import Prefixes
from growthlab.data.event_log import EventLog
from growthlab.features.build_histories import histories_of
from growthlab.split.fold import Fold


@dataclass(frozen=True)
class FutureSteps:
    """The baskets of users in the future of a fold, one row each, by user and time.

    A basket (the target events of one user at one time) is predicted as a set from everything that is
    strictly earlier: the past, and the earlier part of the future. A step before which the user has
    no event of the kinds that models see is left out and counted, as in the literature on sessions:
    the first view of a session is given, not predicted. A step whose earlier events are all of items
    outside the catalogue is asked with an empty history, and gets the fallback.
    """

    histories: Prefixes
    owned: Prefixes
    truth: pd.DataFrame  # user_id, item_id, step
    truth_rows: np.ndarray  # (n_truth,) the row of `histories` for each row of `truth`
    steps: np.ndarray  # (n_rows,) int32, the number of the basket in the user's future, from 1
    without_history: int


def future_steps(
    fold: Fold,
    targets: pd.DataFrame,
    history_events: Sequence[str],
    target_events: Sequence[str],
    catalogue: Catalogue,
    vocabulary: np.ndarray,
) -> FutureSteps:
    """The steps of `targets`: distinct user_id, item_id and time after the cutoff, sorted by user, time."""
    user_ids, times = targets["user_id"].to_numpy(dtype=str), as_times(targets["time"])
    starts = np.concatenate([[True], (user_ids[1:] != user_ids[:-1]) | (np.diff(times) != 0)])
    firsts = np.flatnonzero(starts)
    users, step_users = np.unique(user_ids[firsts], return_inverse=True)
    histories, owned = (
        Prefixes.until(
            join_histories(
                histories_of(fold.past, kinds, catalogue, vocabulary, users),
                histories_of(fold.future, kinds, catalogue, vocabulary, users),
            ),
            step_users,
            times[firsts],
        )
        for kinds in (history_events, target_events)
    )
    begun = np.minimum(
        *(_first_times(log, history_events, users) for log in (fold.past, fold.future))
    )
    has_history = begun[step_users] < times[firsts]
    steps = np.cumsum(starts) - 1
    numbers = (np.arange(len(step_users)) - np.searchsorted(step_users, step_users) + 1).astype(
        np.int32
    )
    kept = has_history[steps]
    truth = targets.loc[kept, ["user_id", "item_id"]].assign(step=numbers[steps[kept]])
    return FutureSteps(
        histories=histories.where(has_history),
        owned=owned.where(has_history),
        truth=truth.reset_index(drop=True),
        truth_rows=(np.cumsum(has_history) - 1)[steps[kept]],
        steps=numbers[has_history],
        without_history=int((~has_history).sum()),
    )


def _first_times(log: EventLog, event_types: Sequence[str], users: np.ndarray) -> np.ndarray:
    """The time of each user's first event of these types with an item, known or not; int64.

    The largest number for a user without one.
    """
    kinds, time = ", ".join(f"'{t}'" for t in event_types), log.ordered_by
    firsts = log.query(
        f"SELECT user_id, min({time}) AS time FROM events "
        f"WHERE event_type IN ({kinds}) AND item_id IS NOT NULL GROUP BY user_id"
    )
    never = np.iinfo(np.int64).max
    known = pd.Series(as_times(firsts["time"]), index=firsts["user_id"].astype(str))
    return known.reindex(users, fill_value=never).to_numpy(dtype=np.int64)


def join_histories(first: Histories, second: Histories) -> Histories:
    """The histories of the same users with the events of both."""
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


def as_times(column: pd.Series) -> np.ndarray:
    """Timestamps or positions in the form of `Histories.times`."""
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column.astype("datetime64[us]").astype("int64")
    return column.to_numpy(dtype=np.int64)
