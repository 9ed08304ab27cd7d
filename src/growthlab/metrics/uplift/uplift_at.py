"""Uplift at k: the effect among the customers with the highest predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.uplift.base import ArmsSoFar, of_first
from growthlab.metrics.weighted_rows import WeightedRows, divided


@dataclass(frozen=True)
class UpliftAt(OrderMetric):
    """Mean outcome of the treated less that of the control, among a `share` of all customers.

    Their number is rounded down, and a tie at the border is spread evenly. NaN without a customer of
    both kinds. ``sklift.metrics.uplift_at_k`` with ``strategy="overall"``, scikit-uplift 0.5.

    Examples
    --------
    Of the first two customers the treated one has an outcome of 1, the other 0.

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> label = experiment_label(treated=[1, 0, 1, 0], outcome=[1, 0, 0, 1])
    >>> UpliftAt(share=0.5)(label, np.array([4, 3, 2, 1]))
    1.0
    """

    share: float = 0.3

    larger_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(f"share of uplift_at must lie in (0, 1], got {self.share}")

    @property
    def name(self) -> str:
        """``uplift_at_30`` for a share of 0.3."""
        return f"uplift_at_{100 * self.share:g}"

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        arms = ArmsSoFar.of(rows)
        places = np.floor(np.round(self.share * arms.n[:, -1], 9))
        _, n_treated, n_control, treated, control = (of_first(v, arms.n, places) for v in arms)
        return divided(treated, n_treated) - divided(control, n_control)
