"""Cancellations matched to the purchases that they undo."""

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
    """The log with what was cancelled marked, and how many purchases that is in whole or in part.

    A cancellation is a return or a purchase of negative quantity. Taking turns in time, each is
    matched to the most recent purchase of the same item by the same user, not later than itself,
    of which at least its quantity is left. What it undoes of the purchase becomes a row of its own
    with the time of the cancellation (of its ingestion, where known) as `cancelled_at`: before that
    time nobody knew, so that a fold's past that ends earlier holds the whole purchase. In a log
    without timestamps it goes. Cancellations stay, a matched one with its own time as
    `cancelled_at` (without timestamps it goes too). A quantity that is not known is 1.
    """
    rows = log.query(
        f"SELECT *, {CANCELS} AS cancels, abs(coalesce(quantity, 1)) AS amount "
        f"FROM events WHERE {_INVOLVED} "
        f"ORDER BY user_id, item_id, {log.ordered_by}, cancels, amount, unit_price, order_id"
    )
    pairs = rows.groupby(["user_id", "item_id"], sort=False).ngroup().to_numpy()
    cancels, amount = rows.pop("cancels").to_numpy(), rows.pop("amount").to_numpy()
    left, matches = match(pairs, cancels, amount)
    undone = _undone(rows, matches)
    shrank = (left > 0) & (left < amount)
    rows.loc[shrank, "quantity"] = left[shrank]
    kept = rows[(left > 0) | (amount == 0)]  # purchases of nothing are another rule's business
    untouched = f"SELECT * FROM events WHERE NOT coalesce({_INVOLVED}, false)"
    both = f"{untouched} UNION ALL BY NAME SELECT * FROM kept"
    fills: tuple[str, ...] = ()
    if log.ordered_by == "timestamp" and matches:
        kept, fills = pd.concat([kept, undone], ignore_index=True), ("cancelled_at",)
    n_undone = len({m.purchase for m in matches})
    return log.derive(both, {"kept": kept}, fills=fills), n_undone


def standing(log: EventLog) -> EventLog:
    """The log without purchases that were cancelled, whenever that was."""
    return log.where("cancelled_at IS NULL") if "cancelled_at" in log.columns else log


class Match(NamedTuple):
    """Rows of a purchase and of what cancels it, and how much of the purchase it undoes."""

    purchase: int
    cancellation: int
    amount: float


def match(
    pairs: np.ndarray, cancels: np.ndarray, amount: np.ndarray
) -> tuple[np.ndarray, list[Match]]:
    """What is left of each row's amount (0: undone, or a matched cancellation), and the matches.

    Rows of one pair (user, item) stand together, oldest first; a purchase stands before a
    cancellation of the same time.
    """
    left = amount.astype(np.float64)
    matches: list[Match] = []
    bought: list[int] = []  # purchases of the pair of which something is left, oldest first
    of_pair = -1
    for row, (pair, cancel, size) in enumerate(zip(pairs, cancels, amount, strict=True)):
        if pair != of_pair:
            bought, of_pair = [], pair
        if not cancel:
            bought.append(row)
            continue
        found = next((p for p in reversed(bought) if left[p] >= size), None)
        if found is None or size == 0:
            continue
        left[row] = 0.0
        left[found] -= size
        matches.append(Match(found, row, float(size)))
        if left[found] == 0:
            bought.remove(found)
    return left, matches


def _undone(rows: pd.DataFrame, matches: list[Match]) -> pd.DataFrame:
    """The cancelled part of each matched purchase, and its cancellation, with their time."""
    undone = rows.iloc[[m.purchase for m in matches]].reset_index(drop=True)
    cancelling = rows.iloc[[m.cancellation for m in matches]].reset_index(drop=True)
    if "timestamp" not in rows:
        return undone.iloc[:0]
    known = undone["quantity"].notna().to_numpy()
    undone.loc[known, "quantity"] = np.array([m.amount for m in matches])[known]
    times = cancelling["ingested_at"].fillna(cancelling["timestamp"])
    both = [undone.assign(cancelled_at=times), cancelling.assign(cancelled_at=times)]
    return pd.concat(both, ignore_index=True)
