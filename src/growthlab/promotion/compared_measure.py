"""A measure of a challenger and of the champion, with the spread of several measurements."""

from __future__ import annotations

import math
from dataclasses import dataclass

from growthlab.pages.text_table import format_interval

Bounds = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class ComparedMeasure:
    """One quantity of both models, in the same unit; NaN: not defined. `champion` may be None.

    `about` says in a few words what it was measured on; `measured` is False where the challenger's
    run did not compute it. The spreads are the smallest and the largest of several measurements, None
    for a quantity that is the same each time.
    """

    challenger: float
    champion: float | None = None
    larger_is_better: bool = False
    about: str = ""
    measured: bool = True
    spread: Bounds | None = None
    champion_spread: Bounds | None = None

    @property
    def bounds(self) -> Bounds:
        """The challenger's spread; its value twice where there is none."""
        return self.spread or (self.challenger, self.challenger)

    @property
    def champion_bounds(self) -> Bounds:
        """The champion's spread; its value (NaN without one) twice where there is none."""
        champion = math.nan if self.champion is None else self.champion
        return self.champion_spread or (champion, champion)

    @property
    def text(self) -> str:
        """The challenger's value, with its spread."""
        return format_interval(self.challenger, *(self.spread or (math.nan, math.nan)))
