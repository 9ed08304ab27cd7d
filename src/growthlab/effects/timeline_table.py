"""A table of an experiment on the timeline, as ``data=experiment_table`` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.effects.experiment_data import ARM, EXPOSED, USER, ExperimentData
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.features.customer_table import FeatureFamilies, customer_table

OWN = (USER, ARM, "label", "date", "features_date", "label_date")  # columns that are no features
SHARE = "probability of "


class TimelineTable(NamedTuple):
    """The rows, what was left out and why, and whether all were assigned on one day."""

    rows: pd.DataFrame
    facts: tuple[str, ...]
    on_one_day: bool


def timeline_table(
    log: EventLog, experiment: ExperimentData, outcome: ExperimentOutcome, days: int
) -> TimelineTable:
    """A row a customer: arm, probability of each arm, dates, the outcome as `label`, and features.

    Features are those of the customer table as of the beginning of the day of the assignment (UTC), so
    they know nothing of the day itself; the outcome is of the `days` after the assignment. Features
    that are the same for everybody are left out.

    Raises
    ------
    ConfigError
        The outcome is a ratio, which no single customer has.
    DataError
        Nothing is known of the customers from before their assignment.
    """
    if outcome.denominator is not None:
        raise ConfigError(
            f"outcome={outcome.name} is a ratio, and a customer needs one number: write a column such as "
            "revenue, or 'any purchase'"
        )
    experiment.require_outcomes([outcome])
    customers = experiment.customers
    assigned = pd.to_datetime(customers[EXPOSED])
    snapshots = assigned.dt.floor("D")
    features = _features(log, customers[USER].to_numpy(dtype=str), snapshots)
    varies = [c for c in features if features[c].nunique(dropna=False) > 1 and c not in OWN]
    if not varies:
        raise DataError(
            "nothing is known of the customers from before their assignment: the log has no earlier "
            "events of them"
        )
    rows = pd.DataFrame(
        {
            USER: customers[USER].to_numpy(dtype=str),
            ARM: customers[ARM].to_numpy(dtype=str),
            **_probabilities(experiment.shares, len(customers)),
            "label": outcome.values(customers),
            "date": assigned.to_numpy(),
            "features_date": snapshots.to_numpy(),
            "label_date": (assigned + pd.Timedelta(days=days)).to_numpy(),
        }
    )
    table = pd.concat([rows, features[varies]], axis=1)
    return TimelineTable(table, tuple(experiment.facts), snapshots.nunique() == 1)


def _features(log: EventLog, users: np.ndarray, snapshots: pd.Series) -> pd.DataFrame:
    """The customer table of each customer as of its snapshot, in the order of `users`."""
    moments = np.sort(snapshots.unique())
    families = FeatureFamilies.of(log, _moment(moments[0]))
    parts = []
    for moment in moments:
        own = np.flatnonzero((snapshots == moment).to_numpy())
        table = customer_table(log, _moment(moment), users[own], families=families)
        parts.append(table.set_axis(own))
    texts = [c for c in parts[0] if isinstance(parts[0][c].dtype, pd.CategoricalDtype)]
    return pd.concat([p.astype(dict.fromkeys(texts, object)) for p in parts]).sort_index()


def _moment(value: np.datetime64) -> datetime:
    return pd.Timestamp(value).to_pydatetime()


def _probabilities(shares: Mapping[str, float], n: int) -> dict[str, np.ndarray]:
    """A column an arm."""
    return {SHARE + arm: np.full(n, share) for arm, share in shares.items()}
