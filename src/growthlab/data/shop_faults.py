"""Faults of real logs, added to a clean log in known numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.seeding import random_stream

NON_GOODS = ("POSTAGE", "MANUAL", "VOUCHER")
BOT_EVENTS = 600  # of each bot, all on one day


def add_faults(
    events: pd.DataFrame, faults: Mapping[str, float], *, seed: int
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The events with faulty ones added, and how many events each fault added.

    Clean events are not changed, so a perfect cleaning restores them. `faults` are shares of the
    clean events: ``duplicates``, ``missing_users``, ``future_dates`` (a time 400 days after
    ingestion), ``non_goods``, ``cancellations`` (a purchase and shortly after it another with minus
    its quantity: two events each), ``zero_quantities``, ``negative_prices``; or a number of users:
    ``bots``.

    Raises
    ------
    ConfigError
        An unknown fault, a share that is not between 0 and 1, a negative number of bots.
    """
    added, counts = [events], {}
    for name, amount in faults.items():
        if name not in _FAULTS:
            raise ConfigError(f"data.faults has no fault {name}: {near_matches(name, _FAULTS)}")
        if amount < 0 or (name != "bots" and amount > 1):
            possible = "0 or more bots" if name == "bots" else "a share between 0 and 1"
            raise ConfigError(f"data.faults.{name} must be {possible}, got {amount}")
        n = int(amount) if name == "bots" else round(amount * len(events))
        faulty = (
            _FAULTS[name](events, n, random_stream(seed, "fault", name)) if n else events.iloc[:0]
        )
        added.append(faulty)
        counts[name] = len(faulty)
    if not any(counts.values()):
        return events, counts
    all_events = pd.concat([frame for frame in added if len(frame)])
    return all_events.sort_values("timestamp", kind="stable", ignore_index=True), counts


def _duplicates(events: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    return _sample(events, n, rng)


def _missing_users(events: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    return _sample(events, n, rng).assign(user_id=pd.Series(dtype="str"))


def _future_dates(events: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    picked = _sample(events, n, rng)
    return picked.assign(timestamp=picked["ingested_at"] + pd.Timedelta(days=400))


def _non_goods(events: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    picked = _never_returned(events, n, rng)
    return picked.assign(item_id=pd.array(rng.choice(NON_GOODS, len(picked)), dtype="str"))


def _cancellations(events: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    bought = _never_returned(events, n, rng)
    # a customer has no other event within half an hour, so no other purchase can match
    bought["timestamp"] += pd.Timedelta(seconds=30)
    bought["ingested_at"] = bought["timestamp"]
    cancelled = bought.assign(quantity=-bought["quantity"], order_id="c" + bought["order_id"])
    cancelled["timestamp"] += pd.Timedelta(seconds=30)
    cancelled["ingested_at"] = cancelled["timestamp"]
    return pd.concat([bought, cancelled])


def _zero_quantities(events: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    return _never_returned(events, n, rng).assign(quantity=0.0)


def _negative_prices(events: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    picked = _never_returned(events, n, rng)
    return picked.assign(unit_price=-picked["unit_price"])


def _bots(events: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Users `bot0`, `bot1`, ... who each view hundreds of items on one day."""
    views = events[events["event_type"] == "view"]
    days = views["timestamp"].dt.normalize().unique()
    out = []
    for bot in range(n):
        picked = views.iloc[rng.integers(len(views), size=BOT_EVENTS)].copy()
        moments = pd.Timestamp(rng.choice(days)) + pd.to_timedelta(
            100 * np.arange(BOT_EVENTS), unit="s"
        )
        names = {"user_id": f"bot{bot}", "session_id": f"bot{bot}"}
        out.append(
            picked.assign(
                timestamp=moments.as_unit("us"), ingested_at=moments.as_unit("us"), **names
            )
        )
    return pd.concat(out)


_FAULTS: dict[str, Callable[[pd.DataFrame, int, np.random.Generator], pd.DataFrame]] = {
    "duplicates": _duplicates,
    "missing_users": _missing_users,
    "future_dates": _future_dates,
    "non_goods": _non_goods,
    "cancellations": _cancellations,
    "zero_quantities": _zero_quantities,
    "negative_prices": _negative_prices,
    "bots": _bots,
}


def _sample(events: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """`n` different events."""
    return events.iloc[rng.choice(len(events), min(n, len(events)), replace=False)].copy()


def _never_returned(events: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """`n` different purchases of items that the user never returns: no return can match a fault."""
    pairs = events["user_id"] + "\x1f" + events["item_id"]
    returned = pairs[events["event_type"] == "return"]
    return _sample(events[(events["event_type"] == "purchase") & ~pairs.isin(returned)], n, rng)
