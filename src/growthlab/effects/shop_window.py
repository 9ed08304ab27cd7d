"""The customers of a shop's own log as if an experiment had run in its last days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches, quoted
from growthlab.data.event_log import EventLog
from growthlab.effects.experiment_data import BEFORE, FEWEST, USER
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.outcome_events import REVENUE, TIME, whole_days

LONGEST = 365  # days into the past for which arrivals are counted


@dataclass(frozen=True)
class ShopWindow:
    """The customers with an event in the last `days` days, a row each, sorted by id.

    `customers` has the number of events a type and `revenue` in these days, the same of the days
    before (``before revenue``), and what the log knows of its users. `seen_within[d]` is the number of
    customers with an event in the last `d` days.
    """

    customers: pd.DataFrame
    days: int
    seen_within: np.ndarray

    def days_for(self, n_customers: float) -> float:
        """In how many days as many customers come; NaN where the log has never seen so many."""
        enough = np.flatnonzero(self.seen_within >= n_customers)
        return float(enough[0]) if len(enough) else float("nan")

    def require(self, outcomes: Sequence[ExperimentOutcome]) -> None:
        """DataError for an outcome that the log does not have."""
        for outcome in outcomes:
            for column in outcome.columns:
                if column not in self.customers:
                    possible = [str(c) for c in self.customers if f"{BEFORE}{c}" in self.customers]
                    raise DataError(
                        f"the log has no outcome {quoted(column)} (for {outcome.name}): "
                        f"{near_matches(column, possible)}"
                    )


def check_days(days: int, before: int) -> None:
    """ConfigError for numbers of days that are none."""
    if days < 1:
        raise ConfigError(f"days must be 1 or more, got {days}")
    if before < 0:
        raise ConfigError(f"before must be 0 or more days, got {before}")


def shop_window(log: EventLog, days: int, before: int) -> ShopWindow:
    """The last `days` days of a log, and the `before` days before them.

    Raises
    ------
    DataError
        A log without times, that is too short, or with too few customers in these days.
    """
    log.require(TIME, needed_by="a plan of an experiment")
    whole = log.query(f"SELECT min({TIME}) AS first, max({TIME}) AS last FROM events").iloc[0]
    end, length = (
        pd.Timestamp(whole["last"]),
        pd.Timestamp(whole["last"]) - pd.Timestamp(whole["first"]),
    )
    if length < pd.Timedelta(days=days + before):
        raise DataError(
            f"the log {log.name} spans {length.days} days: days={days} and before={before} do "
            "not fit in"
        )
    since = end - pd.Timedelta(days=days)
    rows = log.query(
        f"SELECT user_id, event_type, {TIME} > TIMESTAMP '{since}' AS after, count(*)::DOUBLE AS "
        "n, "
        f"{REVENUE} AS revenue FROM events WHERE {TIME} > TIMESTAMP "
        f"'{since - pd.Timedelta(days=before)}' "
        "GROUP BY ALL ORDER BY ALL"
    )
    last = log.query(f"SELECT user_id, max({TIME}) AS last FROM events GROUP BY ALL")["last"]
    users = np.unique(rows.loc[rows["after"], USER])
    if len(users) < 2 * FEWEST:
        raise DataError(
            f"only {len(users)} customers have an event in the last {days} days: an experiment "
            f"needs {FEWEST} an arm"
        )
    types = sorted(rows["event_type"].unique())
    sums = [
        _sums(rows[rows["after"] == after], users, types).add_prefix("" if after else BEFORE)
        for after in (True, False)
    ]
    customers = pd.concat(sums, axis=1).rename_axis(USER).reset_index()
    if log.users is not None:
        known = log.users.drop_duplicates(USER, keep="last")
        customers = customers.merge(known, on=USER, how="left")
    age = whole_days(last, end)
    seen = np.cumsum(np.bincount(np.minimum(age, LONGEST), minlength=LONGEST + 1)[:LONGEST])
    return ShopWindow(customers, days, np.concatenate([[0], seen]))


def _sums(rows: pd.DataFrame, users: np.ndarray, types: Sequence[str]) -> pd.DataFrame:
    """A row a user: the number of events a type, and the revenue."""
    counts = rows.pivot_table(index=USER, columns="event_type", values="n", aggfunc="sum")
    table = counts.reindex(index=users, columns=list(types)).fillna(0.0)
    table.columns.name = None
    revenue = rows.groupby(USER)["revenue"].sum().reindex(users).fillna(0.0)
    return table.assign(revenue=revenue)
