"""The customers of a market: what stays the same about each of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import beta, gamma

from growthlab.data.market.draws import Draws
from growthlab.data.market.parameters import MarketParameters
from growthlab.data.shop_words import ACQUISITION, AGE_BANDS, BRANDS, GENDERS, REGIONS, STYLES

AGE_SHARES = (0.15, 0.28, 0.30, 0.18, 0.09)  # of AGE_BANDS
GENDER_SHARES = (0.50, 0.42, 0.08)  # of GENDERS


@dataclass(frozen=True)
class MarketCustomers:
    """Arrays with a row a customer; each row is drawn from the customer's own streams.

    `arrival` is in days after the opening, `visit_rate` a day, `leaving` a month.
    """

    arrival: np.ndarray  # (n,)
    visit_rate: np.ndarray  # (n,)
    leaving: np.ndarray  # (n,)
    interest: np.ndarray  # (n, n_categories), around 1
    uses: np.ndarray  # (n, n_categories) bool: buys in the category from the start
    stock: np.ndarray  # (n, n_categories) int: the stage at the opening
    consumption: np.ndarray  # (n,) around 1
    price_response: np.ndarray  # (n,) around 1
    style_taste: np.ndarray  # (n, n_styles)
    brand_taste: np.ndarray  # (n, n_brands)
    level_taste: np.ndarray  # (n,)
    online: np.ndarray  # (n,) share of the visits
    response: np.ndarray  # (n, n_channels): P(visit | message) at the best hour without offer
    own_hour: np.ndarray  # (n,) hour of the day
    annoyance: np.ndarray  # (n,) around 1
    consents: np.ndarray  # (n, n_channels) bool, at arrival
    region: np.ndarray  # (n,) place in REGIONS
    attributes: pd.DataFrame

    @classmethod
    def draw(cls, parameters: MarketParameters, draws: Draws) -> MarketCustomers:
        """All customers."""
        own, messages = parameters.customers, parameters.messages
        n_categories, n_channels = len(parameters.categories), len(parameters.channels)

        def normal(purpose: str, width: int = 1) -> np.ndarray:
            z: np.ndarray = ndtri(np.maximum(draws.uniform(purpose, width=width), 1e-16))
            return z if width > 1 else z[:, 0]

        def uniform(purpose: str) -> np.ndarray:
            return draws.uniform(purpose)[:, 0]

        arrives = uniform("arrival")
        late = (arrives - own["established"]) / (1 - own["established"]) * own["arrival_days"]
        visit_rate = gamma.ppf(uniform("visits"), own["visit_shape"]) / own["visit_shape"]
        leaving = gamma.ppf(uniform("leaving"), own["life_shape"]) / own["life_shape"]
        channels = parameters.channels.values()
        reach = np.array([channel["response"] for channel in channels])
        log_response = messages["response_spread"] * normal("response")[:, None] + messages[
            "channel_taste"
        ] * normal("channel", n_channels)
        spread = messages["response_spread"] ** 2 + messages["channel_taste"] ** 2
        hours = np.array(messages["own_hours"], dtype=float)
        own_hour = hours[(uniform("hour") * len(hours)).astype(int)] + 1.5 * normal("own hour")
        attributes = _attributes(draws)
        return cls(
            arrival=np.where(arrives < own["established"], 0.0, late),
            visit_rate=visit_rate / own["visit_days"],
            leaving=leaving / own["life_months"],
            interest=np.exp(own["interest"] * normal("interest", n_categories)),
            uses=draws.uniform("uses", width=n_categories) < parameters.by_category("users"),
            stock=(draws.uniform("stock", width=n_categories) * (parameters.stages + 1)).astype(
                np.int64
            ),
            consumption=np.exp(own["household"] * normal("household")),
            price_response=np.exp(own["price_response"] * normal("price")),
            style_taste=own["style_taste"] * normal("style", len(STYLES)),
            brand_taste=own["brand_taste"] * normal("brand", len(BRANDS)),
            level_taste=own["level_taste"] * normal("level"),
            online=beta.ppf(uniform("online"), *own["online"]),
            response=messages["response"] * reach * np.exp(log_response - spread / 2),
            own_hour=own_hour % 24,
            annoyance=np.exp(messages["annoyance"] * normal("annoyance")),
            consents=draws.uniform("consent", width=n_channels)
            < np.array([channel["consent"] for channel in channels]),
            region=(uniform("region") * len(REGIONS)).astype(np.int64),
            attributes=attributes,
        )

    def __len__(self) -> int:
        return len(self.arrival)

    @property
    def user_ids(self) -> np.ndarray:
        """The raw ids, shape ``(n,)``, str."""
        return np.array([f"u{number:06d}" for number in range(len(self))])

    def arrival_times(self, first_day: datetime, days_before: int) -> pd.Series:
        """When each was first known: the first recorded day for those from before."""
        days = np.maximum(self.arrival - days_before, 0.0)
        times = [first_day + timedelta(days=float(day)) for day in days]
        return pd.Series(times, dtype="datetime64[us]")


def _attributes(draws: Draws) -> pd.DataFrame:
    """What the shop knows of each customer beside what they do; it says nothing of their tastes."""
    age = np.searchsorted(np.cumsum(AGE_SHARES)[:-1], draws.uniform("age")[:, 0])
    gender = np.searchsorted(np.cumsum(GENDER_SHARES)[:-1], draws.uniform("gender")[:, 0])
    region = (draws.uniform("region")[:, 0] * len(REGIONS)).astype(int)
    source = (draws.uniform("acquisition")[:, 0] * len(ACQUISITION)).astype(int)
    return pd.DataFrame(
        {
            "age_band": np.array(AGE_BANDS)[age],
            "gender": np.array(GENDERS)[gender],
            "region": np.array(REGIONS)[region],
            "acquisition": np.array(ACQUISITION)[source],
        }
    )
