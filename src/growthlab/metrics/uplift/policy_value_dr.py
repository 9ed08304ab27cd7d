"""Policy value by doubly robust scores: what contacting the highest predictions gains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.uplift.base import Truth, of_first
from growthlab.metrics.weighted_rows import WeightedRows, divided


@dataclass(frozen=True)
class PolicyValueDr(OrderMetric):
    """`ope_value` of a budget for a `share` of the customers, spent on the highest predictions.

    The outcome gained per customer of all, contacted or not, over contacting nobody; costs are not
    in it. A tie at the border is spread evenly.
    Each customer's effect is its doubly robust score, see `Truth`. Dudík et al., Statistical Science 2014.

    Examples
    --------
    Where 1/2 is expected of everybody, the scores are 1, 1, -1 and -1; the first quarter of the four is
    contacted: 1 / 4.

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> known = dict(expected_control=0.5, expected_treated=0.5)
    >>> label = experiment_label(treated=[1, 0, 1, 0], outcome=[1, 0, 0, 1], **known)
    >>> PolicyValueDr(share=0.25)(label, np.array([4, 3, 2, 1]))
    0.25
    """

    share: float = 0.3

    larger_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(f"share of policy_value_dr must lie in (0, 1], got {self.share}")

    @property
    def name(self) -> str:
        """``ope_value_dr_at_30`` for a share of 0.3."""
        return f"ope_value_dr_at_{100 * self.share:g}"

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        effects = rows.so_far(Truth.of(rows.ranking.label).robust_effect)
        n = rows.mass_so_far.astype(float)
        return divided(of_first(effects, n, self.share * rows.total), rows.total)
