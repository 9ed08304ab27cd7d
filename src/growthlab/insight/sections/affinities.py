"""Basket affinities: items, and categories, that sell together, and whom to offer the other one of a pair."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from scipy import sparse, special

from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.insight.findings import Column, Findings, ReportTable, select_columns
from growthlab.insight.items import add_item_names
from growthlab.insight.purchase_sql import KEPT_PURCHASE, ORDER_KEY
from growthlab.insight.report_scope import SMALLEST_GROUP, ReportScope

Level = Literal["item_id", "category"]
MAX_THINGS = 3_000  # items or categories that are paired with each other
MAX_PAIRS = 5_000  # of the result


def affinity_pairs(
    log: EventLog, level: Level = "item_id", *, min_orders: int = 20, max_q: float = 0.01
) -> pd.DataFrame:
    """Pairs of items (or categories) by lift, the highest first; one row a pair.

    Columns thing, also (of the two, `thing` is in fewer orders), orders with both, customers who
    placed them, support, confidence, lift and q: the p-value of Pearson's chi-squared test, corrected
    for all possible pairs (Benjamini and Hochberg, JRSS B 1995). The result has the first `MAX_PAIRS`
    pairs in at least `min_orders` orders with a lift above 1 and a q of at most `max_q`, among the
    `MAX_THINGS` things in the most orders.
    """
    things = log.query(_lines_sql(level, min_orders, "thing FROM things ORDER BY code"))[
        "thing"
    ].to_numpy()
    n_orders = int(log.query(f"SELECT count(*) AS n FROM ({_orders_sql(level)})")["n"].iloc[0])
    lines = log.query(_lines_sql(level, min_orders, LINE_CODES))
    pairs = _pairs(lines, len(things), n_orders, min_orders)
    pairs = pairs[(pairs["lift"] > 1) & (pairs["q"] <= max_q)]
    pairs = pairs.sort_values(["lift", "orders", "a", "b"], ascending=[False, False, True, True])
    pairs = pairs.head(MAX_PAIRS).reset_index(drop=True)
    pairs["customers"] = _count_customers(pairs, lines)
    pairs["thing"], pairs["also"] = things[pairs["a"]], things[pairs["b"]]
    return pairs[list(PAIR_COLUMNS)]


LINE_CODES = """
    dense_rank() OVER (ORDER BY user_id, order_key) - 1 AS order_number,
    dense_rank() OVER (ORDER BY user_id) - 1 AS customer, code FROM lines JOIN things USING (thing)
"""
PAIR_COLUMNS = ("thing", "also", "orders", "customers", "support", "confidence", "lift", "q")


def _orders_sql(level: Level) -> str:
    """SQL for the orders with any item (or category)."""
    return f"SELECT DISTINCT user_id, {ORDER_KEY} AS order_key FROM ({_things_sql(level)})"


def _things_sql(level: Level) -> str:
    """SQL for the purchase lines, each with its item (or category) as ``thing``."""
    if level == "item_id":
        return (
            f"SELECT *, item_id AS thing FROM events WHERE {KEPT_PURCHASE} AND item_id IS NOT NULL"
        )
    joined = "events JOIN items USING (item_id)"
    return f"SELECT events.*, category AS thing FROM {joined} WHERE {KEPT_PURCHASE} AND category IS NOT NULL"


def _lines_sql(level: Level, min_orders: int, what: str) -> str:
    """SQL that selects `what` from the `lines` of orders and the `things`, coded by number of orders."""
    return f"""
        WITH lines AS (SELECT DISTINCT user_id, {ORDER_KEY} AS order_key, thing FROM ({_things_sql(level)})),
        things AS (
            SELECT thing, row_number() OVER (ORDER BY count(*) DESC, thing) - 1 AS code
            FROM lines GROUP BY thing HAVING count(*) >= {min_orders}
            ORDER BY code LIMIT {MAX_THINGS}
        )
        SELECT {what}
    """


def _pairs(lines: pd.DataFrame, n_things: int, n_orders: int, min_orders: int) -> pd.DataFrame:
    """Every pair in `min_orders` orders or more, `a` being in no more orders than `b`."""
    order, code = (lines[c].to_numpy().astype(np.int32) for c in ("order_number", "code"))
    shape = (int(order.max(initial=-1)) + 1, n_things)
    holds = sparse.csr_array((np.ones(len(lines), np.int32), (order, code)), shape=shape)
    pairs = holds.T @ holds  # (n_things, n_things), orders with both
    enough = pairs.data >= min_orders
    row = np.repeat(np.arange(n_things), np.diff(pairs.indptr))[enough]
    column, both = pairs.indices[enough], pairs.data[enough].astype(float)
    upper = row < column  # codes are sorted by orders: the row has more
    b, a, both = row[upper], column[upper], both[upper]
    n = np.bincount(code, minlength=n_things).astype(float)
    expected = n[a] * n[b] / n_orders
    p = _chi_squared_p(both, n[a], n[b], n_orders)
    return pd.DataFrame(
        {
            "a": a,
            "b": b,
            "orders": both.astype(np.int64),
            "support": both / max(n_orders, 1),
            "confidence": both / n[a],
            "lift": both / expected,
            "q": q_values(p, n_things * (n_things - 1) // 2),
        }
    )


def _chi_squared_p(both: np.ndarray, a: np.ndarray, b: np.ndarray, n: int) -> np.ndarray:
    """p-values of Pearson's test of independence on the table of orders with and without each."""
    spread = a * b * (n - a) * (n - b)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = n * (n * both - a * b) ** 2 / spread
    return np.where(spread > 0, special.chdtrc(1, np.nan_to_num(statistic)), 1.0)


