"""The simulated shop: events of customers whose tastes, drop-out and spending are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.progress import progress
from growthlab.data.event_log import EventLog
from growthlab.data.shop_customers import Population
from growthlab.data.shop_faults import add_faults
from growthlab.data.shop_truth import ShopTruth
from growthlab.data.shop_visits import Clock, Message, ShopEvent, simulate_visits
from growthlab.data.shop_world import World
from growthlab.data.source import Source

OFFERS = {"none": 0.0, "discount_10": 0.10, "discount_20": 0.20}
MICROSECONDS = 1_000_000


class ShopTables(NamedTuple):
    """The tables that a shop records, with the columns of an `EventLog`."""

    events: pd.DataFrame
    items: pd.DataFrame
    users: pd.DataFrame


def generate(
    world: World, start: datetime, days: int, users: int, exposures: pd.DataFrame | None = None
) -> ShopTables:
    """The events of the first `users` customers of a world in ``[start, start + days)``.

    Each customer has their own random streams: with more users the events of the first ones are the
    same, with more days the earlier days are the same, and exposures change nothing for other
    customers and nothing before the message. `unit_price` is the price paid for one piece,
    `discount` the share taken off the list price. Returns and reviews are recorded (`ingested_at`)
    days after they happened.

    Parameters
    ----------
    exposures
        A campaign: columns user_id, day (from 0, sent at 10:00), channel, offer (none, discount_10,
        discount_20). A message may cause a visit, with or without an order, or make the customer
        drop out.

    Raises
    ------
    DataError
        Exposures with a missing column, an unknown user or an unknown offer.
    """
    population = Population(world, users)
    clock = Clock(world.intensity(start, days))
    messages = _messages(exposures, {c.user_id: c.number for c in population.customers})
    events: list[ShopEvent] = []
    for customer in progress(population.customers, "simulating customers"):
        events += simulate_visits(world, customer, clock, days, messages.get(customer.number, ()))[
            0
        ]
    items = world.item_table(start)
    end = pd.Timestamp(start) + pd.Timedelta(days=days)
    return ShopTables(
        events=_events_frame(world, start, events),
        items=items[items["available_from"] < end].reset_index(drop=True),
        users=population.user_table(start, days),
    )


@dataclass(frozen=True, kw_only=True)
class SimulatedShop(Source):
    """A small general shop of about 2,000 customers and 500 items; no two seeds are the same shop.

    The defaults, here and in `World`, were chosen to be realistic before any model was tried on the
    shop, and are frozen: results mean something only as long as the shop is not adjusted to a model.
    `users` counts all customers who come within the first `World.growth_days`; those who arrive
    after the last day are not in the log. Settings that are None follow from the `dynamics`:
    ``mixed`` (tastes, repeats, wishes and sequences), ``markov`` (the next item depends on the last),
    ``iid`` (each item is drawn from the customer's taste alone).

    Raises
    ------
    ConfigError
        A setting out of its range, or unknown dynamics or faults.
    """

    name: ClassVar[str] = "simulated_shop"
    filter_seen: str = "none"
    filter_seen_reason: str = "the shop sells consumables, which are bought again"
    horizon_days: float | None = 28.0
    activity_days: float | None = 90.0
    history_events: tuple[str, ...] = ("view", "favourite", "cart", "purchase")
    target_events: tuple[str, ...] = ("purchase",)
    seed: int = 7
    start: str = "2025-01-01"
    days: int = 240
    users: int = 2_300
    items: int = 500
    dynamics: str = "mixed"
    sequence: float | None = None
    repeat: float | None = None
    faults: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("days", "users"):
            if getattr(self, name) < 1:
                raise ConfigError(f"data.{name} must be at least 1, got {getattr(self, name)}")
        assert self.world is not None  # building them checks the settings
        assert self.opening is not None

    @property
    def opening(self) -> datetime:
        """The first moment of the log."""
        try:
            return datetime.fromisoformat(self.start)
        except ValueError:
            raise ConfigError(
                f"data.start must be a date like 2025-01-01, got {self.start}"
            ) from None

    @property
    def world(self) -> World:
        """The world that the settings describe."""
        settings = {"sequence": self.sequence, "repeat": self.repeat}
        return World.of(self.dynamics, seed=self.seed, items=self.items, **settings)

    def tables(self) -> ShopTables:
        """The shop's tables without faults."""
        return generate(self.world, self.opening, self.days, self.users)

    def read(self) -> EventLog:
        """The shop's log, with the configured faults."""
        return self.generate_with_faults()[0]

    def generate_with_faults(self) -> tuple[EventLog, dict[str, int]]:
        """The log, and the number of events that each fault added."""
        tables = self.tables()
        events, counts = add_faults(tables.events, self.faults, seed=self.seed)
        return EventLog.from_frames(events, tables.items, tables.users, name=self.name), counts

    def truth(self) -> ShopTruth:
        """The true tastes, drop-out and spending of the customers."""
        return ShopTruth(self.world, self.opening, self.users)


def _messages(exposures: pd.DataFrame | None, numbers: dict[str, int]) -> dict[int, list[Message]]:
    """The messages of a campaign, by customer number."""
    if exposures is None:
        return {}
    missing = [c for c in ("user_id", "day", "channel", "offer") if c not in exposures]
    if missing:
        raise DataError(
            f"exposures have no column {missing[0]}: user_id, day, channel, offer are needed"
        )
    out: dict[int, list[Message]] = {}
    columns = (exposures[c].tolist() for c in ("user_id", "day", "channel", "offer"))
    for user_id, day, channel, offer in zip(*columns, strict=True):
        if user_id not in numbers:
            raise DataError(f"exposures name a user {user_id} who is not in this shop")
        if day < 0:
            raise DataError(f"exposures have a day {day}: days are counted from 0, the start")
        if offer not in OFFERS:
            raise DataError(
                f"exposures have an unknown offer {offer}: {near_matches(offer, OFFERS)}"
            )
        out.setdefault(numbers[user_id], []).append(Message(int(day), channel, OFFERS[offer]))
    return out


def _events_frame(world: World, start: datetime, rows: list[ShopEvent]) -> pd.DataFrame:
    """The events as a table, sorted by time and user."""
    frame = pd.DataFrame(rows, columns=ShopEvent._fields)
    origin = np.datetime64(start, "us")
    ids = np.array([*world.shelf.item_ids, None], dtype=object)  # code -1, the last: no item

    def moments(seconds: pd.Series) -> np.ndarray:
        micros = seconds.to_numpy(dtype=np.int64) * MICROSECONDS
        return origin + micros.astype("timedelta64[us]")

    events = pd.DataFrame(
        {
            "user_id": [f"u{n:06d}" for n in frame["user"]],
            "item_id": pd.Series(ids[frame["item"].to_numpy(dtype=np.int64)], dtype="str"),
            "event_type": frame["kind"].astype("str"),
            "timestamp": moments(frame["second"]),
            "ingested_at": moments(frame["ingested"]),
            "quantity": frame["quantity"].astype("float64"),
            "unit_price": frame["price"].astype("float64"),
            "discount": frame["discount"].astype("float64"),
            "rating": frame["rating"].astype("float64"),
            "order_id": frame["order"].astype("str"),
            "session_id": frame["session"].astype("str"),
            "channel": frame["channel"].astype("str"),
            "query": frame["query"].astype("str"),
        }
    )
    by = ["timestamp", "user_id"]
    return events.sort_values(by, kind="stable", ignore_index=True)
