"""The customer table: each customer's behaviour before a snapshot, for all churn and value models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import numpy as np
import pandas as pd

from growthlab.core.errors import DataError, near_matches
from growthlab.data.as_of import known_at
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import (
    BEHAVIOURS,
    DAY,
    OWN_EVENTS,
    days_before,
    spend_of,
    sql_time,
    units_of,
)
from growthlab.data.kinds import KNOWN_FROM
from growthlab.features.btyd import btyd_summary
from growthlab.features.table_assembly import TableAssembly

ITEM_FEATURES = ("items.category",)  # what the table reads of items
WINDOWS = (7, 30, 90, 180, 365)  # days before the snapshot
PARTS_OF_DAY = {"night": (0, 5), "morning": (6, 11), "afternoon": (12, 17), "evening": (18, 23)}
OPTIONAL = (
    "order_id",
    "session_id",
    "channel",
    "discount",
    "rating",
    "unit_price",
    "item_id",
)


@dataclass(frozen=True)
class FeatureFamilies:
    """The families of columns that a log has: event types that occur, columns that are filled.

    Determined once from the events before the cutoff and used for every snapshot before it, so that
    all tables of a fold have the same columns.
    """

    event_types: frozenset[str]
    columns: frozenset[str]

    @classmethod
    def of(cls, log: EventLog, snapshot: datetime) -> Self:
        """The families of the events before `snapshot`."""
        possible = [c for c in OPTIONAL if c in log.columns]
        counts = "".join(f", count({c}) AS {c}" for c in possible)
        sql = f"SELECT event_type{counts} FROM events GROUP BY event_type"
        types = known_at(log, snapshot).query(sql)
        return cls(
            frozenset(types["event_type"]), frozenset(c for c in possible if types[c].sum() > 0)
        )


def customer_table(
    log: EventLog,
    snapshot: datetime,
    user_ids: Sequence[str] | np.ndarray,
    *,
    families: FeatureFamilies | None = None,
    attributes: Sequence[str] = (),
) -> pd.DataFrame:
    """One row for each of `user_ids`, in their order, from events strictly before `snapshot` only.

    Columns are float64 and one optional category (``channel``, the one most used). Counts and sums
    are 0 where nothing happened; means, shares and times are NaN where they are not defined (no
    purchase, or gaps of a single one). ``..._30d`` means the 30 days before the snapshot; times are
    in days, parts of the day in UTC. A family that the log does not know is absent. `attributes`
    names columns of the user table to be added, as known at the snapshot: none by default, as age or
    gender are sensitive.

    Raises
    ------
    DataError
        The log has no timestamps, or no such user attribute.
    """
    log.require("timestamp", needed_by="the customer table (features as of a snapshot)")
    families = families or FeatureFamilies.of(log, snapshot)
    ids = np.asarray(user_ids, dtype=str)
    part_of_id = np.searchsorted(np.array(log.borders, dtype=str), ids, side="right")
    assembly = TableAssembly(len(ids))
    for number, part in enumerate(log.parts()):
        rows = np.flatnonzero(part_of_id == number)
        if len(rows) or not (number or len(ids)):  # of nobody: a table without rows
            assembly.add(rows, _part_table(part, snapshot, pd.Index(ids[rows]), families))
    table = assembly.table()
    if attributes:
        users = _attributes(known_at(log, snapshot), attributes)
        table = table.join(users.reindex(ids).set_axis(table.index))
    return table


def _part_table(
    log: EventLog, snapshot: datetime, ids: pd.Index, families: FeatureFamilies
) -> pd.DataFrame:
    """The table of these customers, whose events are all in the log."""
    past = known_at(log, snapshot)
    parts = [
        past.query(_purchases(log, snapshot, families)),
        btyd_summary(log, snapshot).reset_index(),
        past.query(_behaviours(snapshot, families)),
    ]
    if "return" in families.event_types:
        parts.append(past.query(_returns(log, snapshot)))
    if "item_id" in families.columns:
        parts.append(past.query(_variety(log)))
    if "channel" in families.columns:
        parts.append(past.query(_channel()))
    return _completed(pd.concat([_numbers(p).reindex(ids) for p in parts], axis=1))


def _purchases(log: EventLog, snapshot: datetime, families: FeatureFamilies) -> str:
    """Recency, frequency, money, baskets, habits and rhythm, from one row an order."""
    grouped = (
        "coalesce(order_id, timestamp::VARCHAR)" if "order_id" in families.columns else "timestamp"
    )
    lines = "count(DISTINCT item_id)" if "item_id" in families.columns else "count(*)"
    discounted = (
        "avg((coalesce(discount, 0) > 0)::INT)" if "discount" in families.columns else "NULL"
    )
    last_spend = (
        ", arg_max(spend, day) FILTER (WHERE spend IS NOT NULL) AS last_day_spend"
        if "unit_price" in families.columns
        else ""
    )
    return f"""
        WITH orders AS (
            SELECT user_id, {grouped} AS order_key, min(timestamp) AS time, {lines} AS lines,
                sum({units_of(log)}) AS units, sum({spend_of(log)}) AS spend,
                {discounted} AS discounted
            FROM events WHERE event_type = 'purchase' GROUP BY ALL
        ), days AS (
            SELECT user_id, date_trunc('day', time)::TIMESTAMP AS day, sum(spend) AS spend
            FROM orders GROUP BY ALL
        ), gaps AS (
            SELECT *, date_diff('day', lag(day) OVER one, day) AS gap
            FROM days WINDOW one AS (PARTITION BY user_id ORDER BY day)
        ), rhythm AS (
            SELECT user_id, avg(gap) AS gap_mean, stddev_samp(gap) AS gap_sd{last_spend}
            FROM gaps GROUP BY user_id
        ), bought AS (
            SELECT user_id, {", ".join(_order_columns(snapshot, families))}
            FROM orders GROUP BY user_id
        )
        SELECT *, gap_sd / gap_mean AS gap_cv, days_since_last / gap_mean AS gap_ratio
        FROM bought LEFT JOIN rhythm USING (user_id)
    """


def _order_columns(snapshot: datetime, families: FeatureFamilies) -> list[str]:
    """SQL for the columns that are sums and means over a customer's orders."""
    columns = [
        f"{days_before(snapshot, 'max(time)')} AS days_since_last",
        f"{days_before(snapshot, 'min(time)')} AS tenure_days",
        "count(*) AS orders",
        *_windowed("orders", "count(*)", snapshot),
        _trend("orders", "1", snapshot),
        "avg(units) AS basket_units",
        "avg(lines) AS basket_items",
        "avg((isodow(time) >= 6)::INT) AS weekend_share",
    ]
    for part, (first, last) in PARTS_OF_DAY.items():
        columns.append(f"avg((hour(time) BETWEEN {first} AND {last})::INT) AS {part}_share")
    if "unit_price" in families.columns:
        columns += [
            "sum(spend) AS spend",
            *_windowed("spend", "sum(spend)", snapshot),
            _trend("spend", "spend", snapshot),
            "avg(spend) AS basket_value",
            "stddev_samp(spend) AS basket_value_sd",
        ]
    if "discount" in families.columns:
        columns.append("avg(discounted) AS discount_share")
    return columns


