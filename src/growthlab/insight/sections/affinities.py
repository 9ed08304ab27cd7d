"""Basket affinities: which items, and which categories, stand in one order more often than by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from scipy import sparse, special

from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.insight.findings import Column, Findings, ReportTable, of_rows
from growthlab.insight.items import named
from growthlab.insight.purchase_sql import KEPT_PURCHASE, ORDER_KEY
from growthlab.insight.scope import LEAST_GROUP, Scope

Of = Literal["item_id", "category"]
MOST_THINGS = 3_000  # that are paired with each other
MOST_PAIRS = 5_000  # that are kept


def affinities(
    log: EventLog, of: Of = "item_id", *, min_orders: int = 20, max_q: float = 0.01
) -> pd.DataFrame:
    """Pairs of items (or categories) by lift, the highest first; each pair stands in one row.

    Columns thing, also (of the two, `thing` is in fewer orders), orders with both, customers who
    placed them, support, confidence, lift and q: the p-value of Pearson's chi-squared test, corrected
    for all possible pairs (Benjamini and Hochberg, JRSS B 1995). Kept are pairs in `min_orders`
    orders or more with a lift above 1 and a q of at most `max_q`, the `MOST_PAIRS` first of them. Of
    more than `MOST_THINGS` things those in the most orders are looked at.
    """
    things = log.query(_lines(of, min_orders, "thing FROM things ORDER BY code"))[
        "thing"
    ].to_numpy()
    n_orders = int(log.query(f"SELECT count(*) AS n FROM ({_orders(of)})")["n"].iloc[0])
    lines = log.query(_lines(of, min_orders, IN_NUMBERS))
    pairs = _pairs(lines, len(things), n_orders, min_orders)
    pairs = pairs[(pairs["lift"] > 1) & (pairs["q"] <= max_q)]
    pairs = pairs.sort_values(["lift", "orders", "a", "b"], ascending=[False, False, True, True])
    pairs = pairs.head(MOST_PAIRS).reset_index(drop=True)
    pairs["customers"] = _customers(pairs, lines)
    pairs["thing"], pairs["also"] = things[pairs["a"]], things[pairs["b"]]
    return pairs[list(FIGURES)]


IN_NUMBERS = """
    dense_rank() OVER (ORDER BY user_id, order_key) - 1 AS placed,
    dense_rank() OVER (ORDER BY user_id) - 1 AS customer, code FROM lines JOIN things USING (thing)
"""
FIGURES = ("thing", "also", "orders", "customers", "support", "confidence", "lift", "q")


def _orders(of: Of) -> str:
    """SQL for the orders that hold anything of the kind."""
    return f"SELECT DISTINCT user_id, {ORDER_KEY} AS order_key FROM ({_things(of)})"


def _things(of: Of) -> str:
    """SQL for the purchase lines with the thing that they are of."""
    if of == "item_id":
        return (
            f"SELECT *, item_id AS thing FROM events WHERE {KEPT_PURCHASE} AND item_id IS NOT NULL"
        )
    joined = "events JOIN items USING (item_id)"
    return f"SELECT events.*, category AS thing FROM {joined} WHERE {KEPT_PURCHASE} AND category IS NOT NULL"


def _lines(of: Of, min_orders: int, what: str) -> str:
    """SQL over the `lines` of orders, and the `things` that count with their codes, most ordered first."""
    return f"""
        WITH lines AS (SELECT DISTINCT user_id, {ORDER_KEY} AS order_key, thing FROM ({_things(of)})),
        things AS (
            SELECT thing, row_number() OVER (ORDER BY count(*) DESC, thing) - 1 AS code
            FROM lines GROUP BY thing HAVING count(*) >= {min_orders}
            ORDER BY code LIMIT {MOST_THINGS}
        )
        SELECT {what}
    """


def _pairs(lines: pd.DataFrame, n_things: int, n_orders: int, min_orders: int) -> pd.DataFrame:
    """Every pair in `min_orders` orders or more, `a` being in no more orders than `b`."""
    placed, code = (lines[c].to_numpy().astype(np.int32) for c in ("placed", "code"))
    shape = (int(placed.max(initial=-1)) + 1, n_things)
    holds = sparse.csr_array((np.ones(len(lines), np.int32), (placed, code)), shape=shape)
    both = holds.T @ holds  # (n_things, n_things)
    enough = both.data >= min_orders
    row = np.repeat(np.arange(n_things), np.diff(both.indptr))[enough]
    column, together = both.indices[enough], both.data[enough].astype(float)
    once = row < column  # codes go by orders: the row has more
    b, a, together = row[once], column[once], together[once]
    n = np.bincount(code, minlength=n_things).astype(float)
    expected = n[a] * n[b] / n_orders
    p = _chi_squared_p(together, n[a], n[b], n_orders)
    return pd.DataFrame(
        {
            "a": a,
            "b": b,
            "orders": together.astype(np.int64),
            "support": together / max(n_orders, 1),
            "confidence": together / n[a],
            "lift": together / expected,
            "q": corrected(p, n_things * (n_things - 1) // 2),
        }
    )


def _chi_squared_p(both: np.ndarray, a: np.ndarray, b: np.ndarray, n: int) -> np.ndarray:
    """Pearson's test of independence in the table of orders with and without each of the two."""
    spread = a * b * (n - a) * (n - b)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = n * (n * both - a * b) ** 2 / spread
    return np.where(spread > 0, special.chdtrc(1, np.nan_to_num(statistic)), 1.0)


