"""The items of a market, what they are called, and how popular and how cheap they are in a week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from growthlab.data.kinds import KNOWN_FROM
from growthlab.data.market.draws import Draws
from growthlab.data.market.parameters import MarketParameters
from growthlab.data.shop_words import BRANDS, CATEGORIES, COLOURS, FILLERS, STYLES

DAYS, WEEK = 28, 7  # of a month, and of a week
WEEKS = DAYS // WEEK


@dataclass(frozen=True)
class MarketItems:
    """The items, in an order that says nothing; months and weeks count from the opening of the market.

    What an item's words say of it (brand, style, category) and its price are all that customers like
    or dislike in it, beside its popularity: a new item's words say what it will be like.
    """

    parameters: MarketParameters
    draws: Draws
    launch_month: np.ndarray  # (n,) int: from which month on it is for sale
    category: np.ndarray  # (n,) place in the parameters' categories
    brand: np.ndarray  # (n,) place in BRANDS
    style: np.ndarray  # (n,) place in STYLES
    level: np.ndarray  # (n,) log price, in deviations from the median of its category
    price: np.ndarray  # (n,)
    popularity: np.ndarray  # (n,) log weight at the opening
    item_ids: np.ndarray  # (n,) str
    text: list[str]
    attributes: list[str]

    @classmethod
    def draw(cls, parameters: MarketParameters, draws: Draws, n: int) -> MarketItems:
        """An assortment of `n` items, at least two a category."""
        rng, items = draws.world("items"), parameters.items
        shares = parameters.by_category("assortment")
        category = rng.choice(len(shares), n, p=shares / shares.sum())
        category[: 2 * len(shares)] = np.tile(np.arange(len(shares)), 2)
        months = max(int(parameters.customers["arrival_days"]) // DAYS, 1)
        late = rng.random(n) < items["late"]
        late[: len(shares)] = False  # each category has something on the first day
        level = rng.normal(size=n)
        price = parameters.by_category("price")[category] * np.exp(items["price_spread"] * level)
        brand, style = rng.integers(len(BRANDS), size=n), rng.integers(len(STYLES), size=n)
        names = parameters.category_names
        text, attributes = _descriptions(rng, [names[c] for c in category], brand, style)
        return cls(
            parameters=parameters,
            draws=draws,
            launch_month=np.where(late, rng.integers(1, months + 1, n), 0),
            category=category,
            brand=brand,
            style=style,
            level=level,
            price=np.round(np.round(price, 1) + 0.09, 2),
            popularity=-items["zipf"] * np.log(rng.permutation(n) + 1),
            item_ids=np.char.add(
                "i", (rng.choice(900_000, n, replace=False) + 100_000).astype(str)
            ),
            text=text,
            attributes=attributes,
        )

    def __len__(self) -> int:
        return len(self.category)

    def weights(self, month: int) -> np.ndarray:
        """Log popularity in a month, after drift, moving styles and fads; -inf before the launch."""
        items = self.parameters.items
        log_weight = self.popularity.copy()
        for past in range(1, month + 1):
            rng = self.draws.world("popularity", past)
            log_weight += items["drift"] * rng.normal(size=len(self))
            log_weight += items["style_drift"] * rng.normal(size=len(STYLES))[self.style]
            fad = rng.random(len(self)) < items["fads"]
            faded = 0.5 ** ((month - past) / items["fad_months"])
            log_weight += items["fad_size"] * faded * fad
        return np.where(self.launch_month <= month, log_weight, -np.inf)

    def depths(self, month: int) -> np.ndarray:
        """The share off each item's list price in each week of a month, shape ``(WEEKS, n)``."""
        promotions = self.parameters.promotions
        rng = self.draws.world("promotions", month)
        promoted = rng.random((WEEKS, len(self))) < promotions["share"]
        return np.where(promoted, rng.choice(promotions["depths"], (WEEKS, len(self))), 0.0)

    def table(self, opening: datetime, first_month: int, month: int) -> pd.DataFrame:
        """The items launched by a month; those of the first recorded month or before were there then."""
        known = np.flatnonzero(self.launch_month <= month)
        months = np.maximum(self.launch_month[known], first_month) - first_month
        launched = [opening + timedelta(days=DAYS * int(m)) for m in months]
        names = self.parameters.category_names
        frame = pd.DataFrame(
            {
                "item_id": self.item_ids[known],
                "text": [self.text[i] for i in known],
                "category": [names[c] for c in self.category[known]],
                "price": self.price[known],
                "available_from": pd.Series(launched, dtype="datetime64[us]"),
                "attributes": [self.attributes[i] for i in known],
                KNOWN_FROM: pd.Series(launched, dtype="datetime64[us]"),
            }
        )
        return frame.sort_values("item_id", ignore_index=True)


def _descriptions(
    rng: np.random.Generator, categories: list[str], brand: np.ndarray, style: np.ndarray
) -> tuple[list[str], list[str]]:
    """A name and the attributes of each item."""
    words = {category.name: category.words.split() for category in CATEGORIES}
    texts, attributes = [], []
    for name, b, s in zip(categories, brand.tolist(), style.tolist(), strict=True):
        noun, filler = rng.choice(words[name]), rng.choice(FILLERS)
        texts.append(f"{BRANDS[b]} {rng.choice(STYLES[s][1])} {noun} {filler}")
        attributes.append(f"brand={BRANDS[b]}|style={STYLES[s][0]}|colour={rng.choice(COLOURS)}")
    return texts, attributes
