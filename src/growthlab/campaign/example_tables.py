"""Example tables of a campaign for the buyers of any event log: what each column looks like."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from growthlab.campaign.offer_values import HEURISTIC
from growthlab.core.atomic_write import atomic_folder
from growthlab.core.errors import ConfigError, DataError
from growthlab.core.seeding import random_stream
from growthlab.data.event_log import EventLog
from growthlab.pages.csv_table import csv_of_table

BUYERS = """
    SELECT user_id, count(DISTINCT timestamp) AS orders, sum(quantity * unit_price) AS spend,
        max(timestamp) AS last
    FROM events WHERE event_type = 'purchase' GROUP BY user_id ORDER BY user_id
"""
SEGMENTS = ("occasional", "regular", "best")  # thirds by spend
HALF_LIFE_DAYS = 90.0


def write_example(log: EventLog, folder: Path) -> list[Path]:
    """Write the tables of a campaign in the week after the log; the paths.

    Customers, segments and values come from the log: what an order of theirs costs, halved for every 90
    days without one. Consent and earlier contacts are drawn at random.

    Raises
    ------
    ConfigError, DataError
        The folder is there already, or the log has no purchases with prices.
    """
    if folder.exists():
        raise ConfigError(f"{folder} is there already: name another folder with tables=")
    buyers = log.query(BUYERS)
    buyers = buyers[buyers["spend"] > 0].reset_index(drop=True)
    if buyers.empty:
        raise DataError("the example needs purchases with prices")
    start = pd.Timestamp(buyers["last"].max()).normalize() + pd.Timedelta(days=1)
    tables = {
        "customers": _customers(buyers),
        "channels": _channels(),
        "slots": _slots(start, len(buyers)),
        "consent": _consent(buyers),
        "contacts": _contacts(buyers, start),
        "values": _values(buyers, start),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(folder) as new:
        for name, table in tables.items():
            (new / f"{name}.csv").write_text(csv_of_table(table), encoding="utf-8")
        offers = yaml.safe_dump(_offers(start, len(buyers)), sort_keys=False)
        (new / "offers.yaml").write_text(offers, encoding="utf-8")
    return sorted(folder.iterdir())


def _customers(buyers: pd.DataFrame) -> pd.DataFrame:
    third = np.minimum((buyers["spend"].rank(method="first", pct=True) * 3).astype(int), 2)
    return pd.DataFrame(
        {"customer": buyers["user_id"], "segment": [SEGMENTS[place] for place in third]}
    )


def _offers(start: datetime, n: int) -> list[dict[str, object]]:
    """One offer each: for everybody, for a segment with a stock, and a discount that was reviewed."""
    end = str(start + timedelta(days=7))
    return [
        {"offer": "new arrivals", "cost": 0, "margin": 0.3},
        {"offer": "free delivery", "cost": 4, "margin": 0.5, "end": end},
        {
            "offer": "sample for the best", "cost": 6, "margin": 0.6, "segments": "best",
            "stock": max(n // 20, 1),
        },
        {
            "offer": "ten off", "cost": 10, "margin": 0.8, "segments": "occasional|regular",
            "changes_price": True, "price_review": "approved by pricing",
        },
    ]  # fmt: skip


def _channels() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "channel": ["email", "sms", "post"],
            "cost": [0.02, 0.08, 0.7],
            "budget": [None, 100.0, 150.0],
            "quiet_from": [None, 21.0, None],
            "quiet_to": [None, 8.0, None],
            "response_multiplier": [None, None, None],
        }
    )


def _slots(start: datetime, n: int) -> pd.DataFrame:
    hours = {"email": (9, 18), "sms": (12, 18), "post": (9,)}
    rows = [
        (channel, start + timedelta(days=day, hours=hour), max(n // 6, 1))
        for channel, at in hours.items()
        for day in range(4)
        for hour in at
    ]
    return pd.DataFrame(rows, columns=["channel", "slot", "capacity"])


def _consent(buyers: pd.DataFrame) -> pd.DataFrame:
    drawn = random_stream(0, "example consent").random((len(buyers), 3))
    channels = ["email", "sms", "post"]
    shares = np.array([0.8, 0.5, 0.6])
    return pd.DataFrame(
        {
            "customer": np.repeat(buyers["user_id"].to_numpy(), 3),
            "purpose": "marketing",
            "channel": channels * len(buyers),
            "given": (drawn < shares).ravel(),
        }
    )


def _contacts(buyers: pd.DataFrame, start: datetime) -> pd.DataFrame:
    stream = random_stream(0, "example contacts")
    n = len(buyers)
    customer = stream.integers(0, n, n)
    days = stream.integers(1, 30, n)
    table = pd.DataFrame(
        {
            "customer": buyers["user_id"].to_numpy()[customer],
            "channel": np.array(["email", "sms"])[stream.integers(0, 2, n)],
            "sent": [start - timedelta(days=int(day)) + timedelta(hours=10) for day in days],
        }
    )
    return table.drop_duplicates(ignore_index=True)


def _values(buyers: pd.DataFrame, start: datetime) -> pd.DataFrame:
    """An offer a row, for all channels."""
    idle = (pd.Timestamp(start) - buyers["last"]).dt.total_seconds() / 86_400
    expected = buyers["spend"] / buyers["orders"] * 0.5 ** (idle / HALF_LIFE_DAYS)
    names = [str(offer["offer"]) for offer in _offers(start, len(buyers))]
    table = pd.DataFrame(
        {
            "customer": np.repeat(buyers["user_id"].to_numpy(), len(names)),
            "offer": names * len(buyers),
            HEURISTIC: np.repeat(expected.to_numpy().round(2), len(names)),
        }
    )
    table["spread"] = (0.3 * table[HEURISTIC]).round(2)
    table["buys"] = np.repeat((0.5 ** (idle.to_numpy() / HALF_LIFE_DAYS) / 2).round(3), len(names))
    table["model"] = "spend an order, halved every 90 days"
    return table
