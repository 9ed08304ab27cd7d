"""BG/NBD as a churn model: the probability of no purchase in the horizon, never 1 - P(alive)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from growthlab.models.btyd.estimators import BTYDChurn


@dataclass(kw_only=True)
class BGNBDChurn(BTYDChurn):
    """1 - P(alive) * (1 - ((alpha + T) / (alpha + T + horizon))^(r + x)); needs no labels.

    P(alive) alone is 1 for all customers without a repeat purchase, and ranks worse than chance if
    they are many. Fader, Hardie and Lee, Marketing Science 2005.
    """

    purchases: ClassVar[str] = "bg_nbd"