def q_values(p: np.ndarray, n_tests: int) -> np.ndarray:
    """Benjamini and Hochberg's q of each p; `n_tests` counts all tests, those not in `p` had larger ones."""
    order = np.argsort(p)[::-1]
    ranks = np.arange(len(p), 0, -1)
    q = np.empty(len(p))
    q[order] = np.minimum.accumulate(np.minimum(p[order] * n_tests / ranks, 1.0))
    return q


def _count_customers(pairs: pd.DataFrame, lines: pd.DataFrame) -> np.ndarray:
    """How many customers placed an order with both, for each pair."""
    by_code = lines.sort_values(["code", "order_number"])
    codes = by_code["code"].to_numpy()
    starts = np.searchsorted(codes, np.arange(codes.max(initial=0) + 2))
    order, customer = by_code["order_number"].to_numpy(), by_code["customer"].to_numpy()
    counts = np.empty(len(pairs), np.int64)
    for k, (a, b) in enumerate(zip(pairs["a"], pairs["b"], strict=True)):
        rows_a, rows_b = slice(starts[a], starts[a + 1]), slice(starts[b], starts[b + 1])
        shared = np.isin(order[rows_a], order[rows_b], assume_unique=True)
        counts[k] = len(np.unique(customer[rows_a][shared]))
    return counts


def cross_sell_rules(pairs: pd.DataFrame) -> pd.DataFrame:
    """Both directions of each pair: who has `owned` may want `item_id`, the likeliest first.

    Columns owned, item_id, confidence (orders with both / orders with `owned`) and lift.
    """
    also_share = pairs["confidence"] / pairs["lift"]  # of all orders
    there = pairs.rename(columns={"thing": "owned", "also": "item_id"})
    back = pairs.rename(columns={"also": "owned", "thing": "item_id"})
    back = back.assign(confidence=pairs["support"] / also_share)
    rules = pd.concat([there, back])[["owned", "item_id", "confidence", "lift"]]
    order = ["confidence", "lift", "owned", "item_id"]
    return rules.sort_values(order, ascending=[False, False, True, True], ignore_index=True)


def cross_sell_list(bought: pd.DataFrame, rules: pd.DataFrame, per_customer: int) -> pd.DataFrame:
    """Up to `per_customer` items a customer who does not have them, by the first rules that hold.

    Parameters
    ----------
    bought : user_id and item_id, a row each that a customer has
    rules : see `cross_sell_rules`

    Returns
    -------
    user_id, item_id, rank (from 1), owned, confidence and lift, by user_id and rank.
    """
    customers, users = pd.factorize(bought["user_id"], sort=True)
    by_item = pd.Series(customers).groupby(bought["item_id"].to_numpy())
    owners = {item: rows.to_numpy() for item, rows in by_item}
    nobody = np.empty(0, dtype=np.intp)
    settled = {item: owners.get(item, nobody) for item in rules["item_id"].unique()}
    n_offered = np.zeros(len(users), dtype=np.int64)
    parts = []
    for number, (owned, item) in enumerate(zip(rules["owned"], rules["item_id"], strict=True)):
        mine = owners.get(owned, nobody)
        mine = mine[n_offered[mine] < per_customer]
        mine = mine[~np.isin(mine, settled[item], assume_unique=True)]
        if len(mine):
            n_offered[mine] += 1
            settled[item] = np.concatenate([settled[item], mine])
            parts.append((mine, n_offered[mine], np.full(len(mine), number)))
    who, rank, rule = (
        (np.concatenate(each) for each in zip(*parts, strict=True))
        if parts
        else (nobody, nobody, nobody)
    )
    named = rules.iloc[rule].reset_index(drop=True)
    named.insert(0, "user_id", np.asarray(users)[who])
    named.insert(2, "rank", rank)
    columns = ["user_id", "item_id", "rank", "owned", "confidence", "lift"]
    return named[columns].sort_values(["user_id", "rank"], ignore_index=True)


