"""Guardrails: outcomes that may not get worse by more than is tolerated, shown by non-inferiority."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from growthlab.core.errors import ConfigError, quoted
from growthlab.effects.effect import Effect

Standing = Literal["held", "open", "broken"]


@dataclass(frozen=True)
class Guardrail:
    """What an experiment says about a guardrail.

    `tolerated` is the largest change in the bad direction, relative to the control: 0.05 may rise by
    5 %, -0.02 may fall by 2 %. ``held``: the whole interval lies on the good side of it. ``broken``:
    the whole interval lies beyond it. ``open``: the interval holds it, so neither is shown.
    """

    effect: Effect
    tolerated: float

    @property
    def standing(self) -> Standing:
        """Whether the guardrail holds, is broken, or neither is shown."""
        low, high = self.effect.relative_low, self.effect.relative_high
        if math.isnan(low):
            return "open"
        if self.tolerated < 0:
            low, high = -high, -low
        limit = abs(self.tolerated)
        if high < limit:
            return "held"
        return "broken" if low > limit else "open"


def check_tolerances(tolerances: Mapping[str, object]) -> None:
    """ConfigError for a guardrail without a direction or with a tolerance that is no share."""
    for name, tolerated in tolerances.items():
        is_number = isinstance(tolerated, (int, float)) and not isinstance(tolerated, bool)
        if not is_number or not 0 < abs(float(str(tolerated))) < 1:
            raise ConfigError(
                f"guardrails.{quoted(name)}={quoted(str(tolerated))} must be the tolerated "
                "relative change: 0.05 for an outcome that may rise by 5 %, -0.02 for one that "
                "may fall by 2 %"
            )
