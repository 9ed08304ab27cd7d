"""Whether a log is the data set of a bundle: as of the bundle's cutoff both know about as much."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from growthlab.bundle.bundle import Bundle
from growthlab.core.errors import DataError
from growthlab.data.as_of import known_at, recorded_at
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog
from growthlab.tasks.snapshots import buyers

TOLERANCE, LEAST = 0.2, 20  # erasures and late bookings change a share, and single ones are chance
WORDS = {"n_known_users": "known users", "n_events": "events of its items"}


def check_same_data(bundle: Bundle, events: EventLog, cleaning: Cleaning | None = None) -> None:
    """Refuse a log that, up to the cutoff of the bundle's state, is not what the bundle was made of.

    Compared are the manifest's counts of customers and, for recommenders, of their events: no
    features are built. A bundle without a cutoff, or a log without times, is not checked.

    Raises
    ------
    DataError
        A count differs by more than a fifth, and by more than 20.
    """
    manifest = bundle.manifest
    known = manifest.states[manifest.version]
    if known is None or events.ordered_by != "timestamp":
        return
    for name, found in _counts(bundle, events, datetime.fromisoformat(known), cleaning).items():
        had = manifest.counts.get(name)
        if had is not None and abs(found - had) > max(TOLERANCE * had, LEAST):
            raise DataError(
                f"as of {known} this data has {found:,} {WORDS[name]}, and {bundle.folder} "
                f"{had:,}: is it the same data set? give the data.* settings that it was trained "
                "with; same_data=false only where the data lost its old events"
            )


def _counts(
    bundle: Bundle, events: EventLog, cutoff: datetime, cleaning: Cleaning | None
) -> dict[str, int]:
    """What the log has as of the cutoff, by the names that the manifest has for it."""
    maker = bundle.list_maker
    past = known_at(events, cutoff) if maker is not None else recorded_at(events, cutoff)
    if cleaning is not None:
        past = cleaning.restrict(past)
    if maker is None:
        return {"n_known_users": len(buyers(past, cutoff, None))}
    kinds = ", ".join(f"'{kind}'" for kind in bundle.manifest.history_events or ("purchase",))
    seen = past.where(f"event_type IN ({kinds}) AND item_id IS NOT NULL")
    users = seen.query("SELECT count(DISTINCT user_id) AS n FROM events")["n"].item()
    items = seen.query("SELECT item_id, count(*) AS n FROM events GROUP BY item_id")
    its_own = np.isin(items["item_id"].to_numpy(dtype=str), maker.catalogue.item_ids)
    return {"n_known_users": int(users), "n_events": int(items["n"].to_numpy()[its_own].sum())}
