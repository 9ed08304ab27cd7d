"""Who is held out: a randomised control and an exploration share, by a keyed hash of the customer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.core.pseudonyms import PseudonymKey

CONTROL, EXPLORE, PLAN = "control", "explore", "plan"
ARMS = (CONTROL, EXPLORE, PLAN)


@dataclass(frozen=True)
class Holdout:
    """Shares of the customers who get no message, and who get one drawn at random.

    The arm of a customer depends on the key, the campaign's name and the customer alone: who plans again
    gets the same arms, and nobody without the key can tell them beforehand.
    """

    key: PseudonymKey
    campaign: str
    control: float
    explore: float

    def __post_init__(self) -> None:
        for name, share in (("control", self.control), ("explore", self.explore)):
            if not 0 < share < 1:
                raise ConfigError(
                    f"{name} must be above 0 and below 1, got {share}: without it nothing can be learned "
                    "from the campaign"
                )
        if self.control + self.explore >= 1:
            raise ConfigError("control and explore together must be below 1")

    def uniform(self, purpose: str, customers: list[str]) -> np.ndarray:
        """A number in [0, 1) for each customer, uniform and independent between purposes."""
        namespace = f"plan {purpose}\x1f{self.campaign}"
        digits = [self.key.pseudonym(namespace, customer)[:13] for customer in customers]
        return np.array([int(d, 16) for d in digits], dtype=np.float64) / 16**13

    def arms(self, customers: list[str]) -> np.ndarray:
        """The arm of each customer."""
        drawn = self.uniform("arm", customers)
        return np.where(
            drawn < self.control,
            CONTROL,
            np.where(drawn < self.control + self.explore, EXPLORE, PLAN),
        )

    def probability(self, arms: np.ndarray) -> np.ndarray:
        """The probability of each customer's arm."""
        shares = {CONTROL: self.control, EXPLORE: self.explore}
        shares[PLAN] = 1 - self.control - self.explore
        return np.array([shares[arm] for arm in arms.tolist()], dtype=np.float64)
