"""BG/NBD with Gamma-Gamma: expected purchases in the horizon times expected spend a purchase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from growthlab.models.btyd.estimators import BTYDValue


@dataclass(kw_only=True)
class BGNBDValue(BTYDValue):
    """Customers may leave after each repeat purchase; needs no labels.

    Fader, Hardie and Lee, Marketing Science 2005.
    """

    purchases: ClassVar[str] = "bg_nbd"
