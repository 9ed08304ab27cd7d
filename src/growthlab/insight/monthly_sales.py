"""Sales by month: of all purchases, and split by what was bought, where, and by whom."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import spend_of, units_of
from growthlab.insight.purchase_sql import KEPT_PURCHASE, ORDER_KEY

NO_GROUP, OTHERS = "(none)", "(others)"
MAX_GROUPS = 20  # the largest ones; the others are one group


@dataclass(frozen=True)
class Split:
    """One way to split the purchases of a month into groups.

    Parameters
    ----------
    by
        The name of the column with the groups.
    title, definition
        For the reader of the report.
    group
        SQL for the group of a purchase, over the tables `bought`, `items`, `users`, and `pasts`: the
        `first` purchase of its customer, and the `previous` one, the last before the month.
    one_group_a_buyer
        Whether all purchases of a customer in a month are in one group.
    keeps_others
        Whether groups beyond the largest are one more group, or left out.
    needs_past
        Whether the groups depend on what a customer did before the month.
    begins
        Whether a group cannot have purchases before its first one, as a cohort.
    """

    by: str
    title: str
    definition: str
    group: str
    one_group_a_buyer: bool = False
    keeps_others: bool = True
    needs_past: bool = False
    begins: bool = False


def sales_measure(log: EventLog) -> str:
    """What is summed: ``sales``, or without prices ``units``."""
    return "sales" if "unit_price" in log.columns else "units"


def monthly_sales(log: EventLog) -> pd.DataFrame:
    """One row a month with purchases that were not cancelled: period, buyers, orders and the measure."""
    return log.query(f"""
        SELECT {log.calendar.period_start("month")} AS period, count(DISTINCT user_id) AS buyers,
            count(DISTINCT (user_id, {ORDER_KEY})) AS orders,
            sum({_amount(log)}) AS {sales_measure(log)}
        FROM events WHERE {KEPT_PURCHASE} GROUP BY ALL ORDER BY period
    """)


def split_sales(log: EventLog, split: Split) -> pd.DataFrame:
    """One row a month and group with purchases that were not cancelled: period, `by`, buyers, measure.

    A purchase without a group is in `NO_GROUP`, one of a group that is not among the `MAX_GROUPS`
    with the largest sums in `OTHERS`.
    """
    measure, month = sales_measure(log), log.calendar.period_start("month")
    tables = "bought JOIN pasts USING (user_id, period)"
    if log.items is not None:
        tables += " LEFT JOIN items USING (item_id)"
    if log.users is not None:
        tables += " LEFT JOIN users USING (user_id)"
    rows = log.query(f"""
        WITH bought AS (
            SELECT user_id, item_id, channel, timestamp, {month} AS period, {_amount(log)} AS amount
            FROM events WHERE {KEPT_PURCHASE}
        ), pasts AS (
            SELECT user_id, period, min(min(timestamp)) OVER so_far AS first,
                lag(max(timestamp)) OVER so_far AS previous
            FROM bought GROUP BY user_id, period
            WINDOW so_far AS (PARTITION BY user_id ORDER BY period)
        ), grouped AS (
            SELECT bought.period, bought.user_id, bought.amount,
                coalesce(({split.group})::VARCHAR, '{NO_GROUP}') AS grp
            FROM {tables}
        ), ranked AS (
            SELECT grp, row_number() OVER (ORDER BY sum(amount) DESC NULLS LAST, grp) AS place
            FROM grouped GROUP BY grp
        )
        SELECT period, CASE WHEN place <= {MAX_GROUPS} THEN grp ELSE '{OTHERS}' END AS "{split.by}",
            count(DISTINCT user_id) AS buyers, sum(amount) AS {measure}
        FROM grouped JOIN ranked USING (grp) GROUP BY ALL ORDER BY period, "{split.by}"
    """)
    return rows if split.keeps_others else rows[rows[split.by] != OTHERS].reset_index(drop=True)


def _amount(log: EventLog) -> str:
    """SQL for what a purchase adds to the measure."""
    return spend_of(log) if sales_measure(log) == "sales" else f"({units_of(log)})::DOUBLE"