def _windowed(name: str, value: str, snapshot: datetime) -> list[str]:
    """SQL for `value` in each window before the snapshot."""
    starts = [(days, sql_time(snapshot - timedelta(days=days))) for days in WINDOWS]
    return [f"{value} FILTER (WHERE time >= {start}) AS {name}_{days}d" for days, start in starts]


def _trend(name: str, value: str, snapshot: datetime) -> str:
    """SQL for (last 30 days - the 30 before) / their sum, in [-1, 1]; 0 where both are empty."""
    month, two_months = (sql_time(snapshot - timedelta(days=days)) for days in (30, 60))
    last = f"coalesce(sum({value}) FILTER (WHERE time >= {month}), 0)"
    both = f"coalesce(sum({value}) FILTER (WHERE time >= {two_months}), 0)"
    return f"coalesce((2 * {last} - {both}) / nullif({both}, 0), 0) AS {name}_trend"


def _behaviours(snapshot: datetime, families: FeatureFamilies) -> str:
    """Events of each kind and sessions by window, and how long ago anything happened."""
    columns = [f"{days_before(snapshot, 'max(timestamp)')} AS days_since_event"]
    for days in WINDOWS:
        within = f"timestamp >= {sql_time(snapshot - timedelta(days=days))}"
        columns += [
            f"count(*) FILTER (WHERE event_type = '{kind}' AND {within}) AS {name}_{days}d"
            for kind, name in BEHAVIOURS.items()
            if kind in families.event_types
        ]
        if "session_id" in families.columns:
            counted = f"count(DISTINCT session_id) FILTER (WHERE {within})"
            columns.append(f"{counted} AS sessions_{days}d")
    if "rating" in families.columns:
        columns.append("avg(rating) AS rating_mean")
    return f"""
        SELECT user_id, {", ".join(columns)}
        FROM events WHERE event_type IN ({OWN_EVENTS}) GROUP BY user_id
    """


