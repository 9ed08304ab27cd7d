"""AUTOC: how much more the highest predictions gain than everybody, over all depths of the list."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.predictions import OrderMetric
from growthlab.metrics.uplift.base import Truth
from growthlab.metrics.weighted_rows import WeightedRows, divided


class Autoc(OrderMetric):
    """Area under the targeting operator characteristic: the mean over k of TOC(k).

    TOC(k) is the mean effect of the k customers with the highest predictions less that of all, by the
    doubly robust scores of `Truth`; customers of one prediction share their mean score. In the unit of
    the outcome, 0 for an order that says nothing. Yadlowsky et al., Evaluating Treatment
    Prioritization Rules via Rank-Weighted Average Treatment Effects, JASA 2025 (``target = "AUTOC"`` of
    grf).

    Examples
    --------
    With an even chance of treatment the customers' effects are 2, 0, 0 and -2, 0 on average;
    TOC(1) to TOC(4) are 2, 1, 2/3 and 0.

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> label = experiment_label(treated=[1, 0, 1, 0], outcome=[1, 0, 0, 1])
    >>> round(Autoc()(label, np.array([4, 3, 2, 1])), 4)
    0.9167
    """

    name: ClassVar[str] = "autoc"
    larger_is_better: ClassVar[bool] = True

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        none = np.zeros((len(rows), 1))
        scores = rows.so_far(Truth.of(rows.ranking.label).robust_effect)
        n = rows.mass_so_far.astype(np.int64)
        before, above = (np.concatenate([none, v], axis=1)[:, :-1] for v in (n, scores))
        size = n - before
        mean = np.divide(scores - above, size, out=np.zeros_like(scores), where=size > 0)
        # within a group: sum over k of (above + (k - before) mean) / k
        harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n.max(initial=0) + 1))])
        steps = harmonic[n] - harmonic[before.astype(np.int64)]
        total = (mean * size + (above - before * mean) * steps).sum(axis=1)
        return divided(total - scores[:, -1], rows.total)
