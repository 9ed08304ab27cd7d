"""Outcomes with their times, counted for each customer of an experiment before and after the exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches, quoted
from growthlab.core.file_settings import INPUT_FILE
from growthlab.core.pseudonyms import NAMES_IN_DATA, find_key
from growthlab.data.columns import as_ids, as_times
from growthlab.data.event_log import EventLog
from growthlab.data.raw_tables import read_marked_table
from growthlab.data.readers.files import existing_file
from growthlab.effects.experiment_data import BEFORE, EXPOSED, USER
from growthlab.effects.exposure_table import numbers_or_words

TIME = "timestamp"
REVENUE = (  # of the events of a group, in SQL
    "coalesce(sum(coalesce(quantity, 1) * unit_price) FILTER (event_type = 'purchase' AND "
    "cancelled_at IS NULL), 0)::DOUBLE"
)
MICROSECONDS_A_DAY = 86_400 * 10**6


@dataclass(frozen=True, kw_only=True)
class EventTable:
    """A file with a row an outcome: its customer, its time, and columns of numbers."""

    path: str | None = field(default=None, metadata=INPUT_FILE)
    user_id: str = USER
    timestamp: str = TIME

    def read(self) -> pd.DataFrame:
        """The outcomes with `user_id`, `timestamp` and the columns that hold numbers.

        Raises
        ------
        DataError
            A column that is missing, or an outcome without customer or time.
        """
        assert self.path is not None
        file = existing_file(self.path, "events.path")
        table = read_marked_table(file)
        for setting in (USER, TIME):
            column = getattr(self, setting)
            if column not in table:
                near = near_matches(column, map(str, table))
                raise DataError(
                    f"{file.name} has no column {quoted(column)} (events.{setting}): {near}"
                )
        users, times = as_ids(table[self.user_id]), as_times(table[self.timestamp], self.timestamp)
        missing = int((users.isna() | times.isna()).sum())
        if missing:
            raise DataError(
                f"{missing:,} of {len(table):,} outcomes in {file.name} have no customer or no time"
            )
        own = (self.user_id, self.timestamp)
        others = {str(c): numbers_or_words(table[c]) for c in table if c not in own}
        numbers = {c: v for c, v in others.items() if pd.api.types.is_numeric_dtype(v)}
        return pd.DataFrame({USER: users, TIME: times, **numbers})


class OutcomeWindow(NamedTuple):
    """How many days after the exposure count (None: all), and how many before it are compared with."""

    after: int | None
    before: int


class CountedOutcomes(NamedTuple):
    """The customers with sums of outcomes, their days, how long each was observed, and what was left out."""

    customers: pd.DataFrame
    days: pd.DataFrame
    observed_days: np.ndarray
    facts: list[str]


def count_outcomes(
    exposures: pd.DataFrame,
    outcomes: pd.DataFrame,
    window: OutcomeWindow,
    until: pd.Timestamp | None = None,
) -> CountedOutcomes:
    """Sums of outcomes in the window after each exposure, and in the period before it.

    Customers whose window is not over at `until` (the last outcome by default) are left out, so that
    all are observed for the same time.

    Raises
    ------
    ConfigError
        Exposures without customers or times.
    DataError
        No outcome after an exposure.
    """
    for name, setting in ((USER, "user_id"), (EXPOSED, "exposed_at")):
        if name not in exposures:
            raise ConfigError(
                f"outcomes with times need exposures.{setting}: the column that says "
                f"{'whose' if name == USER else 'when'} an exposure was"
            )
    facts = []
    until = outcomes[TIME].max() if until is None else until
    if window.after is not None:
        over = exposures[EXPOSED] + pd.Timedelta(days=window.after) <= until
        if not over.any():
            raise DataError(
                f"window.after={window.after}: at {until}, where the outcomes end, these days "
                "are over for no customer"
            )
        if not over.all():
            facts.append(
                f"{int((~over).sum()):,} customers are left out, whose {window.after} days are "
                f"not over at {until}"
            )
        exposures = exposures[over].reset_index(drop=True)
    places = pd.DataFrame(
        {USER: exposures[USER], "customer": np.arange(len(exposures)), EXPOSED: exposures[EXPOSED]}
    )
    joined = outcomes.merge(places, on=USER)
    joined["day"] = whole_days(joined[EXPOSED], joined[TIME])
    columns = [str(c) for c in outcomes if c not in (USER, TIME)]
    after = joined[(joined["day"] >= 0) & (joined["day"] < (window.after or np.inf))]
    if after.empty:
        raise DataError(
            f"none of {len(outcomes):,} outcomes lies after the exposure of its customer: "
            "outcomes before the assignment cannot follow from it; or the ids of both tables "
            "differ"
        )
    sums = _sums(after, columns, len(exposures))
    clash = [c for c in columns if c in exposures]
    if clash:
        raise DataError(f"both exposures and outcomes have a column {quoted(clash[0])}: rename one")
    if window.before:
        earlier = joined[(joined["day"] < 0) & (joined["day"] >= -window.before)]
        sums = sums.join(_sums(earlier, columns, len(exposures)).add_prefix(BEFORE))
    days = after.groupby(["customer", "day"], as_index=False)[columns].sum()
    observed = whole_days(exposures[EXPOSED], until).astype(float)
    if window.after is not None:
        observed = np.minimum(observed, window.after)
    return CountedOutcomes(exposures.join(sums), days, observed, facts)


def whole_days(begin: pd.Series, end: pd.Series | pd.Timestamp) -> np.ndarray:
    """The whole days between two times, negative where the end comes first."""
    until = end.to_numpy() if isinstance(end, pd.Series) else np.datetime64(end)
    microseconds = (until - begin.to_numpy()).astype("timedelta64[us]").astype(np.int64)
    return microseconds // MICROSECONDS_A_DAY


def _sums(rows: pd.DataFrame, columns: Sequence[str], n: int) -> pd.DataFrame:
    """The sum of each column a customer, 0 for those without a row."""
    return rows.groupby("customer")[list(columns)].sum().reindex(range(n), fill_value=0.0)


def outcomes_of_log(log: EventLog, users: pd.Series) -> pd.DataFrame:
    """The events of customers as outcomes: a column an event type with their number, and `revenue`.

    `revenue` is quantity times price of purchases that were not cancelled.
    """
    log.require(TIME, needed_by="an experiment on a timeline")
    exposed = pd.DataFrame({USER: users.astype(str)})
    own = log.derive(
        "SELECT events.* FROM events SEMI JOIN exposed USING (user_id)", {"exposed": exposed}
    )
    rows = own.query(
        f"SELECT user_id, {TIME}, event_type, count(*)::DOUBLE AS n, {REVENUE} AS revenue "
        "FROM events GROUP BY ALL ORDER BY ALL"
    )
    counts = {
        name: rows["n"].where(rows["event_type"] == name, 0.0)
        for name in sorted(rows["event_type"].unique())
    }
    return pd.DataFrame({USER: rows[USER], TIME: rows[TIME], **counts, "revenue": rows["revenue"]})


def named_as_in_log(users: pd.Series, log: EventLog) -> pd.Series:
    """The customers under the names that the log has for them: as they are, or as pseudonyms.

    Raises
    ------
    DataError
        The log knows none of them.
    """
    known = set(log.query("SELECT DISTINCT user_id FROM events")[USER])
    names = users.astype(str)
    if names.isin(known).any():
        return names
    key = find_key()
    if log.key_fingerprint is not None and key is not None:
        pseudonyms = pd.Series(key.pseudonyms(NAMES_IN_DATA, names), index=names.index, name=USER)
        if pseudonyms.isin(known).any():
            return pseudonyms
    raise DataError(
        f"the log {log.name} knows none of the {names.nunique():,} customers of the exposures "
        f"(such as {quoted(str(names.iloc[0]))}): their ids are of another system"
    )


def exposures_of_log(log: EventLog, event: str, column: str) -> pd.DataFrame:
    """The first event of this type with a value in `column` of each customer: the value is the arm.

    Raises
    ------
    DataError
        The log has no such column, or no such events.
    """
    log.require(TIME, column, needed_by="an exposure event")
    event_type = event.replace("'", "''")
    rows = log.query(
        f"SELECT user_id, {column}::VARCHAR AS arm, min({TIME}) AS {EXPOSED} FROM events WHERE "
        f"event_type = '{event_type}' AND {column} IS NOT NULL GROUP BY ALL ORDER BY ALL"
    )
    if rows.empty:
        types = log.query("SELECT DISTINCT event_type FROM events")["event_type"]
        raise DataError(
            f"timeline.event={quoted(event)}: the log has no such event with a {column}: "
            f"{near_matches(event, types)}"
        )
    return rows
