"""Skill of choosing arms: whether the choice for each customer is more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import ndtr

from growthlab.core.errors import ConfigError
from growthlab.metrics.best_arm.base import JudgedArms
from growthlab.metrics.best_arm.net_gain import NetGain


@dataclass(frozen=True)
class ChoiceSkill:
    """1 where `NetGain` is above 0 by a one-sided test of its mean at `alpha`; else 0.

    With 0 the arm that is best on average is what is known, for everybody.

    Examples
    --------
    The choice loses 3 with the first of two customers and nothing with the second.

    >>> from growthlab.metrics.best_arm.base import JudgedArms
    >>> judged = JudgedArms(
    ...     predicted=np.array([[3, 4], [1, 4]]),
    ...     robust=np.array([[2, 6], [0, 4]]),
    ...     cost=np.array([1, 2]),
    ...     average=np.array([1, 3]),
    ... )
    >>> ChoiceSkill().of_arms(judged, np.ones((1, 2))).tolist()
    [0.0]
    """

    alpha: float = 0.05

    name: ClassVar[str] = "skill"
    larger_is_better: ClassVar[bool] = True
    biased_by_resampling: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ConfigError(f"alpha of skill must lie in (0, 1), got {self.alpha}")

    def of_arms(self, judged: JudgedArms, weights: np.ndarray) -> np.ndarray:
        """See `OfArms.of_arms`."""
        gain = NetGain().per_customer(judged)
        n = weights.sum(axis=1)
        mean = weights @ gain / n
        spread = np.sqrt(np.maximum(weights @ gain**2 / n - mean**2, 0) / n)
        z = np.divide(mean, spread, out=np.zeros_like(mean), where=spread > 0)
        return (ndtr(-z) <= self.alpha).astype(float)
