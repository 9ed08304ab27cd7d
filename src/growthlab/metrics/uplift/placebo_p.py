"""The p value of a placebo: what the order would gain had the arms been drawn anew."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.stats import rankdata

from growthlab.core.seeding import random_stream
from growthlab.metrics.predictions import row_weights
from growthlab.metrics.uplift.base import Truth

N_DRAWS = 399
BLOCK_ROWS = 2**20  # customers times draws that are worked on together


class PlaceboP:
    """The share of redrawn assignments in which the order gains as much as it did, one-sided.

    Under the null every customer has the average effect: the outcome under either arm is then known,
    the arm of each customer is drawn anew with its propensity, and RATE with the weights of the Qini
    curve is computed again. At least 1 / 400; 1 where the predictions are all equal. Fisher's
    randomisation test; Ding, Feller & Miratrix, JRSS B 2016.

    Examples
    --------
    The outcome is 1 for the treated of the first half, and 0 for all others: none of 399 redrawn
    assignments gains as much, 1 / 400.

    >>> from growthlab.metrics.by_hand import experiment_label
    >>> treated = np.tile([1, 0], 20)
    >>> prediction = np.repeat([1.0, 0.0], 20)
    >>> label = experiment_label(treated, outcome=treated * prediction)
    >>> PlaceboP()(label, prediction), PlaceboP()(label, np.zeros(40))
    (0.0025, 1.0)
    """

    name: ClassVar[str] = "placebo_p"
    larger_is_better: ClassVar[bool] = False
    biased_by_resampling: ClassVar[bool] = True

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        truth, n = Truth.of(label), len(label)
        if not n or prediction.min() == prediction.max():
            return 1.0
        place = rankdata(prediction)
        counted = row_weights(label, weight)
        depth = counted * (place - np.average(place, weights=counted))
        gained = depth @ truth.robust_effect
        average = np.average(truth.robust_effect, weights=counted)
        untreated = truth.outcome - truth.treated * average
        random, as_far = random_stream(0, "placebo_p", n), 0
        size = max(1, BLOCK_ROWS // n)
        for start in range(0, N_DRAWS, size):
            shape = (min(size, N_DRAWS - start), n)
            arms = (random.random(shape) < truth.propensity).astype(float)
            redrawn = truth._replace(treated=arms, outcome=untreated + arms * average)
            as_far += int((redrawn.robust_effect @ depth >= gained).sum())
        return (as_far + 1) / (N_DRAWS + 1)