def corrected(p: np.ndarray, n_tests: int) -> np.ndarray:
    """Benjamini and Hochberg's q of each p, where `n_tests` were made and those not given are larger."""
    order = np.argsort(p)[::-1]
    ranks = np.arange(len(p), 0, -1)
    q = np.empty(len(p))
    q[order] = np.minimum.accumulate(np.minimum(p[order] * n_tests / ranks, 1.0))
    return q


def _customers(pairs: pd.DataFrame, lines: pd.DataFrame) -> np.ndarray:
    """How many customers placed an order with both."""
    by_code = lines.sort_values(["code", "placed"])
    codes = by_code["code"].to_numpy()
    starts = np.searchsorted(codes, np.arange(codes.max(initial=0) + 2))
    placed, customer = by_code["placed"].to_numpy(), by_code["customer"].to_numpy()
    counts = np.empty(len(pairs), np.int64)
    for k, (a, b) in enumerate(zip(pairs["a"], pairs["b"], strict=True)):
        of_a, of_b = slice(starts[a], starts[a + 1]), slice(starts[b], starts[b + 1])
        shared = np.isin(placed[of_a], placed[of_b], assume_unique=True)
        counts[k] = len(np.unique(customer[of_a][shared]))
    return counts


@dataclass(frozen=True, kw_only=True)
class Affinities:
    """What sells together, for cross-selling."""

    chapter: ClassVar[str] = "Baskets and items"
    title: ClassVar[str] = "What sells together"
    min_orders: int = 20
    max_q: float = 0.01

    def __post_init__(self) -> None:
        if self.min_orders < 1:
            raise ConfigError(f"min_orders must be 1 or more, got {self.min_orders}")
        if not 0 < self.max_q <= 1:
            raise ConfigError(f"max_q must be above 0 and at most 1, got {self.max_q}")

    def find(self, scope: Scope) -> Findings:
        """By item, and by category where the items have one."""
        log = scope.log
        scope.require("item_id", needed_by="basket affinities")
        settings = {"min_orders": self.min_orders, "max_q": self.max_q}
        rows = affinities(log, **settings)  # type: ignore[arg-type]
        tables = [self._table("affinities_of_items", "Items", named(rows, log, "thing", "also"))]
        if log.items is not None and log.items.get("category", pd.Series()).notna().any():
            rows = affinities(log, "category", **settings)  # type: ignore[arg-type]
            tables.append(self._table("affinities_of_categories", "Categories", rows))
        note = (
            f"Pairs in {self.min_orders} orders or more whose lift cannot well be chance (q of "
            f"{self.max_q:g} or less). What sells together in the past need not sell more when it is "
            "shown: that takes an experiment."
        )
        return Findings(tuple(tables), (note,))

    def _table(self, name: str, title: str, rows: pd.DataFrame) -> ReportTable:
        enough = rows[rows["customers"] >= LEAST_GROUP].reset_index(drop=True)
        columns = of_rows(COLUMNS, enough)
        left = len(rows) - len(enough)
        note = f"{left} pairs of fewer than {LEAST_GROUP} customers are left out." if left else ""
        return ReportTable(name, title, enough, columns, shown=15, note=note)


_BOTH = ("customers",)
COLUMNS = {
    "thing": Column("label", "The one of the two that is in fewer orders."),
    "thing_name": Column("label", "Its name."),
    "also": Column("label", "The other one."),
    "also_name": Column("label", "Its name."),
    "orders": Column("count", "Orders with both.", part=_BOTH),
    "customers": Column("customers", "Customers who placed them.", part=_BOTH),
    "support": Column("share", "Orders with both / all orders.", part=_BOTH),
    "confidence": Column(
        "share", "Orders with both / orders with the first one (thing).", part=_BOTH
    ),
    "lift": Column(
        "ratio",
        "confidence / the share of all orders that hold the second one (also): how much likelier it "
        "is beside the other. 1 is chance.",
        part=_BOTH,
    ),
    "q": Column(
        "number",
        "p-value of the chi-squared test that the two are independent, corrected for all pairs "
        "(Benjamini and Hochberg): the share of false finds among pairs of this q or less.",
        part=_BOTH,
    ),
}
