"""Cancellations matched to the purchases that they undo."""

from __future__ import annotations

import numpy as np

from growthlab.data.event_log import EventLog

CANCELS = "(event_type = 'return' OR (event_type = 'purchase' AND coalesce(quantity, 1) < 0))"
_INVOLVED = (
    "event_type IN ('purchase', 'return') AND (user_id, item_id) IN "
    f"(SELECT user_id, item_id FROM events WHERE {CANCELS})"
)


def match_cancellations(log: EventLog) -> tuple[EventLog, int]:
    """The log without matched cancellations and what they undo, and how many purchases shrank.

    A cancellation is a return or a purchase of negative quantity. Taking turns in time, each is
    matched to the most recent purchase of the same item by the same user, not later than itself,
    of which at least its quantity is left. A purchase undone in whole goes, one undone in part
    keeps the rest. Cancellations without a match stay, to be counted apart. A quantity that is not
    known is 1. Note that a purchase goes even where a fold's cutoff lies between it and its
    cancellation.
    """
    rows = log.query(
        f"SELECT *, {CANCELS} AS cancels, abs(coalesce(quantity, 1)) AS amount "
        f"FROM events WHERE {_INVOLVED} "
        f"ORDER BY user_id, item_id, {log.ordered_by}, cancels, amount, unit_price, order_id"
    )
    pairs = rows.groupby(["user_id", "item_id"], sort=False).ngroup().to_numpy()
    cancels, amount = rows.pop("cancels").to_numpy(), rows.pop("amount").to_numpy()
    left = amounts_left(pairs, cancels, amount)
    shrank = (left > 0) & (left < amount)
    rows.loc[shrank, "quantity"] = left[shrank]
    kept = rows[(left > 0) | (amount == 0)]  # purchases of nothing are another rule's business
    untouched = f"SELECT * FROM events WHERE NOT coalesce({_INVOLVED}, false)"
    both = f"{untouched} UNION ALL BY NAME SELECT * FROM kept"
    return log.derive(both, {"kept": kept}), int(shrank.sum())


def amounts_left(pairs: np.ndarray, cancels: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """What is left of each row's amount: 0 for a purchase undone and for a matched cancellation.

    Rows of one pair (user, item) stand together, oldest first; a purchase stands before a
    cancellation of the same time.
    """
    left = amount.astype(np.float64)
    standing: list[int] = []  # purchases of the pair of which something is left, oldest first
    of_pair = -1
    for row, (pair, cancel, size) in enumerate(zip(pairs, cancels, amount, strict=True)):
        if pair != of_pair:
            standing, of_pair = [], pair
        if not cancel:
            standing.append(row)
            continue
        match = next((p for p in reversed(standing) if left[p] >= size), None)
        if match is None or size == 0:
            continue
        left[row] = 0.0
        left[match] -= size
        if left[match] == 0:
            standing.remove(match)
    return left
