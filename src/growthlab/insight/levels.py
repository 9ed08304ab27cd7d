"""Low, middle and high: levels of risk and value, by two borders each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError

LEVELS = ("low", "middle", "high")


def check_borders(risk: Sequence[float], value: Sequence[float] | None) -> None:
    """ConfigError unless the borders are two ascending numbers each, those of the risk in (0, 1)."""
    for name, borders in (("risk_borders", risk), ("value_borders", value)):
        if borders is not None and (len(borders) != 2 or not borders[0] < borders[1]):
            raise ConfigError(f"{name} must be two ascending numbers, got {list(borders)}")
    if not 0 < risk[0] < risk[1] < 1:
        raise ConfigError(f"risk_borders must lie in (0, 1), got {list(risk)}")


def value_borders(values: pd.Series, borders: Sequence[float] | None) -> Sequence[float]:
    """`borders`, or without any those of the thirds of the values."""
    return borders or np.quantile(values, [1 / 3, 2 / 3]).tolist()


def assign_levels(values: pd.Series, borders: Sequence[float]) -> pd.Series:
    """low, middle or high for each value; a value on a border has the level below it."""
    codes = np.searchsorted(np.asarray(borders, dtype=float), values.to_numpy(), side="left")
    kinds = pd.CategoricalDtype(list(LEVELS), ordered=True)
    return pd.Series(pd.Categorical.from_codes(codes, dtype=kinds), index=values.index)
