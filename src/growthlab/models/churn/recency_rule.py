"""Recency rule: customers who have not bought for long will not buy; the baseline of churn models."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from growthlab.features.examples import Examples
from growthlab.models.base import ScoredEstimator
from growthlab.scorers.curve_row_scorer import CurveRowScorer
from growthlab.training.fit_options import FitOptions

COLUMN = "days_since_last"
EDGES = np.linspace(0, 1, 21)  # quantiles of the groups


class RecencyRule(ScoredEstimator):
    """P(no purchase in the horizon) rises with the days since the last purchase alone.

    With labels: the share of leavers by quantile of the days, made monotone by pooling adjacent
    violators (Ayer et al., Annals of Mathematical Statistics 1955), linear between the groups.
    Without: days / (days + their median), which is one half for the median customer.
    """

    reads_events: ClassVar[bool] = True

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Learn the curve from labelled examples, or the median from customers at the cutoff."""
        if examples.target is not None and len(examples):
            days = examples.table[COLUMN].to_numpy(dtype=np.float64)
            knots, values = _monotone(days, examples.target)
            missing = float(examples.target.mean())
        else:
            present = examples.present if examples.present is not None else examples
            median = float(np.nanmedian(present.table[COLUMN]))
            knots = median * np.concatenate([np.linspace(0, 4, 81), np.geomspace(4.5, 1000, 40)])
            values, missing = knots / (knots + median), 0.5
        self.scorer_ = CurveRowScorer(COLUMN, knots, values, missing)
        return self


def _monotone(days: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean days and share of leavers of quantile groups, the shares never falling."""
    from scipy.optimize import isotonic_regression

    edges = np.unique(np.quantile(days, EDGES))
    group = np.clip(np.searchsorted(edges, days, side="left") - 1, 0, None)
    size = np.bincount(group)
    kept = size > 0
    knots = np.bincount(group, days)[kept] / size[kept]
    share = np.bincount(group, label)[kept] / size[kept]
    return knots, isotonic_regression(share, weights=size[kept]).x
