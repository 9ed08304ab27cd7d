"""The leakage report of a fold: whether past and future overlap, and how much of the future is new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from growthlab.data.as_of import untimed_columns
from growthlab.data.event_log import EventLog
from growthlab.split.fold import Fold


def leakage_report(
    fold: Fold,
    history_events: Sequence[str],
    target_events: Sequence[str],
    table_columns: Sequence[str] = (),
) -> dict[str, Any]:
    """Facts about a fold, as values for JSON; shares are 0 to 1, None where the whole is empty.

    `clean`: the newest past event is older than the oldest future event; without a common cutoff,
    no user's past goes on after the user's own future. Without a common cutoff there is leakage all
    the same: `warning` says so, and `later_past_share` is the mean over future events of the share
    of past events that are later. `past` counts events of `history_events`, `future` those of
    `target_events`; a user or item without such a past event is cold. `repeats` are the distinct
    (user, item) pairs of the future that are target events of the past too. `table_columns` are the
    columns of items and users that models read, such as ``users.tier``; ``untimed_columns`` are those
    of them whose table does not say since when a row was known, so that it may have been written
    after the cutoff.
    """
    time = fold.past.ordered_by
    newest = fold.past.span()[1] if fold.past.n_events else None
    oldest = fold.future.span()[0] if fold.future.n_events else None
    borders = _borders(fold, time)
    tied = borders["last"] == borders["first"]
    if fold.cutoff is not None:
        clean = newest is None or oldest is None or bool(newest < oldest)  # type: ignore[operator]
    else:
        clean = not bool((borders["last"] > borders["first"]).any())
    return {
        "clean": bool(clean),
        "warning": _warning(fold),
        "cutoff": _plain(fold.cutoff),
        "horizon_days": fold.horizon.total_seconds() / 86_400 if fold.horizon else None,
        "gap_days": fold.gap.total_seconds() / 86_400,
        "newest_past_event": _plain(newest),
        "newest_past_record": _newest_ingestion(fold.past),
        "oldest_future_event": _plain(oldest),
        "events_at_cutoff": _events_at(fold),
        "users_tied_at_border": int(tied.sum()),
        "later_past_share": None if fold.cutoff is not None else _later_share(fold, time),
        "untimed_columns": untimed_columns(fold.past, table_columns),
        **_novelty(fold, history_events, target_events),
    }


def _novelty(
    fold: Fold, history_events: Sequence[str], target_events: Sequence[str]
) -> dict[str, Any]:
    """Counts of both parts, and the cold users, cold items and repeats of the future."""
    past = _pairs(fold.past, history_events)
    owned = _pairs(fold.past, target_events)
    future = _pairs(fold.future, target_events)
    pairs = future.dropna(subset="item_id")
    repeats = pairs.merge(owned.dropna(subset="item_id"), on=["user_id", "item_id"])
    return {
        "past": _counts(past),
        "future": _counts(future),
        "cold_users": _share(set(future["user_id"]) - set(past["user_id"]), set(future["user_id"])),
        "cold_items": _share(set(pairs["item_id"]) - set(past["item_id"]), set(pairs["item_id"])),
        "repeats": _share(repeats, pairs),
    }


def _pairs(log: EventLog, event_types: Sequence[str]) -> pd.DataFrame:
    """The distinct (user_id, item_id) pairs of the event types, with their number of events `n`."""
    types = ", ".join(f"'{t}'" for t in event_types)
    return log.query(
        f"SELECT user_id, item_id, count(*) AS n FROM events WHERE event_type IN ({types}) "
        "GROUP BY user_id, item_id"
    )


def _counts(pairs: pd.DataFrame) -> dict[str, int]:
    return {
        "events": int(pairs["n"].sum()),
        "users": int(pairs["user_id"].nunique()),
        "items": int(pairs["item_id"].nunique()),
    }


def _share(part: Any, whole: Any) -> dict[str, float | int | None]:
    return {"count": len(part), "share": len(part) / len(whole) if len(whole) else None}


def _borders(fold: Fold, time: str) -> pd.DataFrame:
    """The last past time and the first future time of each user with both."""
    last = fold.past.query(f"SELECT user_id, max({time}) AS last FROM events GROUP BY user_id")
    first = fold.future.query(f"SELECT user_id, min({time}) AS first FROM events GROUP BY user_id")
    return last.merge(first, on="user_id")


def _events_at(fold: Fold) -> int | None:
    """The number of events exactly at the cutoff, all of them in the future."""
    if fold.cutoff is None:
        return None
    at = fold.cutoff.isoformat(sep=" ", timespec="microseconds")
    counted = fold.future.query(
        f"SELECT count(*) AS n FROM events WHERE timestamp = TIMESTAMP '{at}'"
    )
    return int(counted["n"].iloc[0])


def _newest_ingestion(past: EventLog) -> Any:
    if "ingested_at" not in past.columns:
        return None
    newest = past.query("SELECT max(ingested_at) AS newest FROM events")["newest"].iloc[0]
    return None if pd.isna(newest) else _plain(newest)


def _later_share(fold: Fold, time: str) -> float | None:
    """Mean over future events of the share of all users' past events that are later."""
    if time != "timestamp":
        return None
    past = np.sort(fold.past.query("SELECT timestamp FROM events")["timestamp"].to_numpy())
    future = fold.future.query("SELECT timestamp FROM events")["timestamp"].to_numpy()
    if not len(past) or not len(future):
        return None
    return float(np.mean(1 - np.searchsorted(past, future, side="right") / len(past)))


def _warning(fold: Fold) -> str | None:
    if fold.cutoff is not None:
        return None
    return (
        "no common cutoff: one user's past goes on after another's future, so models learn from "
        "what had not happened yet; for comparison with papers only (Ji et al., TOIS 2023)"
    )


def _plain(moment: Any) -> Any:
    return moment.isoformat() if hasattr(moment, "isoformat") else moment
