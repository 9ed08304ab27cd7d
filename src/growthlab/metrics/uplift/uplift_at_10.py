"""Uplift at 10: the effect among the tenth of the customers with the highest predictions."""

from __future__ import annotations

from dataclasses import dataclass

from growthlab.metrics.uplift.uplift_at import UpliftAt


@dataclass(frozen=True)
class UpliftAt10(UpliftAt):
    """See `UpliftAt`."""

    share: float = 0.1
