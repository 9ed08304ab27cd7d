"""MBG/NBD as a churn model: the probability of no purchase in the horizon, never 1 - P(alive)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from growthlab.models.btyd.estimators import BTYDChurn


@dataclass(kw_only=True)
class MBGNBDChurn(BTYDChurn):
    """BG/NBD's formula where customers may leave after their first purchase too; needs no labels.

    Batislam, Denizel and Filiztekin, International Journal of Research in Marketing 2007.
    """

    purchases: ClassVar[str] = "mbg_nbd"
