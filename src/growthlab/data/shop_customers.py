"""The customers of a simulated shop: attributes, arrival, drop-out, rates and tastes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import pandas as pd

from growthlab.core.seeding import random_stream
from growthlab.data.kinds import KNOWN_FROM
from growthlab.data.shop_words import (
    ACQUISITION,
    AGE_BANDS,
    BRANDS,
    CATEGORIES,
    GENDERS,
    PURPOSES,
    REGIONS,
)
from growthlab.data.shop_world import VOUCHER_DISCOUNT, World

# drop-out rate of the customers of each acquisition channel, relative to the average
DROP_BY_ACQUISITION = np.array([0.9, 1.2, 1.6, 0.6, 0.8])
ACQUISITION_SHARES = np.array([0.30, 0.20, 0.20, 0.10, 0.20])
AGE_SHARES = np.array([0.15, 0.28, 0.30, 0.18, 0.09])
CONSENT_SHARES = np.array([0.80, 0.65, 0.30, 0.45, 0.70])  # of PURPOSES
MOST_PIECES = 12
# the sizes of a customer's block of draws: fixed, so that more customers or days change no draw
N_NORMAL, N_UNIFORM = 64, 24


@dataclass(frozen=True)
class Customer:
    """A customer, drawn from their own random stream; rates are per day, times days after the start."""

    number: int
    arrival: float  # 0 for customers from before the start
    established: bool
    order_rate: float
    browse_rate: float
    drop_rate: float
    leaves: float  # the day of drop-out, which the shop does not observe
    extra_pieces: tuple[float, float]  # mean pieces beyond the first: durable, consumable
    voucher_rate: float
    app_share: float
    response: float  # P(click | message)
    persuasion: float  # P(order | click), before an offer
    annoyance: float  # P(dropping out | message)
    attributes: tuple[str, ...]  # age band, gender, region, acquisition
    consents: tuple[bool, ...]  # of PURPOSES
    draws: np.ndarray  # (N_NORMAL,) standard normals behind the taste

    @property
    def user_id(self) -> str:
        """The raw id."""
        return f"u{self.number:06d}"

    @property
    def visit_rate(self) -> float:
        """Visits a day, orders included."""
        return self.order_rate + self.browse_rate

    @classmethod
    def draw(cls, world: World, number: int) -> Customer:
        """Customer `number` of a world, independent of the number of customers."""
        rng = random_stream(world.seed, "customer", number)
        z, u = rng.normal(size=N_NORMAL), rng.random(N_UNIFORM)
        activity, visits, drop, lifetime = rng.standard_gamma([1.4, 3.0, 2.0, 1.0])
        age = int(np.searchsorted(np.cumsum(AGE_SHARES), u[0]))
        acquisition = int(np.searchsorted(np.cumsum(ACQUISITION_SHARES), u[1]))
        established = bool(u[2] < world.established)
        arrival = 0.0 if established else float(u[3] * world.growth_days)
        order_rate = activity / 1.4 / world.order_days
        drop_rate = drop / 2.0 / world.life_days * DROP_BY_ACQUISITION[acquisition]
        spend = np.exp(0.4 * z[0])
        return cls(
            number=number,
            arrival=arrival,
            established=established,
            order_rate=order_rate,
            browse_rate=visits / 3.0 * (world.visits_per_order - 1) * order_rate,
            drop_rate=drop_rate,
            leaves=arrival + lifetime / drop_rate,
            extra_pieces=(0.1 * spend, 0.6 * spend),
            voucher_rate=float(0.1 + 0.3 * u[4]),
            app_share=float(u[5] ** (0.6 + 0.4 * age)),
            response=float(0.02 + 0.25 * u[6] ** 2),
            persuasion=float(0.05 + 0.3 * u[7]),
            annoyance=float(0.02 * u[8] ** 3),
            attributes=(
                AGE_BANDS[min(age, len(AGE_BANDS) - 1)],
                GENDERS[int(np.searchsorted([0.5, 0.92], u[9]))],
                REGIONS[int(u[10] * len(REGIONS))],
                ACQUISITION[acquisition],
            ),
            consents=tuple((u[11 : 11 + len(PURPOSES)] < CONSENT_SHARES).tolist()),
            draws=z,
        )

    def taste(self, world: World) -> np.ndarray:
        """Logits of the customer's choice among all items, shape ``(n_items,)``.

        Popularity plus the customer's preference for category, brand, price level and item vectors.
        """
        shelf, z = world.shelf, self.draws
        n_categories, n_brands = len(CATEGORIES), len(BRANDS)
        by_age = _AGE_TASTE[AGE_BANDS.index(self.attributes[0])]
        category = 1.2 * z[1 : 1 + n_categories] + by_age
        brand = 0.6 * z[12 : 12 + n_brands]
        vector = 1.2 * z[40 : 40 + world.width]
        price = 0.3 * z[0] - 0.15 + 0.4 * z[39]  # high spenders prefer expensive items
        return (
            shelf.popularity
            + category[shelf.category]
            + brand[shelf.brand]
            + shelf.vectors @ vector
            + price * shelf.price_level
        )

    def mean_pieces(self, consumable: np.ndarray) -> np.ndarray:
        """Expected pieces of an order line, by whether the item is consumable."""
        of_durable, of_consumable = (1 + _mean_extra(e) for e in self.extra_pieces)
        return np.where(consumable, of_consumable, of_durable)

    def pieces(self, uniform: float, consumable: bool) -> int:
        """Pieces of an order line: one plus a geometric number."""
        mean_extra = self.extra_pieces[consumable]
        extra = int(np.log1p(-uniform) / np.log(mean_extra / (1 + mean_extra)))
        return 1 + min(extra, MOST_PIECES - 1)

    @property
    def mean_voucher(self) -> float:
        """Expected share of the price that vouchers take off."""
        return self.voucher_rate * VOUCHER_DISCOUNT


# preference of each age band for each category, relative to the average
_AGE_TASTE = np.array(
    [
        [0.0, 0.2, 0.3, -0.3, 0.5, 0.3, -0.4, -0.2, 0.5, -0.3],
        [0.2, 0.1, 0.2, -0.1, 0.3, 0.3, 0.0, 0.1, 0.3, 0.1],
        [0.1, 0.0, 0.0, 0.2, 0.0, 0.1, 0.2, 0.2, 0.0, 0.6],
        [0.1, 0.0, 0.0, 0.2, -0.2, -0.2, 0.3, 0.3, -0.3, 0.1],
        [0.0, 0.1, -0.2, 0.3, -0.4, -0.6, 0.2, 0.2, -0.6, 0.3],
    ]
)


def _mean_extra(extra: float) -> float:
    ratio = extra / (1 + extra)
    return ratio * (1 - ratio ** (MOST_PIECES - 1)) / (1 - ratio)


@dataclass(frozen=True)
class Population:
    """The first `n_users` customers of a world."""

    world: World
    n_users: int

    @cached_property
    def customers(self) -> list[Customer]:
        """Every customer, by number."""
        return [Customer.draw(self.world, i) for i in range(self.n_users)]

    def user_table(self, start: datetime, days: float) -> pd.DataFrame:
        """The customers who arrive within the days, with attributes and consents, sorted by id."""
        present = [c for c in self.customers if c.arrival < days]
        names = ("age_band", "gender", "region", "acquisition")
        frame = pd.DataFrame({"user_id": [c.user_id for c in present]})
        for k, name in enumerate(names):
            frame[name] = [c.attributes[k] for c in present]
        for k, purpose in enumerate(PURPOSES):
            frame[f"consent_{purpose}"] = [c.consents[k] for c in present]
        arrivals = [start + timedelta(days=c.arrival) for c in present]
        frame[KNOWN_FROM] = pd.Series(arrivals, dtype="datetime64[us]")
        return frame
