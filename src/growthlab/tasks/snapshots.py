"""From a fold to labelled customers: earlier snapshots for training, the cutoff for evaluation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pandas as pd

from growthlab.core.errors import DataError
from growthlab.data.as_of import known_at
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import sql_time
from growthlab.features.customer_table import FeatureFamilies, customer_table
from growthlab.features.event_steps import event_steps
from growthlab.features.examples import Examples
from growthlab.features.portrait.tag_features import TagFeatures
from growthlab.split.fold import Fold

log = logging.getLogger(__name__)

# The outcome of customers in [start, end), from the events of the log: one number for each user id.
Outcomes = Callable[[EventLog, datetime, datetime, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class CustomerData:
    """The data that all churn or value models share on one fold.

    `train` are labelled examples at snapshots before the cutoff, with all customers of the past as
    its `present`; `evaluated` are the examples at the cutoff, whose target is the fold's future.
    `mean_outcome` is the prediction for an unknown customer: the mean outcome of the training
    examples, or without any an estimate from the past.
    """

    train: Examples
    evaluated: Examples
    mean_outcome: float


def customer_data(
    fold: Fold,
    outcomes: Outcomes,
    *,
    task_label: str,
    activity_days: float | None,
    snapshots: int = 4,
    min_history_days: float | None = None,
    attributes: Sequence[str] = (),
    portrait: str | Sequence[str] | None = None,
) -> CustomerData:
    """Examples of customers who bought in the `activity_days` before a snapshot (None: ever).

    The training snapshots are a gap and 1, 2, ... horizons before the cutoff, at most `snapshots` of
    them, so that their outcome windows do not overlap and the last ends at the cutoff; each has at
    least `min_history_days` of events before it (None: a horizon). The features of a customer at a
    snapshot are what was known then, including purchases that were cancelled later.

    Raises
    ------
    DataError
        A fold without a cutoff, or no customer to predict for at the cutoff.
    """
    if fold.cutoff is None or fold.horizon is None:
        raise DataError(f"{task_label} asks what happens within a horizon: use split=global_time")
    fold.past.require("timestamp", needed_by=task_label)
    families = FeatureFamilies.of(fold.past, fold.cutoff)
    record = fold.past if fold.record is None else fold.record
    tags = None
    if portrait:
        tags = TagFeatures.of(fold.past, fold.cutoff, portrait, "task.portrait")
    day = timedelta(days=1)
    horizon_days, gap_days = fold.horizon / day, fold.gap / day

    def at(snapshot: datetime, user_ids: np.ndarray) -> Examples:
        table = customer_table(record, snapshot, user_ids, families=families, attributes=attributes)
        if tags is not None:
            table = table.join(tags.table(record, snapshot, user_ids))
        times = np.full(len(user_ids), np.datetime64(snapshot, "us"))
        steps = partial(event_steps, record)
        return Examples(table, user_ids, times, horizon_days, gap_days=gap_days, read_steps=steps)

    def labelled(examples: Examples, events: EventLog, snapshot: datetime) -> Examples:
        assert fold.horizon is not None
        start, users = snapshot + fold.gap, examples.user_ids
        target = outcomes(events, start, start + fold.horizon, users)
        return replace(
            examples, target=target, waits=days_to_purchase(events, start, horizon_days, users)
        )

    present = at(fold.cutoff, buyer_ids(record, fold.cutoff, None))
    active = np.isin(present.user_ids, buyer_ids(record, fold.cutoff, activity_days))
    evaluated = labelled(present.select(np.flatnonzero(active)), fold.future, fold.cutoff)
    if not len(evaluated):
        ever = activity_days is None
        window = "" if ever else f"in the {activity_days:g} days "
        wider = "" if ever else "raise task.activity_days or "
        raise DataError(
            f"no test users: nobody bought {window}before {fold.cutoff}; "
            f"{wider}choose another split.cutoff"
        )
    no_customers = present.select(np.zeros(0, dtype=int))
    parts = [replace(no_customers, target=np.zeros(0), waits=np.zeros(0))]
    for snapshot in training_snapshots(fold, snapshots, min_history_days):
        users = buyer_ids(record, snapshot, activity_days)
        parts.append(labelled(at(snapshot, users), fold.past, snapshot))
    train = replace(Examples.concat(parts), present=present)
    log.info("%s: %d examples at %d snapshots", task_label, len(train), len(parts) - 1)
    mean_outcome = (
        float(np.mean(train.target)) if train.target is not None and len(train) else np.nan
    )
    return CustomerData(train, evaluated, mean_outcome)


def training_snapshots(fold: Fold, n: int, min_history_days: float | None) -> list[datetime]:
    """The times of the training snapshots, newest first."""
    assert fold.cutoff is not None
    assert fold.horizon is not None
    history = fold.horizon if min_history_days is None else timedelta(days=min_history_days)
    first, _ = fold.past.span()
    assert isinstance(first, datetime)
    candidates = [fold.cutoff - fold.gap - (i + 1) * fold.horizon for i in range(n)]
    return [s for s in candidates if s - first >= history]


def buyer_ids(events: EventLog, snapshot: datetime, within_days: float | None) -> np.ndarray:
    """The sorted ids of customers who bought in ``[snapshot - within_days, snapshot)`` (None: ever).

    Only what was known at the snapshot counts, see `known_at`.
    """
    bought = "event_type = 'purchase'"
    if within_days is not None:
        bought += f" AND timestamp >= {sql_time(snapshot - timedelta(days=within_days))}"
    known = known_at(events, snapshot)
    users = known.query(f"SELECT DISTINCT user_id FROM events WHERE {bought} ORDER BY user_id")
    return users["user_id"].to_numpy(dtype=str)


def days_to_purchase(
    events: EventLog, start: datetime, horizon_days: float, user_ids: np.ndarray
) -> np.ndarray:
    """Days from `start` to each customer's first purchase in the horizon, float64; inf if none."""
    end = start + timedelta(days=horizon_days)
    first = events.query(
        f"SELECT user_id, (epoch_us(min(timestamp)) - epoch_us({sql_time(start)})) / 86400e6 AS value "
        f"FROM events WHERE event_type = 'purchase' AND {in_window(start, end)} GROUP BY user_id"
    )
    return values_by_user(first, user_ids, absent=np.inf)


def in_window(start: datetime, end: datetime) -> str:
    """The SQL condition for the half-open window of an outcome."""
    return f"timestamp >= {sql_time(start)} AND timestamp < {sql_time(end)}"


def values_by_user(values: pd.DataFrame, user_ids: np.ndarray, absent: float = 0.0) -> np.ndarray:
    """The column ``value`` of a query in the order of `user_ids`, float64; `absent` for missing users."""
    by_user = values.set_index("user_id")["value"].astype(np.float64)
    return by_user.reindex(pd.Index(user_ids), fill_value=absent).to_numpy(copy=True)
