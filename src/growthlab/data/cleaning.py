"""Cleaning: rules that drop events, and a report of what each rule dropped and why."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.progress import progress
from growthlab.data.as_of import events_recorded_before
from growthlab.data.bots import find_bots, without_users
from growthlab.data.cancellations import CANCELS, MATCHED, match_cancellations
from growthlab.data.cleaning_report import Dropped, report_of_counts
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import sql_time
from growthlab.data.k_core import k_core

logger = logging.getLogger(__name__)

LINE_COLUMNS = frozenset(("order_id", "quantity", "unit_price"))  # they tell two pieces apart
IS_LINE = "(event_type IN ('purchase', 'return'))"
Rule = tuple[str, str, Callable[[EventLog], tuple[EventLog, int]]]
"""A rule's name, its reason, and its function: log -> (cleaned log, number of changed events)."""


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """The rules of a source; a rule is skipped where the log lacks its column.

    `non_goods` are regular expressions for whole item ids; items that match are dropped from the
    item table too. `cancellations`: ``match`` removes returns and marks the purchases that they
    cancel with the time at which that became known (see `match_cancellations`), ``keep`` keeps
    returns as events. `until` is the newest plausible time; null: the time of ingestion, or now where
    there is none.
    `min_rating` drops events with a lower rating. `return_signs` keeps the size of a return's quantity
    and price, whatever sign the shop writes before them. Equal order lines count as duplicates only in a
    log that has an order, a quantity or a price.

    What learns from counts is no rule of `apply`, as it would know the future: `bots` finds the users
    with more than `bot_events_a_day` events on any day (null: no limit) in what was known at a date,
    and `restrict` applies `min_user_events` and `min_item_events` to the past of a fold.
    """

    missing_users: bool = True
    future_dates: bool = True
    until: str | None = None
    return_signs: bool = True
    duplicates: bool = True
    non_goods: tuple[str, ...] = ()
    cancellations: str = "keep"
    non_positive_quantities: bool = True
    non_positive_prices: bool = True
    bot_events_a_day: int | None = None
    min_rating: float | None = None
    min_user_events: int = 1
    min_item_events: int = 1

    def __post_init__(self) -> None:
        if self.cancellations not in ("match", "keep"):
            raise ConfigError(
                f"cancellations is {self.cancellations!r}: possible are match and keep"
            )
        for name in ("bot_events_a_day", "min_user_events", "min_item_events"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be 1 or more, not {value}")
        for pattern in self.non_goods:
            try:
                re.compile(pattern)
            except re.error as error:
                hint = "give a regular expression for whole item ids"
                raise ConfigError(f"non_goods {pattern!r} ({error}): {hint}") from None
        if self.until is not None:
            _time(self.until)

    def apply(self, log: EventLog) -> EventLog:
        """The log without the events that the rules drop; its `cleaning` has one row per rule.

        Rules run in the order of the fields above. DataError names a rule that leaves no event.
        """
        rows = list(log.cleaning)
        for name, why, rule in progress(self._rules(log), "cleaning"):
            before = log
            log, n_changed = rule(log)
            rows.append(report_row(name, why, before, log, n_changed))
            if not log.n_events:
                raise DataError(
                    f"no event of {log.name} is left after the cleaning rule {name!r}, "
                    f"which dropped the last {before.n_events:,}: switch it off or check the data"
                )
        return log.with_cleaning(rows)

    def bots(self, known: EventLog) -> list[str]:
        """The users who in these events were too busy on a day to be people, sorted by id."""
        if self.bot_events_a_day is None or known.ordered_by != "timestamp":
            return []
        return find_bots(known, self.bot_events_a_day)

    def without_bots(self, log: EventLog, as_of: datetime | None = None) -> EventLog:
        """The log without the users who were bots by what was known at a date (null: by all of it)."""
        if self.bot_events_a_day is None or log.ordered_by != "timestamp":
            return log
        known = log if as_of is None else events_recorded_before(log, as_of)
        return self.drop_bots(log, self.bots(known))

    def drop_bots(self, log: EventLog, bots: Collection[str]) -> EventLog:
        """The log without these users, and a row of its cleaning report that says so."""
        left = without_users(log, bots)
        if left is log:
            return log
        why = f"nobody makes more than {self.bot_events_a_day} events on one day by hand"
        if not left.n_events:
            raise DataError(
                f"no event of {log.name} is left without bots, who made more than "
                f"{self.bot_events_a_day} events on a day: raise data.cleaning.bot_events_a_day"
            )
        return left.with_cleaning([*log.cleaning, report_row("bots", why, log, left)])

    def restrict(self, past: EventLog) -> EventLog:
        """The past of a fold without users and items that have too few events (see `k_core`).

        Call it on the past only, after the split: the future keeps all its users and items.
        """
        if self.min_user_events <= 1 and self.min_item_events <= 1:
            return past
        users, items = k_core(past, self.min_user_events, self.min_item_events)
        kept = past.derive(
            "SELECT * FROM events WHERE user_id IN (SELECT user_id FROM kept_users) "
            "AND (item_id IS NULL OR item_id IN (SELECT item_id FROM kept_items))",
            {
                "kept_users": pa.table({"user_id": users}),
                "kept_items": pa.table({"item_id": items}),
            },
        )
        name = f"fewer than {self.min_user_events} events a user, {self.min_item_events} an item"
        why = "too few events to learn from; counted in the past only, the future keeps them"
        if not kept.n_events:
            raise DataError(
                f"no past event of {past.name} is left after dropping those with {name}: "
                "lower the limits"
            )
        return kept.with_cleaning([*past.cleaning, report_row(name, why, past, kept)])

    def _rules(self, log: EventLog) -> list[Rule]:
        rules = {
            "missing_users": self.missing_users,
            "future_dates": self.future_dates and log.ordered_by == "timestamp",
            "return_signs": self.return_signs and _n_signed_returns(log) > 0,
            "equal_lines": self.duplicates and _n_equal_lines(log) > 0,
            "duplicates": self.duplicates and "item_id" in log.columns,
            "duplicates_without_items": self.duplicates and "item_id" not in log.columns,
            "non_goods": bool(self.non_goods) and "item_id" in log.columns,
            "cancellations": self.cancellations == "match",
            "non_positive_quantities": self.non_positive_quantities and "quantity" in log.columns,
            "non_positive_prices": self.non_positive_prices and "unit_price" in log.columns,
            "min_rating": self.min_rating is not None and "rating" in log.columns,
        }
        enabled = [getattr(self, f"_{name}") for name, is_on in rules.items() if is_on]
        return [rule for rules_of_setting in enabled for rule in rules_of_setting()]

    def _missing_users(self) -> list[Rule]:
        why = "an event without a user belongs to nobody's history"
        return [("missing users", why, _where("user_id IS NOT NULL"))]

    def _future_dates(self) -> list[Rule]:
        why = "an event cannot be later than the moment it was recorded"
        return [("future dates", why, self._drop_future_dates)]

    def _drop_future_dates(self, log: EventLog) -> tuple[EventLog, int]:
        if self.until is not None:
            newest = sql_time(_time(self.until))
        else:
            now = sql_time(datetime.now(UTC).replace(tzinfo=None))
            newest = f"coalesce(ingested_at, {now})"
        return log.where(f"timestamp <= {newest}"), 0

    def _return_signs(self) -> list[Rule]:
        why = "the event type says that goods and money went back: a minus sign would say it twice"
        return [("signs of returns", why, _unsigned_returns)]

    def _equal_lines(self) -> list[Rule]:
        why = (
            "kept: without data.columns.order_id, quantity or unit_price two pieces bought look like "
            "one line recorded twice"
        )
        return [("equal order lines", why, _count_equal_lines)]

    def _duplicates(self) -> list[Rule]:
        why = "rows that are equal in every column are one event recorded twice"
        return [("exact duplicates", why, _drop_duplicates)]

    def _duplicates_without_items(self) -> list[Rule]:
        why = (
            "rows that are equal in every column are taken for one event recorded twice: without "
            "data.columns.item_id lines of different goods can be equal too (data.cleaning.duplicates)"
        )
        return [("exact duplicates", why, _drop_duplicates)]

    def _non_goods(self) -> list[Rule]:
        why = "postage, fees, vouchers and adjustments are not goods to recommend"
        return [("non-goods", why, self._drop_non_goods)]

    def _drop_non_goods(self, log: EventLog) -> tuple[EventLog, int]:
        matches = re.compile("|".join(f"(?:{p})" for p in self.non_goods)).fullmatch
        items = log.query("SELECT DISTINCT item_id FROM events WHERE item_id IS NOT NULL")[
            "item_id"
        ]
        non_goods = [item for item in items if matches(item)]
        goods = log.derive(
            "SELECT * FROM events "
            "WHERE item_id IS NULL OR item_id NOT IN (SELECT item_id FROM non_goods)",
            {"non_goods": pd.DataFrame({"item_id": non_goods}, dtype="str")},
        )
        if log.items is not None:
            kept = log.items[[not matches(i) for i in log.items["item_id"]]]
            goods = goods.with_rows(kept.reset_index(drop=True), log.users)
        return goods, 0

    def _cancellations(self) -> list[Rule]:
        why_marked = "counts until it is cancelled; a part that is cancelled becomes its own row"
        why_matched = "the purchase that it cancels holds its time"
        why_unmatched = "no earlier purchase in the log that it could cancel"
        return [
            ("cancelled purchases", why_marked, match_cancellations),
            ("cancellations of purchases", why_matched, _where(f"NOT {MATCHED}")),
            ("cancellations without a purchase", why_unmatched, _where(f"NOT {CANCELS}")),
        ]

    def _non_positive_quantities(self) -> list[Rule]:
        why = "no goods were handed over: a stock correction"
        condition = "quantity IS NULL OR quantity > 0 OR event_type = 'return'"
        return [("non-positive quantities", why, _where(condition))]

    def _non_positive_prices(self) -> list[Rule]:
        why = "a gift, a sample or a write-off is not a choice of the customer"
        return [("non-positive prices", why, _where("unit_price IS NULL OR unit_price > 0"))]

    def _min_rating(self) -> list[Rule]:
        why = f"rated below {self.min_rating:g}: not liked"
        return [("minimum rating", why, _where(f"rating IS NULL OR rating >= {self.min_rating}"))]


def _n_signed_returns(log: EventLog) -> int:
    """How many returns have a minus sign before their quantity or price."""
    columns = sorted({"quantity", "unit_price"} & log.columns)
    if not columns:
        return 0
    negative = " OR ".join(f"{column} < 0" for column in columns)
    return log.where(f"event_type = 'return' AND ({negative})").n_events


def _unsigned_returns(log: EventLog) -> tuple[EventLog, int]:
    """Returns with the size of their quantity and price."""
    columns = sorted({"quantity", "unit_price"} & log.columns)
    sizes = (f"CASE WHEN event_type = 'return' THEN abs({c}) ELSE {c} END AS {c}" for c in columns)
    unsigned = log.derive(f"SELECT * REPLACE ({', '.join(sizes)}) FROM events")
    return unsigned, _n_signed_returns(log)


def _n_equal_lines(log: EventLog) -> int:
    """How many order lines are equal to another one, in a log where these may be two pieces."""
    if LINE_COLUMNS & log.columns:
        return 0
    lines = log.where(IS_LINE)
    return lines.n_events - lines.derive("SELECT DISTINCT * FROM events").n_events


def _count_equal_lines(log: EventLog) -> tuple[EventLog, int]:
    """The log as it is, with a warning."""
    n = _n_equal_lines(log)
    if n:
        logger.warning(
            "%s: %s order lines are equal to another one and are kept: map data.columns.order_id, "
            "quantity or unit_price, so that lines recorded twice can be told from two pieces",
            log.name,
            f"{n:,}",
        )
    return log, n


def _drop_duplicates(log: EventLog) -> tuple[EventLog, int]:
    """The log without equal rows; order lines that nothing tells apart are kept."""
    present = ", ".join(sorted(log.columns))
    condition = "true" if LINE_COLUMNS & log.columns else f"NOT {IS_LINE}"
    # hashes are compared first, as equal rows are few
    rows = f"SELECT *, hash({present}) AS row_hash FROM events"
    twice = log.arrow(
        f"SELECT row_hash FROM ({rows} WHERE {condition}) GROUP BY row_hash HAVING count(*) > 1"
    )
    maybe = f"({condition}) AND row_hash IN (SELECT row_hash FROM twice)"
    found = log.derive(
        f"SELECT * EXCLUDE row_hash FROM ({rows}) WHERE {maybe}", {"twice": twice}, store=True
    )
    once = found.derive("SELECT DISTINCT * FROM events", store=True)
    n_dropped = found.n_events - once.n_events
    if not n_dropped:
        return log, 0
    kept = log.derive(
        f"SELECT * EXCLUDE row_hash FROM ({rows}) WHERE NOT ({maybe}) UNION ALL FROM once",
        {"twice": twice, "once": once},
    )
    kept.lacks_repeats(log, n_dropped, f"SELECT * FROM {found.stored_events}")
    return kept, 0


def report_row(
    rule: str, why: str, before: EventLog, after: EventLog, n_changed: int = 0
) -> dict[str, Any]:
    """One row of a cleaning report, from the log before and after a rule."""
    counts = [(log.n_events, log.n_users, log.n_items) for log in (before, after)]
    users = after.n_users_with_less(before) if after.n_events < before.n_events else 0
    dropped = Dropped(users, (before.value, after.value))
    return report_of_counts(rule, why, counts[0], counts[1], n_changed, dropped)


def _where(condition: str) -> Callable[[EventLog], tuple[EventLog, int]]:
    return lambda log: (log.where(condition), 0)


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"until is {text!r}: give a time such as 2024-05-31 or 2024-05-31T13:45"
        ) from None
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
