"""Cohorts of customers first seen in the same period: who comes back, and what they have spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd

from growthlab.data.calendar import Period
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import spend_of, sql_time
from growthlab.insight.counts import count_at, count_until, sums_by
from growthlab.insight.findings import Column, Findings, HeatMap, LinePlot, ReportTable
from growthlab.insight.growth_table import period_count
from growthlab.insight.report_scope import ACTIVE_EVENTS, ReportScope

CUSTOMERS = Column("customers", "Customers of the cohort.", ("customers",))
ACTIVE_AGAIN = Column(
    "customers",
    "Those of them with an active event in that later period.",
    ("customers",),
    ("active",),
    part_of="customers",
)
RETENTION = Column(
    "share",
    "active / customers. In the cohort's own period it is 1; a customer may be "
    "away in one period and back in the next. It is not activity_day_ratio.",
    ("customers",),
    ("active",),
)
BUYERS = Column(
    "customers",
    "Those of them with a purchase up to the end of that period.",
    ("customers",),
    ("buyers",),
    part_of="customers",
)
VALUE = Column(
    "money",
    "What the cohort has spent up to the end of that period (purchases that were not cancelled, "
    "less returns) / customers, buyers or not. It describes the past and is no forecast.",
    ("customers",),
    ("buyers",),
    reveals=("customers",),
)


def cohort_table(
    log: EventLog,
    period: Period,
    *,
    as_of: datetime,
    active_events: Sequence[str] = ACTIVE_EVENTS,
    group: str = "''",
) -> pd.DataFrame:
    """One row for each group, cohort and period since: customers, active, buyers and spent.

    The cohort is the period of a customer's first active event; `since` counts periods from it. A
    period that was not over at `as_of` has no row. `buyers` and `spent` are summed from the cohort's
    own period on. `group` is an SQL expression that splits a cohort, over the table `firsts` of
    `user_id`, `cohort` and `channel` (of the first active event) and the table `users`.
    """
    kinds = ", ".join(f"'{kind}'" for kind in active_events)
    at = log.calendar.period_start(period)
    end = log.calendar.period_start(period, sql_time(as_of))
    money = f"CASE event_type WHEN 'return' THEN -({spend_of(log)}) ELSE {spend_of(log)} END"
    people = "firsts" if log.users is None else "firsts LEFT JOIN users USING (user_id)"
    return log.query(f"""
        WITH firsts AS (
            SELECT user_id, min({at}) AS cohort, arg_min(channel, timestamp) AS channel
            FROM events WHERE event_type IN ({kinds}) GROUP BY user_id
        ), members AS (
            SELECT user_id, cohort, {group} AS part FROM {people}
        ), sizes AS (
            SELECT part, cohort, count(*) AS customers,
                date_diff('{period}', cohort, {end}) AS whole
            FROM members GROUP BY ALL
        ), grid AS (
            SELECT *, unnest(generate_series(0, whole - 1)) AS since FROM sizes
        ), seen AS (
            SELECT part, cohort, date_diff('{period}', cohort, {at}) AS since,
                count(DISTINCT user_id) AS active
            FROM events JOIN members USING (user_id) WHERE event_type IN ({kinds}) GROUP BY ALL
        ), paid AS (
            SELECT part, cohort, greatest(0, date_diff('{period}', cohort, {at})) AS since,
                sum({money}) AS spent
            FROM events JOIN members USING (user_id)
            WHERE cancelled_at IS NULL AND event_type IN ('purchase', 'return') GROUP BY ALL
        ), firsts_bought AS (
            SELECT part, cohort, greatest(0, date_diff('{period}', cohort, min({at}))) AS since,
            FROM events JOIN members USING (user_id)
            WHERE cancelled_at IS NULL AND event_type = 'purchase' GROUP BY part, cohort, user_id
        ), began AS (
            SELECT part, cohort, since, count(*) AS buyers FROM firsts_bought GROUP BY ALL
        )
        SELECT part, cohort, since, customers, coalesce(active, 0) AS active,
            sum(coalesce(buyers, 0)) OVER up_to AS buyers, sum(coalesce(spent, 0)) OVER up_to AS spent
        FROM grid LEFT JOIN seen USING (part, cohort, since)
            LEFT JOIN paid USING (part, cohort, since) LEFT JOIN began USING (part, cohort, since)
        WINDOW up_to AS (PARTITION BY part, cohort ORDER BY since)
        ORDER BY part, cohort, since
    """)


def pool_cohorts(table: pd.DataFrame, by: Sequence[str] = ("since",)) -> pd.DataFrame:
    """Rows of `cohort_table` summed over cohorts, with their shares.

    A value of `since` counts only the cohorts whose period `since` is over: the later it is, the
    fewer and older they are.
    """
    sums = table.groupby(list(by), as_index=False)[["customers", "active", "buyers", "spent"]].sum()
    return add_shares(sums)


def add_shares(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `cohort_retention` and `value`, the mean of what a customer has spent."""
    return table.assign(
        cohort_retention=table["active"] / table["customers"],
        value=table["spent"] / table["customers"],
    )


