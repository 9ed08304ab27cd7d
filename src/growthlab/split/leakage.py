"""The leakage report of a fold: whether past and future overlap, and how much of the future is new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from growthlab.data.as_of import untimed_columns
from growthlab.data.event_log import EventLog
from growthlab.data.sql_text import quoted_text
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
    n_tied, n_later = _borders(fold, time)
    if fold.cutoff is not None:
        clean = newest is None or oldest is None or bool(newest < oldest)  # type: ignore[operator]
    else:
        clean = not n_later
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
        "users_tied_at_border": n_tied,
        "later_past_share": None if fold.cutoff is not None else _later_share(fold, time),
        "untimed_columns": untimed_columns(fold.past, table_columns),
        **_novelty(fold, history_events, target_events),
    }


def _novelty(
    fold: Fold, history_events: Sequence[str], target_events: Sequence[str]
) -> dict[str, Any]:
    """Counts of both parts, and the cold users, cold items and repeats of the future."""
    past, owned = (
        f"SELECT * FROM events WHERE {_of_types(t)}" for t in (history_events, target_events)
    )
    future = f"SELECT * FROM {fold.future.stored_events} WHERE {_of_types(target_events)}"
    known_items = f"{future} AND item_id IS NOT NULL"

    def lacking(column: str, rows: str, part: str) -> int:
        """How many values of a column in some rows of the future are in no row of a part of the past."""
        return _number(
            fold.past, f"count(DISTINCT {column})", f"({rows}) ANTI JOIN ({part}) USING ({column})"
        )

    counts = _counts(fold.future, target_events)
    pairs = f"(SELECT DISTINCT user_id, item_id FROM ({known_items}))"
    repeats = f"{pairs} SEMI JOIN ({owned}) USING (user_id, item_id)"
    return {
        "past": _counts(fold.past, history_events),
        "future": counts,
        "cold_users": _share(lacking("user_id", future, past), counts["users"]),
        "cold_items": _share(lacking("item_id", known_items, past), counts["items"]),
        "repeats": _share(
            _number(fold.past, "count(*)", repeats), _number(fold.past, "count(*)", pairs)
        ),
    }


def _of_types(event_types: Sequence[str]) -> str:
    """SQL for events of these types."""
    return f"event_type IN ({', '.join(quoted_text(t) for t in event_types)})"


def _number(log: EventLog, value: str, rows: str) -> int:
    """A number of some rows."""
    return int(log.query(f"SELECT {value} AS n FROM {rows}")["n"].iloc[0])


def _counts(log: EventLog, event_types: Sequence[str]) -> dict[str, int]:
    counted = log.query(
        "SELECT count(*) AS events, count(DISTINCT user_id) AS users, count(DISTINCT item_id) AS items "
        f"FROM events WHERE {_of_types(event_types)}"
    )
    return {str(name): int(n) for name, n in counted.iloc[0].items()}


def _share(part: int, whole: int) -> dict[str, float | int | None]:
    return {"count": part, "share": part / whole if whole else None}


def _borders(fold: Fold, time: str) -> tuple[int, int]:
    """How many users have their newest past event with their oldest future event, and how many later."""
    future = fold.future.stored_events
    counted = fold.past.query(
        "SELECT count(*) FILTER (newest = oldest) AS tied, count(*) FILTER (newest > oldest) AS later FROM "
        f"(SELECT user_id, max({time}) AS newest FROM events GROUP BY user_id) JOIN "
        f"(SELECT user_id, min({time}) AS oldest FROM {future} GROUP BY user_id) USING (user_id)"
    )
    return int(counted["tied"].iloc[0]), int(counted["later"].iloc[0])


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
    future = np.sort(fold.future.query("SELECT timestamp FROM events")["timestamp"].to_numpy())
    n_past = n_pairs = 0
    for part in fold.past.parts():
        past = part.query("SELECT timestamp FROM events")["timestamp"].to_numpy()
        n_past += len(past)
        n_pairs += int(np.searchsorted(future, past, side="left").sum())  # a future event before it
    return n_pairs / (n_past * len(future)) if n_past and len(future) else None


def _warning(fold: Fold) -> str | None:
    if fold.cutoff is not None:
        return None
    return (
        "no common cutoff: one user's past goes on after another's future, so models learn from "
        "what had not happened yet; for comparison with papers only (Ji et al., TOIS 2023)"
    )


def _plain(moment: Any) -> Any:
    return moment.isoformat() if hasattr(moment, "isoformat") else moment
