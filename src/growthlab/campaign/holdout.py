"""Who is held out: controls of one campaign and of all, and an exploration share, by a keyed hash."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.core.pseudonyms import PseudonymKey

CONTROL, EXPLORE, PLAN, LASTING = "control", "explore", "plan", "lasting_control"
ARMS = (LASTING, CONTROL, EXPLORE, PLAN)


@dataclass(frozen=True)
class Holdout:
    """Shares of the customers who get no message, and who get one drawn at random.

    The arm of a customer depends on the key, the campaign's name and the customer alone: who plans again
    gets the same arms, and nobody without the key can tell them beforehand. The share `lasting` depends on
    the key, `lasting_name` and the customer: these get nothing in any campaign while the name stays, and
    a larger share keeps all who were in the smaller one. The other shares are of everybody else.
    """

    key: PseudonymKey
    campaign: str
    control: float
    explore: float
    lasting: float = 0.0
    lasting_name: str = LASTING

    def __post_init__(self) -> None:
        for name, share in (("control", self.control), ("explore", self.explore)):
            if not 0 < share < 1:
                raise ConfigError(
                    f"{name} must be above 0 and below 1, got {share}: without it nothing can be learned "
                    "from the campaign"
                )
        if self.control + self.explore >= 1:
            raise ConfigError("control and explore together must be below 1")
        if not 0 <= self.lasting < 1:
            raise ConfigError(f"lasting_control must be from 0 to below 1, got {self.lasting}")

    @property
    def names(self) -> tuple[str, ...]:
        """The arms that a customer can be in."""
        return ARMS if self.lasting else ARMS[1:]

    def uniform(self, purpose: str, customers: list[str]) -> np.ndarray:
        """A number in [0, 1) for each customer, uniform and independent between purposes."""
        return self._uniform(f"plan {purpose}\x1f{self.campaign}", customers)

    def _uniform(self, namespace: str, customers: list[str]) -> np.ndarray:
        digits = [self.key.pseudonym(namespace, customer)[:13] for customer in customers]
        return np.array([int(d, 16) for d in digits], dtype=np.float64) / 16**13

    def arms(self, customers: list[str]) -> np.ndarray:
        """The arm of each customer."""
        drawn = self.uniform("arm", customers)
        arms = np.where(
            drawn < self.control,
            CONTROL,
            np.where(drawn < self.control + self.explore, EXPLORE, PLAN),
        )
        if not self.lasting:
            return arms
        kept_out = self._uniform(f"plan lasting control\x1f{self.lasting_name}", customers)
        return np.where(kept_out < self.lasting, LASTING, arms)

    def probability(self, arms: np.ndarray) -> np.ndarray:
        """The probability of each customer's arm."""
        shares = {CONTROL: self.control, EXPLORE: self.explore}
        shares[PLAN] = 1 - self.control - self.explore
        shares = {arm: share * (1 - self.lasting) for arm, share in shares.items()}
        shares[LASTING] = self.lasting
        return np.array([shares[arm] for arm in arms.tolist()], dtype=np.float64)
