"""Repurchase: how many customers buy again, and after how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import ClassVar

import pandas as pd

from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import sql_time
from growthlab.insight.counts import Sum, count_at, count_until
from growthlab.insight.findings import BarPlot, Column, Findings, LinePlot, ReportTable
from growthlab.insight.purchase_sql import KEPT_PURCHASE
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.segment_table import all_buyers

SILENCES = (7, 14, 30, 60, 90, 120, 180, 270, 365)
QUANTILES = {"p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9}
PURCHASE_DAYS = ("1", "2", "3", "4-5", "6-10", "11-20", "over 20")
_DAYS = f"SELECT DISTINCT user_id, timestamp::DATE AS day FROM events WHERE {KEPT_PURCHASE}"
_GAPS = f"""
    SELECT user_id, day, date_diff('day', day, lead(day) OVER (PARTITION BY user_id ORDER BY day))
        AS gap FROM ({_DAYS})
"""


def repeat_rates(
    log: EventLog,
    *,
    as_of: datetime,
    burn_in_end: datetime,
    windows: tuple[int, ...] = (30, 90, 180),
) -> pd.DataFrame:
    """One row a rate: ``repeat_rate`` over the whole log, then within each window of days.

    Purchases of one day count once. Columns rate, buyers, repeat_buyers, share. A window counts the
    customers whose first purchase in the log is after `burn_in_end`, and the window or more before `as_of`.
    """
    firsts = log.query(f"""
        WITH days AS ({_DAYS}), firsts AS (SELECT user_id, min(day) AS day FROM days GROUP BY ALL)
        SELECT firsts.day::TIMESTAMP AS first, date_diff('day', firsts.day, min(days.day)
            FILTER (WHERE days.day > firsts.day)) AS again
        FROM firsts JOIN days USING (user_id) GROUP BY user_id, firsts.day
    """)
    rows = [("repeat_rate", len(firsts), int(firsts["again"].notna().sum()))]
    for days in windows:
        old_enough = firsts["first"] <= as_of - timedelta(days=days + 1)
        counted = firsts[(firsts["first"] >= burn_in_end) & old_enough]
        rows.append((f"repeat_rate_{days}d", len(counted), int((counted["again"] <= days).sum())))
    table = pd.DataFrame(rows, columns=["rate", "buyers", "repeat_buyers"])
    return table.assign(share=table["repeat_buyers"] / table["buyers"].where(table["buyers"] > 0))


def purchase_counts(log: EventLog) -> pd.DataFrame:
    """Buyers by their number of purchase days: 1, 2, 3, 4-5, 6-10, 11-20, more than 20."""
    return log.query(f"""
        WITH counted AS (SELECT user_id, count(*) AS n FROM ({_DAYS}) GROUP BY user_id),
        binned AS (
            SELECT CASE WHEN n <= 3 THEN n::VARCHAR WHEN n <= 5 THEN '4-5' WHEN n <= 10 THEN '6-10'
                WHEN n <= 20 THEN '11-20' ELSE 'over 20' END AS purchase_days, min(n) AS least,
                count(*) AS buyers FROM counted GROUP BY ALL
        )
        SELECT purchase_days, buyers, buyers / sum(buyers) OVER () AS share
        FROM binned ORDER BY least
    """)


def gap_quantiles(log: EventLog) -> pd.DataFrame:
    """Quantiles of the days between one purchase day of a customer and the next; two rows.

    ``all gaps`` counts each gap, so that frequent buyers have most of them; ``customers`` counts
    each customer with two gaps or more once, by the median of their gaps.
    """
    picks = ", ".join(f"quantile_cont(gap, {q}) AS {name}" for name, q in QUANTILES.items())
    columns = f"count(*) AS gaps, count(DISTINCT user_id) AS customers, avg(gap) AS mean, {picks}"
    return log.query(f"""
        WITH gaps AS (SELECT user_id, gap::DOUBLE AS gap FROM ({_GAPS}) WHERE gap IS NOT NULL),
        own AS (
            SELECT user_id, median(gap) AS gap FROM gaps GROUP BY user_id HAVING count(*) > 1
        )
        SELECT 'all gaps' AS of_what, {columns} FROM gaps
        UNION ALL SELECT 'customers', {columns} FROM own
    """)


def returns_after_silence(
    log: EventLog, *, as_of: datetime, silences: tuple[int, ...] = SILENCES
) -> pd.DataFrame:
    """One row a length of silence in days: how many such silences ended in a purchase in the log.

    A silence is the time from a purchase day to the next one, or to `as_of`. Columns silence_days,
    silences, customers, returned, share. Recent silences may still end, so that the shares are lower bounds.
    """
    lengths = ", ".join(f"({days})" for days in silences)
    return log.query(f"""
        WITH spells AS (
            SELECT user_id, gap IS NOT NULL AS ended,
                coalesce(gap, date_diff('day', day, {sql_time(as_of)})) AS length FROM ({_GAPS})
        )
        SELECT silence_days, count(*) AS silences, count(DISTINCT user_id) AS customers,
            count(DISTINCT user_id) FILTER (WHERE ended) AS customers_back,
            avg(ended::INT) AS share
        FROM spells JOIN (VALUES {lengths}) AS lengths(silence_days) ON length > silence_days
        GROUP BY silence_days ORDER BY silence_days
    """)


@dataclass(frozen=True, kw_only=True)
class Repurchase:
    """Repeat rate, time between purchases, and how long a silence may last."""

    chapter: ClassVar[str] = "Repurchase"
    title: ClassVar[str] = "Who buys again, and after how long"
    windows: tuple[int, ...] = (30, 90, 180)

    def __post_init__(self) -> None:
        if not self.windows or min(self.windows) < 1:
            raise ConfigError(f"windows={list(self.windows)}: give days, such as [30, 90]")

    def find(self, scope: ReportScope) -> Findings:
        """Four small tables."""
        log = scope.log
        windows = tuple(days for days in self.windows if days < scope.days / 2)
        rates = repeat_rates(log, as_of=scope.as_of, burn_in_end=scope.burn_in_end, windows=windows)
        counts = (
            purchase_counts(log).set_index("purchase_days").reindex(PURCHASE_DAYS, fill_value=0)
        )
        silences = tuple(days for days in SILENCES if days < scope.days / 2)
        tables = [
            _rate_table(scope, rates),
            _count_table(scope, counts.reset_index()),
            _gap_table(scope, gap_quantiles(log)),
        ]
        if silences:
            rows = returns_after_silence(log, as_of=scope.as_of, silences=silences)
            tables.append(
                ReportTable(
                    "returning_after_silence",
                    "Who comes back after a silence",
                    rows,
                    SILENT,
                    parts=_nested_silences(rows),
                    plots=(LinePlot("silence_days", ("share",), "Share of silences that ended"),),
                    note="A customer is lost for good about where the share falls below a tenth: a "
                    "horizon for churn can be read off here.",
                )
            )
        return Findings(tuple(tables), ("Purchases of one day count once.",))


def _buyers_by_days(scope: ReportScope, days: str) -> str:
    """The name of the count of buyers with so many purchase days."""
    return count_at(f"purchase days {days}", scope.as_of)


def _again(scope: ReportScope) -> str:
    """The name of the count of buyers who bought on two days or more."""
    return count_until("buyers again", scope.as_of)


def _rate_table(scope: ReportScope, rates: pd.DataFrame) -> ReportTable:
    own = [f"{name} {scope.as_of}" for name in rates["rate"]]
    return ReportTable(
        "repeat_rate",
        "Repeat rate",
        rates,
        RATES,
        count_names={
            "buyers": [all_buyers(scope), *(f"buyers of {name}" for name in own[1:])],
            "repeat_buyers": [_again(scope), *(f"repeat buyers of {name}" for name in own[1:])],
        },
    )


def _count_table(scope: ReportScope, counts: pd.DataFrame) -> ReportTable:
    names = [_buyers_by_days(scope, days) for days in counts["purchase_days"]]
    again, often = tuple(names[1:]), tuple(names[2:])
    return ReportTable(
        "purchase_counts",
        "Buyers by number of purchase days",
        counts,
        COUNTS,
        plots=(BarPlot("purchase_days", "share", "Share of buyers"),),
        behind=pd.DataFrame({"all_buyers": counts["buyers"].sum()}, index=counts.index),
        count_names={"buyers": names, "all_buyers": [all_buyers(scope)] * len(names)},
        sums=(
            Sum(all_buyers(scope), tuple(names)),
            Sum(_again(scope), again),
            Sum(_buyers_by_days(scope, "3 or more"), often),
        ),
    )


def _gap_table(scope: ReportScope, gaps: pd.DataFrame) -> ReportTable:
    names = [_again(scope), _buyers_by_days(scope, "3 or more")]
    return ReportTable(
        "purchase_gaps",
        "Time between purchases",
        gaps,
        GAPS,
        count_names={"customers": names},
    )


def _nested_silences(rows: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """Whoever was silent for longer was so for any shorter time."""
    names = [f"returning_after_silence.customers of row {row}" for row in range(len(rows))]
    return tuple(pairwise(names))


RATES = {
    "rate": Column(
        "label",
        "repeat_rate: over the whole log. repeat_rate_90d: within 90 days of the first purchase, of "
        "those whose first purchase lies after the burn-in and 90 days or more before the end.",
    ),
    "buyers": Column("customers", "Customers with a purchase.", ("buyers",)),
    "repeat_buyers": Column(
        "customers",
        "Those of them who bought again on a later day.",
        ("buyers",),
        ("repeat_buyers",),
        part_of="buyers",
    ),
    "share": Column("share", "repeat_buyers / buyers.", ("buyers",), ("repeat_buyers",)),
}
COUNTS = {
    "purchase_days": Column("label", "Days on which the customer bought."),
    "buyers": Column("customers", "Customers with that many.", ("buyers",)),
    "share": Column("share", "Of all buyers.", ("buyers",), reveals=("buyers", "all_buyers")),
}
_GAP = "of the days from one purchase day of a customer to the next"
GAPS = {
    "of_what": Column(
        "label",
        "all gaps: each counts once. customers: each customer with two gaps or more counts once, "
        "by the median of their gaps.",
    ),
    "gaps": Column(
        "count",
        "Gaps, or customers, that are counted.",
        ("customers",),
        reveals=("customers",),
    ),
    "customers": Column("customers", "Customers whose gaps they are.", ("customers",)),
    "mean": Column("days", f"Mean {_GAP}.", ("customers",)),
    "p10": Column("days", f"A tenth {_GAP} is shorter or equal.", ("customers",)),
    "p25": Column("days", f"A quarter {_GAP} is shorter or equal.", ("customers",)),
    "median": Column("days", f"Half {_GAP} is shorter or equal.", ("customers",)),
    "p75": Column("days", f"Three quarters {_GAP} are shorter or equal.", ("customers",)),
    "p90": Column("days", f"Nine tenths {_GAP} are shorter or equal.", ("customers",)),
}
SILENT = {
    "silence_days": Column("label", "Days without a purchase after one."),
    "silences": Column("count", "Silences that lasted longer, ended or not.", ("customers",)),
    "customers": Column("customers", "Customers who had one.", ("customers",)),
    "customers_back": Column(
        "customers",
        "Customers who bought again after one.",
        ("customers",),
        ("customers_back",),
        part_of="customers",
    ),
    "share": Column(
        "share",
        "Share of these silences that ended in a purchase before the end of the log. Recent ones may "
        "still end, so that it is a lower bound.",
        ("customers",),
        ("customers_back",),
    ),
}
