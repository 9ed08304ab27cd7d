"""A simulated campaign: a randomised experiment in which the effect on every customer is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.seeding import random_stream
from growthlab.data.arm_assignment import Assignment
from growthlab.data.labelled_table import ABOUT, LabelledTable
from growthlab.data.source import DataSource

NONE, MAIL, COUPON = "none", "mail", "coupon"
ARMS = (NONE, MAIL, COUPON)
OUTCOMES = ("visit", "spend")
CHANNELS = np.array(["direct", "email", "search", "social"])
TOLERANCE = 1e-9  # of the sum of the probabilities


class CampaignTruth(NamedTuple):
    """What a customer with these features does on average, by arm; a row a customer of the table.

    To judge models by, and never a feature.
    """

    user_ids: np.ndarray  # (n,) str
    expected: pd.DataFrame  # a column an arm, the control among them

    def effects(self) -> pd.DataFrame:
        """The conditional effect of each arm over the control."""
        arms = self.expected.drop(columns=NONE)
        return arms.sub(self.expected[NONE], axis=0)


@dataclass(frozen=True, kw_only=True)
class SimulatedCampaign(DataSource[LabelledTable]):
    """Customers who were drawn into no contact, a mail or a coupon, and what they did in the weeks after.

    A mail brings back those who have been away for one to four months and annoys those who were there
    lately; a coupon works for those who buy at a discount. The features are as of the assignment, and
    the effect on a customer follows from them alone, so `truth` is the conditional effect.

    Parameters
    ----------
    outcome
        ``visit``: 0 or 1; ``spend``: an amount with many zeros and a heavy tail.
    effect
        How strongly the arms act; 0: they change nothing.
    probability
        Of each arm, the control ``none`` among them; arms that are not named are not there.
    cost
        Of a contact of an arm.

    Raises
    ------
    ConfigError
        A setting out of its range, or an arm that the campaign does not have.
    """

    name: ClassVar[str] = "simulated_campaign"
    prepared: ClassVar[str] = ABOUT
    default_split: ClassVar[str | None] = "customers"
    customers: int = 10_000
    seed: int = 7
    outcome: str = "visit"
    effect: float = 1.0
    probability: Mapping[str, float] = field(
        default_factory=lambda: {NONE: 0.5, MAIL: 0.25, COUPON: 0.25}
    )
    cost: Mapping[str, float] = field(default_factory=lambda: {MAIL: 0.01, COUPON: 0.03})

    def __post_init__(self) -> None:
        if self.customers < 1:
            raise ConfigError(f"data.customers must be at least 1, got {self.customers}")
        if self.outcome not in OUTCOMES:
            raise ConfigError(
                f"data.outcome={self.outcome}: {near_matches(self.outcome, OUTCOMES)}"
            )
        if not np.isfinite(self.effect):
            raise ConfigError(f"data.effect must be a finite number, got {self.effect}")
        _check_arms(self.probability, self.cost)

    def read(self) -> LabelledTable:
        """The customers with their features, arms and outcomes."""
        features, drawn = self._features(), self._stream("outcome")
        arms = np.array(list(self.probability))
        given = self._stream("arm").choice(
            len(arms), self.customers, p=np.array(list(self.probability.values()))
        )
        p = _visits(features, self.effect)[list(arms)].to_numpy()[np.arange(self.customers), given]
        label = (drawn.random(self.customers) < p).astype(np.float64)
        if self.outcome == "spend":
            noise = drawn.normal(size=self.customers)
            label *= (_baskets(features) * np.exp(noise - 0.5)).round(2)
        every = np.full(self.customers, 1.0)
        return LabelledTable(
            name=self.name,
            file=self.name,
            label_column=self.outcome,
            user_ids=self._user_ids(),
            label=label,
            features=features,
            numbers=np.arange(1, self.customers + 1),
            assignment=Assignment(
                NONE,
                arms[given],
                {arm: share * every for arm, share in self.probability.items()},
                {arm: float(self.cost.get(arm, 0.0)) for arm in self.probability},
            ),
        )

    def open(self, folder: Path) -> LabelledTable:
        """See `DataSource.open`."""
        return LabelledTable.open(folder)

    def truth(self) -> CampaignTruth:
        """The expected outcome of every customer of the table by arm, which nobody can see."""
        features = self._features()
        expected = _visits(features, self.effect)[list(self.probability)]
        if self.outcome == "spend":
            expected = expected.mul(_baskets(features), axis=0)
        return CampaignTruth(self._user_ids(), expected)

    def _stream(self, what: str) -> np.random.Generator:
        return random_stream(self.seed, "simulated campaign", what)

    def _user_ids(self) -> np.ndarray:
        return np.char.mod("c%07d", np.arange(self.customers))

    def _features(self) -> pd.DataFrame:
        """What was known of the customers when they were assigned."""
        random, n = self._stream("features"), self.customers
        active = random.gamma(2.0, size=n)  # how often they come, which nobody sees
        orders = 1.0 + random.poisson(2 * active)
        return pd.DataFrame(
            {
                "days_since_last": np.ceil(random.exponential(120 / (0.5 + active))),
                "orders": orders,
                "spend": (orders * random.lognormal(3.2, 0.5, n)).round(2),
                "visits_30d": random.poisson(active, n).astype(float),
                "tenure_days": np.ceil(random.uniform(30, 1500, n)),
                "discount_share": random.beta(1.5, 3.0, n).round(3),
                "age": np.floor(random.uniform(18, 80, n)),
                "channel": pd.Categorical(CHANNELS[random.integers(len(CHANNELS), size=n)]),
            }
        )


def _check_arms(probability: Mapping[str, float], cost: Mapping[str, float]) -> None:
    """ConfigError for arms that are not there, and for probabilities or costs that are none."""
    for setting, values in (("probability", probability), ("cost", cost)):
        for arm, value in values.items():
            if arm not in ARMS:
                raise ConfigError(f"data.{setting} has {arm}: {near_matches(str(arm), ARMS)}")
            if not 0 <= value < np.inf or (setting == "probability" and value == 0):
                least = "above 0" if setting == "probability" else "0 or more"
                raise ConfigError(f"data.{setting}.{arm} must be {least}, got {value}")
    if NONE not in probability or len(probability) < 2:
        raise ConfigError(f"data.probability needs {NONE}, the control, and another arm")
    if abs(total := sum(probability.values()) - 1) > TOLERANCE:
        raise ConfigError(f"data.probability sums to {total + 1:g}, and it must sum to 1")


def _visits(features: pd.DataFrame, effect: float) -> pd.DataFrame:
    """The probability of a visit by arm."""
    away, often = features["days_since_last"], np.log(features["orders"])
    lately = away < 30
    base = -1.6 + 0.5 * often + 0.25 * features["visits_30d"] - 0.6 * np.log1p(away / 30)
    base = base + 0.3 * (features["channel"] == "email")
    back = ((away >= 30) & (away < 120)).astype(float)
    pushes = {
        NONE: 0.0 * base,
        MAIL: 0.9 * back - 0.5 * lately,
        COUPON: 2.0 * features["discount_share"] - 0.2,
    }
    return pd.DataFrame({arm: expit(base + effect * push) for arm, push in pushes.items()})


def _baskets(features: pd.DataFrame) -> np.ndarray:
    """The mean amount of a visit."""
    return (0.6 * features["spend"] / features["orders"]).to_numpy()