def _returns(log: EventLog, snapshot: datetime) -> str:
    """Returned units over bought units, and returns in the last 90 days."""
    returned, bought = (
        f"sum({units_of(log)}) FILTER (WHERE event_type = '{kind}')"
        for kind in ("return", "purchase")
    )
    recent = f"event_type = 'return' AND timestamp >= {sql_time(snapshot - timedelta(days=90))}"
    return f"""
        SELECT user_id, count(*) FILTER (WHERE {recent}) AS returns_90d,
            coalesce({returned}, 0) / nullif({bought}, 0) AS return_rate
        FROM events WHERE event_type IN ('purchase', 'return') GROUP BY user_id
    """


def _variety(log: EventLog) -> str:
    """Distinct items, the share bought on several days, the entropy of categories in nats."""
    known = log.items is not None and "category" in log.items
    category = "category" if known else "NULL::VARCHAR"
    joined = "LEFT JOIN items USING (item_id)" if known else ""
    entropy = ", coalesce(entropy, 0) AS category_entropy" if known else ""
    return f"""
        WITH bought AS (
            SELECT user_id, item_id, {category} AS category, count(DISTINCT {DAY}) AS days
            FROM events {joined} WHERE event_type = 'purchase' GROUP BY ALL
        ), shares AS (
            SELECT user_id, sum(days) / sum(sum(days)) OVER (PARTITION BY user_id) AS share
            FROM bought WHERE category IS NOT NULL GROUP BY user_id, category
        ), mixed AS (
            SELECT user_id, abs(sum(share * ln(share))) AS entropy FROM shares GROUP BY user_id
        ), counted AS (
            SELECT user_id, count(item_id) AS distinct_items,
                avg((days > 1)::INT) AS repeat_item_share
            FROM bought GROUP BY user_id
        )
        SELECT counted.*{entropy} FROM counted LEFT JOIN mixed USING (user_id)
    """


def _channel() -> str:
    """The channel of most events of the customer's own; the alphabet decides between equals."""
    return f"""
        WITH counted AS (
            SELECT user_id, channel, count(*) AS n
            FROM events WHERE channel IS NOT NULL AND event_type IN ({OWN_EVENTS}) GROUP BY ALL
        )
        SELECT user_id, channel FROM counted
        QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY n DESC, channel) = 1
    """


def _numbers(part: pd.DataFrame) -> pd.DataFrame:
    """By user; numbers as float64 of float32's precision, so that parallel sums leave no trace."""
    part = part.set_index("user_id")
    numeric = [c for c in part if c != "channel"]
    rounded = part.astype(dict.fromkeys(numeric, np.float32))
    return rounded.astype(dict.fromkeys(numeric, np.float64))


def _completed(table: pd.DataFrame) -> pd.DataFrame:
    """What did not happen was counted 0 times."""
    sums = ("orders", "spend", "distinct_items", *(f"_{days}d" for days in WINDOWS))
    return table.fillna(dict.fromkeys([c for c in table if str(c).endswith(sums)], 0.0))


def _attributes(log: EventLog, names: Sequence[str]) -> pd.DataFrame:
    """The chosen columns of the user table: numbers as float64, all else as categories."""
    no_attributes = ("user_id", KNOWN_FROM)
    possible = [] if log.users is None else [str(c) for c in log.users if c not in no_attributes]
    for name in names:
        if name not in possible:
            hint = near_matches(name, possible)
            raise DataError(f"task.attributes has {name}, which {log.name} does not know: {hint}")
    assert log.users is not None
    users = log.users.set_index("user_id")[list(names)].copy()
    texts = [n for n in names if not pd.api.types.is_numeric_dtype(users[n])]
    users[texts] = users[texts].map(str, na_action="ignore")
    return users.astype({n: "category" if n in texts else np.float64 for n in names})
