"""Whether a log is the data set of a bundle: at the bundle's cutoff both have similar counts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Manifest
from growthlab.core.errors import BundleError, DataError
from growthlab.core.pseudonyms import PLAIN, PSEUDONYM
from growthlab.data.as_of import known_at, recorded_at
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog
from growthlab.tasks.snapshots import buyer_ids

TOLERANCE = 0.2  # share of a count that erasures and late bookings may change
SMALLEST = 20  # difference that counts at all: a few more or fewer are chance
WORDS = {"n_known_users": "known users", "n_events": "events of its items"}


def check_same_data(bundle: Bundle, events: EventLog, cleaning: Cleaning | None = None) -> None:
    """Refuse a log that, at the cutoff of the bundle's state, is not what the bundle was made from.

    The manifest's counts of customers and, for lists, of their events are compared; no features are
    built. A bundle without a cutoff and a log without times are not checked.

    Raises
    ------
    DataError
        A count differs by more than a fifth, and by more than 20.
    """
    manifest = bundle.manifest
    known = manifest.states[manifest.version]
    if known is None or events.ordered_by != "timestamp":
        return
    for name, count in _counts(bundle, events, datetime.fromisoformat(known), cleaning).items():
        expected = manifest.counts.get(name)
        if expected is not None and abs(count - expected) > max(TOLERANCE * expected, SMALLEST):
            raise DataError(
                f"as of {known} this data has {count:,} {WORDS[name]}, and {bundle.folder} "
                f"{expected:,}: is it the same data set? give the data.* settings that it was trained "
                "with; same_data=false only where the data lost its old events"
            )


def require_same_names(manifest: Manifest, key_fingerprint: str | None, folder: Path) -> None:
    """Raise a `BundleError` where the data does not name its customers as the bundle's data did."""
    here = PLAIN if key_fingerprint is None else PSEUDONYM
    if here != manifest.user_ids:
        raise BundleError(
            f"{folder} was made from data with privacy.user_ids={manifest.user_ids}, and this data has "
            f"{here}: set privacy.user_ids={manifest.user_ids}, or export the model again"
        )


def _counts(
    bundle: Bundle, events: EventLog, cutoff: datetime, cleaning: Cleaning | None
) -> dict[str, int]:
    """The counts of the log at the cutoff, under the manifest's names."""
    maker = bundle.list_maker
    if cleaning is not None:
        events = cleaning.without_bots(events, cutoff)
    past = known_at(events, cutoff) if maker is not None else recorded_at(events, cutoff)
    if cleaning is not None:
        past = cleaning.restrict(past)
    if maker is None:
        return {"n_known_users": len(buyer_ids(past, cutoff, None))}
    kinds = ", ".join(f"'{kind}'" for kind in bundle.manifest.history_events or ("purchase",))
    seen = past.where(f"event_type IN ({kinds}) AND item_id IS NOT NULL")
    users = seen.query("SELECT count(DISTINCT user_id) AS n FROM events")["n"].item()
    items = seen.query("SELECT item_id, count(*) AS n FROM events GROUP BY item_id")
    in_catalogue = np.isin(items["item_id"].to_numpy(dtype=str), maker.catalogue.item_ids)
    return {"n_known_users": int(users), "n_events": int(items["n"].to_numpy()[in_catalogue].sum())}
