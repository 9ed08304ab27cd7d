"""Skill: whether the order of the predictions is more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.metrics.uplift.placebo_p import PlaceboP
from growthlab.metrics.uplift.rate_p import RateP


@dataclass(frozen=True)
class Skill:
    """1 where both tests of the order reject chance at `alpha`, `RateP` and `PlaceboP`; else 0.

    With 0 the effects of single customers are not to be used: the average effect is what is known.

    Examples
    --------
    The outcome is 1 for the treated of the first half, and 0 for all others. Equal predictions know
    nothing of it.

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> treated = np.tile([1, 0], 20)
    >>> prediction = np.repeat([1.0, 0.0], 20)
    >>> label = experiment_label(treated, outcome=treated * prediction)
    >>> Skill()(label, prediction), Skill()(label, np.zeros(40))
    (1.0, 0.0)
    """

    alpha: float = 0.05

    name: ClassVar[str] = "skill"
    larger_is_better: ClassVar[bool] = True
    biased_by_resampling: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ConfigError(f"alpha of skill must lie in (0, 1), got {self.alpha}")

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        tests = (RateP(), PlaceboP())
        return float(all(test(label, prediction, weight) <= self.alpha for test in tests))
