"""EMPC share: the share of customers contacted at the maximum expected profit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from growthlab.metrics.binary.empc import EMPC
from growthlab.metrics.weighted_rows import WeightedRows


@dataclass(frozen=True)
class EMPCShare(EMPC):
    """The share of customers contacted at the maximum profit, as a mean over gamma; see `EMPC`.

    In [0, 1]. Not meant as an objective: neither more nor fewer contacts are better as such. It has no
    bounds: the best place in a sample follows its noise, by two thirds of a standard error among 200
    customers, and resamples double that instead of showing it.

    Examples
    --------
    Of two customers only the one who leaves is worth a contact.

    >>> round(EMPCShare()(np.array([1, 0]), np.array([0.9, 0.1])), 4)
    0.5
    """

    biased_by_resampling: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The name under which it is logged."""
        return "empc_share"

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """See `OrderMetric.on_rows`."""
        return self.targeting(rows).share