@dataclass(frozen=True, kw_only=True)
class Affinities:
    """What sells together; for each customer what goes with what they have, for cross-selling."""

    chapter: ClassVar[str] = "Baskets and items"
    title: ClassVar[str] = "What sells together"
    min_orders: int = 20
    max_q: float = 0.01
    per_customer: int = 3

    def __post_init__(self) -> None:
        if self.min_orders < 1:
            raise ConfigError(f"min_orders must be 1 or more, got {self.min_orders}")
        if not 0 < self.max_q <= 1:
            raise ConfigError(f"max_q must be above 0 and at most 1, got {self.max_q}")
        if not 1 <= self.per_customer <= 100:
            raise ConfigError(f"per_customer must be 1 to 100, got {self.per_customer}")

    def customers(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """See `cross_sell_list`, of the pairs that `SMALLEST_GROUP` customers or more ordered together."""
        log.require("item_id", needed_by="cross-sell lists")
        pairs = affinity_pairs(log, min_orders=self.min_orders, max_q=self.max_q)
        rules = cross_sell_rules(pairs[pairs["customers"] >= SMALLEST_GROUP])
        bought = log.query(f"""
            SELECT DISTINCT user_id, item_id FROM events WHERE {KEPT_PURCHASE} AND item_id IS NOT NULL
            ORDER BY user_id, item_id
        """)
        return cross_sell_list(bought, rules, self.per_customer)

    def find(self, scope: ReportScope) -> Findings:
        """A table of items, and one of categories where the items have any."""
        log = scope.log
        scope.require("item_id", needed_by="basket affinities")
        settings = {"min_orders": self.min_orders, "max_q": self.max_q}
        rows = affinity_pairs(log, **settings)  # type: ignore[arg-type]
        tables = [
            self._table("affinities_of_items", "Items", add_item_names(rows, log, "thing", "also"))
        ]
        if log.items is not None and log.items.get("category", pd.Series()).notna().any():
            rows = affinity_pairs(log, "category", **settings)  # type: ignore[arg-type]
            tables.append(self._table("affinities_of_categories", "Categories", rows))
        note = (
            f"Pairs in {self.min_orders} orders or more whose lift is hardly chance (q of "
            f"{self.max_q:g} or less). What sells together in the past need not sell more when it is "
            "shown: that takes an experiment."
        )
        return Findings(tuple(tables), (note,))

    def _table(self, name: str, title: str, rows: pd.DataFrame) -> ReportTable:
        enough = rows[rows["customers"] >= SMALLEST_GROUP].reset_index(drop=True)
        columns = select_columns(COLUMNS, enough)
        n_left_out = len(rows) - len(enough)
        note = (
            f"{n_left_out} pairs of fewer than {SMALLEST_GROUP} customers are left out."
            if n_left_out
            else ""
        )
        return ReportTable(name, title, enough, columns, rows_shown=15, note=note)


_BOTH = ("customers",)
COLUMNS = {
    "thing": Column("label", "The one of the two that is in fewer orders."),
    "thing_name": Column("label", "Its name."),
    "also": Column("label", "The other one."),
    "also_name": Column("label", "Its name."),
    "orders": Column("count", "Orders with both.", subset_counts=_BOTH),
    "customers": Column("customers", "Customers who placed them.", subset_counts=_BOTH),
    "support": Column("share", "Orders with both / all orders.", subset_counts=_BOTH),
    "confidence": Column(
        "share", "Orders with both / orders with the first one (thing).", subset_counts=_BOTH
    ),
    "lift": Column(
        "ratio",
        "confidence / the share of all orders that hold the second one (also): how much likelier it "
        "is together with the other. 1 is chance.",
        subset_counts=_BOTH,
    ),
    "q": Column(
        "number",
        "p-value of the chi-squared test of independence of the two, corrected for all pairs "
        "(Benjamini and Hochberg): the share of false finds among pairs of this q or less.",
        subset_counts=_BOTH,
    ),
}
