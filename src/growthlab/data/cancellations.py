"""Matching cancellations to the purchases that they cancel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from growthlab.data.event_log import EventLog

CANCELS = "(event_type = 'return' OR (event_type = 'purchase' AND coalesce(quantity, 1) < 0))"
_INVOLVED = (
    "event_type IN ('purchase', 'return') AND cancelled_at IS NULL AND (user_id, item_id) IN "
    f"(SELECT user_id, item_id FROM events WHERE {CANCELS})"
)


MATCHED = f"({CANCELS} AND cancelled_at IS NOT NULL)"  # after `match_cancellations`


def match_cancellations(log: EventLog) -> tuple[EventLog, int]:
    """The log with cancelled purchases marked, and how many were cancelled, in whole or in part.

    A cancellation is a return or a purchase of negative quantity. In the order in which they became
    known (of their ingestion, where the log says when), each is matched to the most recent known
    purchase of the same item by the same user, not later than itself, of which at least its quantity
    is left; where there is none, to the next that becomes known. The cancelled part of the purchase
    becomes a row of its own, with the time from which both were known as `cancelled_at`: it was not
    known before, so the past of a fold that ends earlier holds the whole purchase. In a log without
    timestamps the part is dropped. Cancellations stay, a matched one with its own time as
    `cancelled_at`; without timestamps matched ones are dropped too. An unknown quantity counts as 1.
    """
    rows = log.query(
        f"SELECT *, {CANCELS} AS cancels, abs(coalesce(quantity, 1)) AS amount "
        f"FROM events WHERE {_INVOLVED} "
        f"ORDER BY user_id, item_id, {log.ordered_by}, cancels, amount, unit_price, order_id"
    )
    pairs = rows.groupby(["user_id", "item_id"], sort=False).ngroup().to_numpy()
    cancels, amount = rows.pop("cancels").to_numpy(), rows.pop("amount").to_numpy()
    known = _known_from(rows, log.ordered_by).to_numpy()
    left, matches = match_amounts(pairs, cancels, amount, known)
    cancelled = _cancelled_rows(rows, matches)
    reduced = (left > 0) & (left < amount)
    rows.loc[reduced, "quantity"] = left[reduced]
    kept = rows[(left > 0) | (amount == 0)]  # another rule drops purchases of quantity 0
    untouched = f"SELECT * FROM events WHERE NOT coalesce({_INVOLVED}, false)"
    both = f"{untouched} UNION ALL BY NAME SELECT * FROM kept"
    fills: tuple[str, ...] = ()
    if log.ordered_by == "timestamp" and matches:
        kept, fills = pd.concat([kept, cancelled], ignore_index=True), ("cancelled_at",)
    n_cancelled = len({m.purchase for m in matches})
    return log.derive(both, {"kept": kept}, fills=fills), n_cancelled


class CancellationMatch(NamedTuple):
    """The rows of a purchase and of its cancellation, and the quantity that is cancelled."""

    purchase: int
    cancellation: int
    amount: float


def match_amounts(
    pairs: np.ndarray, cancels: np.ndarray, amount: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, list[CancellationMatch]]:
    """What is left of each row's amount (0: cancelled, or a matched cancellation), and the matches.

    Rows of one pair (user, item) are adjacent, oldest first; a purchase comes before a cancellation
    of the same time. `known` orders the rows of a pair by when each became known: no match depends on
    a row that became known after both of its own.
    """
    left = amount.astype(np.float64)
    matches: list[CancellationMatch] = []
    purchases: list[int] = []  # of the pair, known so far: those of which something is left
    waiting: list[int] = []  # of the pair, known so far: cancellations without a purchase
    current_pair = -1

    def match(purchase: int, cancellation: int) -> None:
        size = float(amount[cancellation])
        left[cancellation] = 0.0
        left[purchase] -= size
        matches.append(CancellationMatch(purchase, cancellation, size))

    for row in np.lexsort((cancels, known, pairs)).tolist():
        if pairs[row] != current_pair:
            purchases, waiting, current_pair = [], [], pairs[row]
        if cancels[row]:
            able = [p for p in purchases if p < row and left[p] >= amount[row] > 0]
            if able:
                match(max(able), row)
                purchases = [p for p in purchases if left[p] > 0]
            else:
                waiting.append(row)
            continue
        for cancellation in [c for c in waiting if c > row and amount[c] > 0]:
            if left[row] >= amount[cancellation]:
                match(row, cancellation)
                waiting.remove(cancellation)
        if left[row] > 0:
            purchases.append(row)
    return left, matches


def _known_from(rows: pd.DataFrame, ordered_by: str) -> pd.Series:
    """When each row became known: its ingestion, or else its time or position."""
    if ordered_by != "timestamp":
        return rows[ordered_by]
    return rows["ingested_at"].fillna(rows["timestamp"])


def _cancelled_rows(rows: pd.DataFrame, matches: list[CancellationMatch]) -> pd.DataFrame:
    """The cancelled part of each matched purchase, and its cancellation, both with `cancelled_at`."""
    purchases = rows.iloc[[m.purchase for m in matches]].reset_index(drop=True)
    cancellations = rows.iloc[[m.cancellation for m in matches]].reset_index(drop=True)
    if "timestamp" not in rows:
        return purchases.iloc[:0]
    known = purchases["quantity"].notna().to_numpy()
    purchases.loc[known, "quantity"] = np.array([m.amount for m in matches])[known]
    both_known = [_known_from(each, "timestamp") for each in (purchases, cancellations)]
    times = pd.concat(both_known, axis=1).max(axis=1)
    both = [purchases.assign(cancelled_at=times), cancellations.assign(cancelled_at=times)]
    return pd.concat(both, ignore_index=True)