def cohort_names(scope: ReportScope, period: Period, rows: pd.DataFrame) -> dict[str, list[str]]:
    """The names of the counts of `cohort_table`, without groups.

    A cohort is as large as the new customers of its period, in which all of them are active.
    """
    places = list(zip(rows["cohort"], rows["since"], strict=True))
    step = pd.tseries.frequencies.to_offset(scope.calendar.step(period))
    sizes = [period_count(scope, "new_users", period, cohort) for cohort, _ in places]
    active = [
        count_until(
            f"active of cohort {period} {cohort:%Y-%m-%d} after {n}", cohort + (n + 1) * step
        )
        for cohort, n in places
    ]
    own = rows["since"] == 0
    return {
        "customers": sizes,
        "active": [
            size if first else name for size, name, first in zip(sizes, active, own, strict=True)
        ],
    }


def pooled_names(
    scope: ReportScope, period: Period, rows: pd.DataFrame, of: str = ""
) -> dict[str, list[str]]:
    """The names of the counts of `pool_cohorts` by ``since``, of all cohorts after the burn-in."""
    names = {
        figure: [
            count_at(
                " ".join(filter(None, (of, figure, "of cohorts by", period, "after", str(n)))),
                scope.as_of,
            )
            for n in rows["since"]
        ]
        for figure in ("customers", "active", "buyers")
    }
    own = rows["since"] == 0
    names["active"] = [
        size if first else name
        for size, name, first in zip(names["customers"], names["active"], own, strict=True)
    ]
    return names | ({"buyers": names["customers"]} if scope.buyers_are_active else {})


def cohorts_in_scope(scope: ReportScope, period: Period, group: str = "''") -> pd.DataFrame:
    """`cohort_table` of a scope."""
    return cohort_table(
        scope.log, period, as_of=scope.as_of, active_events=scope.active_events, group=group
    )


def since_column(period: str) -> Column:
    """What ``since`` means."""
    return Column("label", f"Whole {period}s since the {period} in which they were first seen (0).")


FEWER_COHORTS_NOTE = "The further to the right, the fewer and older the cohorts behind a figure."
BURN_IN_NOTE = (
    "Cohorts before {burn_in_end:%Y-%m-%d} lie in the burn-in, in which old customers look new: they are "
    "left out."
)


def cohort_column(period: str) -> Column:
    """What ``cohort`` means."""
    return Column("date", f"The {period} of a customer's first active event in the log.")


def cohort_findings(
    scope: ReportScope,
    period: Period,
    columns: Mapping[str, Column],
    *,
    name: str,
    figure: str,
    curve_title: str,
    map_title: str,
) -> Findings:
    """Two tables of the `columns`: ``<name>_curve`` of all cohorts, and `name` cohort by cohort.

    Cohort by cohort the number of buyers is left out. `figure` is the column that both plots show,
    under the titles of the curve and of the heat map.
    """
    rows = add_shares(cohorts_in_scope(scope, period))
    rows = rows[rows["cohort"] >= scope.burn_in_end].reset_index(drop=True)
    pooled = pool_cohorts(rows)
    names, totals = cohort_names(scope, period, rows), pooled_names(scope, period, pooled)
    wholes = pooled_names(scope, period, rows)
    counted = [figure for figure in totals if figure in columns]
    shown = [figure for figure in counted if figure != "buyers"]
    sums = (each for figure in shown for each in sums_by(wholes[figure], names[figure]))
    since = since_column(period)
    curve = {"since": since, **columns}
    each = {"cohort": cohort_column(period), **curve}
    each.pop("buyers", None)  # from one period to the next they are a few people more
    return Findings(
        (
            ReportTable(
                f"{name}_curve",
                "All cohorts together",
                pooled[list(curve)],
                curve,
                plots=(LinePlot("since", (figure,), curve_title),),
                rows_shown=13,
                note=f"Cohorts from {scope.burn_in_end:%Y-%m-%d} on. " + FEWER_COHORTS_NOTE,
                count_names={figure: totals[figure] for figure in counted},
            ),
            ReportTable(
                name,
                "Cohort by cohort",
                rows[list(each)],
                each,
                plots=(HeatMap("cohort", "since", figure, map_title),),
                rows_shown=0,
                note=BURN_IN_NOTE.format(burn_in_end=scope.burn_in_end),
                behind=rows[[figure for figure in counted if figure not in shown]],
                count_names={figure: names[figure] for figure in shown},
                sums=tuple(sums),
            ),
        )
    )
