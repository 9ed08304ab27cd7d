"""MBG/NBD with Gamma-Gamma: expected purchases in the horizon times expected spend a purchase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from growthlab.models.btyd.estimators import BTYDValue


@dataclass(kw_only=True)
class MBGNBDValue(BTYDValue):
    """Customers may leave after each purchase, the first one too; needs no labels.

    Batislam, Denizel and Filiztekin, International Journal of Research in Marketing 2007.
    """

    purchases: ClassVar[str] = "mbg_nbd"
