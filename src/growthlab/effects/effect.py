"""An effect of an experiment: the difference of two arms in an outcome, with its interval and its claim."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from growthlab.core.claims import Claim


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The difference of an arm and the control in an outcome.

    `difference` and its bounds are in the outcome's unit, `relative` and its bounds are shares of the
    control's value, NaN where that is not above 0. `p_adjusted` is corrected for the other tests of
    its family, NaN without a family.
    """

    outcome: str
    arm: str
    method: str
    control: float
    treatment: float
    difference: float
    low: float
    high: float
    p: float
    n_control: int
    n_treatment: int
    relative: float = math.nan
    relative_low: float = math.nan
    relative_high: float = math.nan
    is_share: bool = False  # of customers: shown in percent
    p_adjusted: float = math.nan
    claim: Claim = Claim.EXPERIMENT

    @property
    def p_to_judge(self) -> float:
        """The p value that decides: the adjusted one where there is a family."""
        return self.p if math.isnan(self.p_adjusted) else self.p_adjusted

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them: None in place of NaN and of bounds without end."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def effects_table(effects: Iterable[Effect]) -> pd.DataFrame:
    """A row an effect, a column a field."""
    return pd.DataFrame([asdict(effect) for effect in effects]).assign(
        claim=lambda table: table["claim"].astype(str)
    )
