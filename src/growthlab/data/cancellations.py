"""Matching cancellations to the purchases that they cancel."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
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
# the cancelled part of each matched purchase, and its cancellation
_SINCE = "greatest(bought.known_from, cancelled.known_from) AS cancelled_at"
_PAIRED = (
    "FROM matched JOIN involved bought ON bought.place = purchase "
    "JOIN involved cancelled ON cancelled.place = cancellation"
)
_EXTRA = "EXCLUDE (cancels, amount, known_from, pair, place)"
_CANCELLED = (
    f"SELECT bought.* {_EXTRA} REPLACE (CASE WHEN bought.quantity IS NOT NULL "
    f"THEN matched.amount END AS quantity, {_SINCE}) {_PAIRED}",
    f"SELECT cancelled.* {_EXTRA} REPLACE ({_SINCE}) {_PAIRED}",
)


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
    by_time = log.ordered_by == "timestamp"
    known_from = "coalesce(ingested_at, timestamp)" if by_time else log.ordered_by
    number = f"epoch_us({known_from})" if by_time else known_from
    sized = (
        f"SELECT *, {CANCELS} AS cancels, abs(coalesce(quantity, 1)) AS amount, "
        f"{known_from} AS known_from FROM events WHERE {_INVOLVED}"
    )
    order = f"user_id, item_id, {log.ordered_by}, cancels, amount, {_ties(log)}"
    involved = (
        "SELECT *, dense_rank() OVER (ORDER BY user_id, item_id) AS pair, "
        f"row_number() OVER (ORDER BY {order}) - 1 AS place FROM ({sized})"
    )
    rows = log.arrow(
        f"SELECT pair, cancels, amount, {number} AS known FROM ({involved}) ORDER BY place"
    )
    columns = [rows[name].to_numpy() for name in ("pair", "cancels", "amount", "known")]
    left, matches = match_amounts(*columns)
    remaining = pd.DataFrame({"place": np.arange(len(left)), "left_over": left})
    matched = pd.DataFrame(matches, columns=list(CancellationMatch._fields))
    kept = (
        "SELECT * EXCLUDE (cancels, amount, known_from, pair, place, left_over) REPLACE "
        "(CASE WHEN left_over < amount THEN left_over ELSE quantity END AS quantity) "
        "FROM involved JOIN remaining USING (place) WHERE left_over > 0 OR amount = 0"
    )  # another rule drops purchases of quantity 0
    untouched = f"SELECT * FROM events WHERE NOT coalesce({_INVOLVED}, false)"
    selects, fills = [untouched, kept], list[str]()
    if by_time and matches:
        selects, fills = [*selects, *_CANCELLED], ["cancelled_at"]
    events = f"WITH involved AS MATERIALIZED ({involved}) {' UNION ALL BY NAME '.join(selects)}"
    tables = {"remaining": remaining, "matched": matched}
    marked = log.derive(events, tables, store=True, fills=fills)
    return marked, matched["purchase"].nunique()


def _ties(log: EventLog) -> str:
    """The columns that order what is equal otherwise, so that the order is always the same."""
    others = set(log.columns) - {"user_id", "item_id", log.ordered_by}
    return ", ".join(["unit_price", "order_id", *sorted(others - {"unit_price", "order_id"})])


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
    left = amount.astype(np.float64).tolist()
    matches: list[CancellationMatch] = []
    purchases: list[int] = []  # of the pair, known so far: those of which something is left
    waiting: list[int] = []  # of the pair, known so far: cancellations without a purchase
    current_pair = -1

    def match(purchase: int, cancellation: int) -> None:
        size = left[cancellation]
        left[cancellation] = 0.0
        left[purchase] -= size
        matches.append(CancellationMatch(purchase, cancellation, size))

    for row in np.lexsort((cancels, known, pairs)).tolist():
        if pairs[row] != current_pair:
            purchases, waiting, current_pair = [], [], pairs[row]
        if cancels[row] and left[row] > 0:
            before = bisect_left(purchases, row)
            able = (n for n in range(before - 1, -1, -1) if left[purchases[n]] >= left[row])
            place = next(able, None)
            if place is None:
                insort(waiting, row)
                continue
            match(purchases[place], row)
            if left[purchases[place]] == 0:
                del purchases[place]
        elif not cancels[row]:
            for cancellation in waiting[bisect_right(waiting, row) :]:
                if left[row] >= left[cancellation]:
                    match(row, cancellation)
                    del waiting[bisect_left(waiting, cancellation)]
            if left[row] > 0:
                insort(purchases, row)
    return np.array(left, dtype=np.float64), matches
