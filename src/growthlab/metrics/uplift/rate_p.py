"""The p value of RATE: whether the highest predictions gain more than the others, by bootstrap."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.special import ndtr

from growthlab.core.seeding import random_stream
from growthlab.metrics.predictions import row_weights
from growthlab.metrics.uplift.rate_qini import RateQini
from growthlab.metrics.weighted_rows import Ranking, WeightedRows

N_RESAMPLES = 200
BLOCK_ROWS = 2**20  # customers times resamples that are worked on together


class RateP:
    """One-sided p of a `RateQini` above 0: normal, with the bootstrap's standard error.

    1 where the predictions are all equal. Yadlowsky et al., JASA 2025.

    Examples
    --------
    The outcome is 1 for the treated of the first half, and 0 for all others.

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> treated = np.tile([1, 0], 20)
    >>> prediction = np.repeat([1.0, 0.0], 20)
    >>> label = experiment_label(treated, outcome=treated * prediction)
    >>> RateP()(label, prediction) < 0.001, RateP()(label, np.zeros(40))
    (True, 1.0)
    """

    name: ClassVar[str] = "rate_p"
    larger_is_better: ClassVar[bool] = False
    biased_by_resampling: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        n = len(label)
        if not n or prediction.min() == prediction.max():
            return 1.0
        metric, ranking = RateQini(), Ranking(label, prediction)
        own = row_weights(label, weight)[ranking.order]
        (value,) = metric.on_rows(WeightedRows(ranking, own[None, :]))
        random, drawn = random_stream(0, "rate_p", n), []
        size = max(1, BLOCK_ROWS // n)
        for start in range(0, N_RESAMPLES, size):
            counts = random.poisson(own, (min(size, N_RESAMPLES - start), n)).astype(float)
            drawn.append(metric.on_rows(WeightedRows(ranking, counts)))
        spread = float(np.std(np.concatenate(drawn), ddof=1))
        return float(ndtr(-value / spread)) if spread > 0 else 1.0
