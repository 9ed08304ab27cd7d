"""World: the settings and the assortment of a simulated shop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.seeding import random_stream
from growthlab.data.shop_words import BRANDS, CATEGORIES, COLOURS, FILLERS, STYLES

# one item per visit and order, chosen by the transitions or the taste alone
_BARE = {
    "repeat": 0.0,
    "intent": 0.0,
    "basket": 1.0,
    "views": 1.0,
    "visits_per_order": 1.5,
    "order_days": 10.0,
    "late_items": 0.0,
    "banners": 0.0,
    "newsletter_days": 0.0,
}
DYNAMICS: dict[str, dict[str, float]] = {
    "mixed": {},
    "markov": {**_BARE, "sequence": 0.9},
    "iid": {**_BARE, "sequence": 0.0},
}
SUCCESSORS = np.array([0.40, 0.25, 0.15, 0.12, 0.08])  # probability of each successor of an item
SALE_SHARE, SALE_DISCOUNT, VOUCHER_DISCOUNT = 0.12, 0.20, 0.10
HOUR_PROFILE = np.array(
    [3, 1, 1, 1, 1, 2, 6, 10, 13, 15, 16, 17, 19, 16, 14, 14, 15, 18, 23, 28, 32, 30, 20, 9]
)  # fmt: skip
WEEKDAY_PROFILE = np.array([0.96, 0.92, 0.92, 0.94, 1.02, 1.12, 1.12])  # Monday first


@dataclass(frozen=True, kw_only=True)
class World:
    """The settings of a shop, and the assortment that follows from them and the seed.

    The next item that a customer views follows the transitions of the item viewed before
    (accessories, complements) with probability `sequence`, else the customer's own taste. An order
    line is a consumable that the customer has bought before with probability `repeat`, an item from
    the cart or the favourites with probability `intent`, else an item just viewed. The defaults
    describe a small general shop and were chosen to be realistic (basket and repeat shares as in
    grocery and general retail, drop-out after about half a year, popularity by Zipf's law) before
    any model was tried; they are frozen.

    Parameters
    ----------
    items, late_items
        The number of items, and the share of them launched after the opening, over `growth_days`.
    sequence, repeat, intent
        Probabilities, see above.
    basket, views
        Mean lines of an order; mean items viewed in a visit. Both are at least 1.
    order_days, visits_per_order
        Mean days between the orders of an active customer, and visits per order (those with an order
        included).
    life_days
        Mean days until an average customer drops out.
    established
        Share of customers from before the first day; the others arrive over `growth_days`.
    banners, newsletter_days
        Share of visits that show a banner; days between two newsletters (0: none).

    Raises
    ------
    ConfigError
        A value out of its range.
    """

    seed: int = 7
    items: int = 500
    late_items: float = 0.25
    sequence: float = 0.25
    repeat: float = 0.35
    intent: float = 0.15
    basket: float = 1.9
    views: float = 2.2
    order_days: float = 24.0
    visits_per_order: float = 2.5
    life_days: float = 180.0
    established: float = 0.35
    growth_days: float = 300.0
    banners: float = 0.12
    newsletter_days: float = 28.0
    width: int = 8

    def __post_init__(self) -> None:
        for name in ("late_items", "sequence", "repeat", "intent", "established", "banners"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(
                    f"{name} must be a share between 0 and 1, got {getattr(self, name)}"
                )
        if self.repeat + self.intent > 1:
            raise ConfigError(
                f"repeat + intent must be at most 1, got {self.repeat + self.intent:g}"
            )
        for name in ("basket", "views", "visits_per_order"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("order_days", "life_days", "growth_days"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        if self.items < 2 * len(CATEGORIES):
            raise ConfigError(f"items must be at least {2 * len(CATEGORIES)}, got {self.items}")

    @classmethod
    def of(cls, dynamics: str, **settings: float | int | None) -> World:
        """The world of one of the named dynamics; settings that are not None replace its own."""
        if dynamics not in DYNAMICS:
            raise ConfigError(f"dynamics {dynamics} is unknown: {near_matches(dynamics, DYNAMICS)}")
        own = {k: v for k, v in settings.items() if v is not None}
        return cls(**{**DYNAMICS[dynamics], **own})  # type: ignore[arg-type]

    @cached_property
    def shelf(self) -> Shelf:
        """The assortment, in order of launch."""
        return Shelf.draw(self)

    def intensity(self, start: datetime, days: int) -> np.ndarray:
        """The number of visits in each hour relative to the mean, shape ``(days * 24,)``."""
        first = start.timetuple().tm_yday
        day = np.arange(days)
        season = 1 + 0.15 * np.cos(
            2 * np.pi * (first + day - 345) / 365.25
        )  # busiest before Christmas
        weekday = (WEEKDAY_PROFILE / WEEKDAY_PROFILE.mean())[(start.weekday() + day) % 7]
        return np.outer(season * weekday, HOUR_PROFILE / HOUR_PROFILE.mean()).ravel()

    def on_sale(self, week: int) -> np.ndarray:
        """Which categories are 20 % off in a week after the start, shape ``(n_categories,)``."""
        return random_stream(self.seed, "sale", week).random(len(CATEGORIES)) < SALE_SHARE

    def item_table(self, start: datetime) -> pd.DataFrame:
        """Every item with its text, category, price, launch and attributes, sorted by raw id."""
        shelf = self.shelf
        launched = [start + timedelta(days=int(d)) for d in shelf.launch]
        frame = pd.DataFrame(
            {
                "item_id": shelf.item_ids,
                "text": shelf.text,
                "category": [CATEGORIES[c].name for c in shelf.category],
                "price": shelf.price,
                "available_from": pd.Series(launched, dtype="datetime64[us]"),
                "attributes": shelf.attributes,
                "known_from": pd.Series(launched, dtype="datetime64[us]"),
            }
        )
        return frame.sort_values("item_id", ignore_index=True)


@dataclass(frozen=True)
class Shelf:
    """The items of a world as arrays, in order of launch: those for sale on a day are a prefix."""

    item_ids: np.ndarray  # (n,) str, random
    launch: np.ndarray  # (n,) whole days after the start, ascending
    category: np.ndarray  # (n,) index into CATEGORIES
    brand: np.ndarray  # (n,) index into BRANDS
    style: np.ndarray  # (n,) index into STYLES
    price: np.ndarray  # (n,)
    price_level: np.ndarray  # (n,) log price, standardised within the category
    popularity: np.ndarray  # (n,) log of Zipf's weights
    vectors: np.ndarray  # (n, width) latent item vectors
    successors: np.ndarray  # (n, 5) likely next items
    text: list[str]
    attributes: list[str]

    @classmethod
    def draw(cls, world: World) -> Shelf:
        """The assortment of a world."""
        n, rng = world.items, random_stream(world.seed, "items")
        late = np.sort(rng.integers(1, int(world.growth_days), round(n * world.late_items)))
        launch = np.concatenate([np.zeros(n - len(late), dtype=np.int64), late])
        shares = np.array([c.share for c in CATEGORIES])
        category = rng.choice(len(CATEGORIES), n, p=shares / shares.sum())
        category[: 2 * len(CATEGORIES)] = np.tile(np.arange(len(CATEGORIES)), 2)  # none is empty
        brand, style = _brands(rng, category), rng.integers(len(STYLES), size=n)
        level = rng.normal(size=n)
        medians = np.array([c.price for c in CATEGORIES])[category]
        # a brand's tier moves its prices, and prices end in 9 cents
        price = np.round(medians * np.exp(0.5 * level + 0.08 * (brand % 5 - 2)), 1) + 0.09
        ranks = rng.permutation(n) + 1
        themes = rng.normal(size=(len(STYLES), world.width))
        vectors = (themes[style] + 0.6 * rng.normal(size=(n, world.width))) / np.sqrt(world.width)
        return cls(
            item_ids=np.char.add("p", (rng.choice(90_000, n, replace=False) + 10_000).astype(str)),
            launch=launch,
            category=category,
            brand=brand,
            style=style,
            price=np.round(price, 2),
            price_level=level,
            popularity=-0.8 * np.log(ranks),
            vectors=vectors,
            successors=_successors(rng, category),
            **_descriptions(rng, category, brand, style),
        )

    @cached_property
    def consumable(self) -> np.ndarray:
        """Whether an item is used up and bought again, shape ``(n,)``, bool."""
        return np.array([c.consumable for c in CATEGORIES])[self.category]

    def for_sale(self, day: float | np.ndarray) -> np.ndarray:
        """The number of items launched by a day: they are the first ones."""
        return np.searchsorted(self.launch, day, side="right")

    @cached_property
    def transitions(self) -> csr_matrix:
        """P(next item | item) where the sequence decides, shape ``(n, n)``; rows sum to 1."""
        n = len(self.launch)
        rows = np.repeat(np.arange(n), len(SUCCESSORS))
        return csr_matrix((np.tile(SUCCESSORS, n), (rows, self.successors.ravel())), shape=(n, n))


def _brands(rng: np.random.Generator, category: np.ndarray) -> np.ndarray:
    """A brand for each item, from the brands of its category (each brand has a few categories)."""
    homes = rng.random((len(CATEGORIES), len(BRANDS))) < 0.25
    homes[np.arange(len(CATEGORIES)), np.arange(len(CATEGORIES)) * 2] = True
    weights = homes / homes.sum(axis=1, keepdims=True)
    cumulative = np.cumsum(weights, axis=1)[category]
    return np.minimum((cumulative < rng.random((len(category), 1))).sum(axis=1), len(BRANDS) - 1)


def _successors(rng: np.random.Generator, category: np.ndarray) -> np.ndarray:
    """Five successors of each item: three of the companion category, two of its own."""
    members = [np.flatnonzero(category == c) for c in range(len(CATEGORIES))]
    out = np.empty((len(category), len(SUCCESSORS)), dtype=np.int64)
    for item, c in enumerate(category):
        own = members[c][members[c] != item]
        companions = members[CATEGORIES[c].companion]
        drawn = [*rng.permutation(companions)[:3], *rng.permutation(own)[:2]]
        drawn += list(rng.permutation(np.setdiff1d(np.arange(len(category)), [item, *drawn])))
        out[item] = rng.permutation(drawn[: len(SUCCESSORS)])
    return out


def _descriptions(
    rng: np.random.Generator, category: np.ndarray, brand: np.ndarray, style: np.ndarray
) -> dict[str, list[str]]:
    """A name of four to seven words and the attributes of each item."""
    texts, attributes = [], []
    for c, b, s in zip(category, brand, style, strict=True):
        words = [BRANDS[b], *rng.permutation(STYLES[s][1])[: rng.integers(1, 3)]]
        words += [
            *rng.permutation(CATEGORIES[c].words.split())[: rng.integers(1, 3)],
            rng.choice(FILLERS),
        ]
        colour = str(rng.choice(COLOURS))
        texts.append(" ".join(map(str, words)))
        attributes.append(f"brand={BRANDS[b]}|style={STYLES[s][0]}|colour={colour}")
    return {"text": texts, "attributes": attributes}
