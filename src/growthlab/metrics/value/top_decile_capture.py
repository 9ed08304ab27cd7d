"""Top decile capture: the share of all value that the top-ranked tenth of customers has."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import group_by_prediction, sums_of_first


class TopDecileCapture:
    """Value of the tenth with the highest predictions divided by all value.

    A tie at the border is shared; 0.1 for a constant; NaN where the labels sum to 0.
    """

    name: ClassVar[str] = "top_decile_capture"
    larger_is_better: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        groups = group_by_prediction(label, prediction, weight)
        total = groups.label.sum()
        captured, _ = sums_of_first(groups, groups.mass.sum() / 10)
        return float(captured / total) if total else np.nan
