"""A small shop with all that cleaning and features know of, for two engines."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog

SNAPSHOT = datetime(2025, 3, 20)
CLEANING = Cleaning(
    non_goods=("POST",), cancellations="match", until="2025-04-01", bot_events_a_day=50
)


def shop() -> EventLog:
    """Twelve customers over three months, with all that cleaning and features know of.

    Each has sessions of a view and a purchase; some lines are recorded twice, some are returned in
    whole or in part, some have no user, item, quantity, price, order or session, some the same time.
    """
    rng = np.random.default_rng(5)
    n = 400
    day = rng.integers(0, 85, n)
    # whole hours, so that many events of a customer have equal times
    times = pd.Timestamp("2025-01-01") + pd.to_timedelta(day * 24 + rng.integers(0, 24, n), "h")
    events = pd.DataFrame(
        {
            "user_id": rng.choice([f"u{i}" for i in range(12)], n),
            "item_id": rng.choice([f"i{i}" for i in range(9)], n),
            "event_type": rng.choice(
                ["view", "purchase", "cart", "review"], n, p=[0.3, 0.5, 0.1, 0.1]
            ),
            "timestamp": times + pd.to_timedelta(rng.integers(0, 2, n) * 123_457, "us"),
            "quantity": rng.integers(1, 4, n).astype(float),
            "unit_price": rng.integers(1, 2000, n) / 100,
            "discount": rng.choice([0.0, 0.5, np.nan], n),
            "rating": np.where(rng.random(n) < 0.2, rng.integers(1, 6, n), np.nan),
            "order_id": [
                f"o{d}-{h}" if h else None for d, h in zip(day, rng.integers(0, 3, n), strict=True)
            ],
            "session_id": rng.choice(["s1", "s2", "s3", None], n),
            "channel": rng.choice(["web", "app", "überall", None], n),
        }
    )
    lost = rng.permutation(n)
    events.loc[lost[:4], "user_id"] = None
    events.loc[lost[4:12], ["item_id", "quantity"]] = None
    events.loc[lost[12:20], "unit_price"] = np.nan
    late = (events["user_id"] == "u5") & (events["timestamp"] >= "2025-03-01")
    events.loc[late, "unit_price"] = np.nan  # of no line of the customer's last days
    events.loc[lost[20:23], "quantity"] = 0.0
    events.loc[lost[23:26], "item_id"] = "POST"
    events.loc[lost[26:28], "timestamp"] = pd.Timestamp("2026-01-01")
    bought = events[events["event_type"] == "purchase"].iloc[:25]
    returned = bought.assign(
        event_type="return",
        quantity=-1.0,
        timestamp=bought["timestamp"] + pd.to_timedelta(np.arange(25) * 36, "h"),
    )
    returned.loc[returned.index[:3], "quantity"] = 9.0  # of which nothing was bought
    all_events = pd.concat([events, events.iloc[:15], returned], ignore_index=True)
    all_events["ingested_at"] = all_events["timestamp"] + pd.Timedelta("2h")
    items = pd.DataFrame(
        {
            "item_id": [f"i{i}" for i in range(10)],
            "category": ["tea", "cups", None, "tea", "cups", "tea", "pots", "pots", "tea", "tea"],
            "price": np.arange(10) + 0.5,
            "available_from": pd.Timestamp("2025-01-01"),
        }
    )
    users = pd.DataFrame({"user_id": [f"u{i}" for i in range(12)], "tier": ["a", "b", None] * 4})
    return EventLog.from_frames(all_events, items, users, name="shop")
