"""Pareto/NBD with Gamma-Gamma: expected purchases in the horizon times expected spend a purchase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from growthlab.models.btyd.estimators import BTYDValue


@dataclass(kw_only=True)
class ParetoNBDValue(BTYDValue):
    """Customers may leave at any moment, whether they buy or not; needs no labels.

    Schmittlein, Morrison and Colombo, Management Science 1987.
    """

    purchases: ClassVar[str] = "pareto_nbd"
