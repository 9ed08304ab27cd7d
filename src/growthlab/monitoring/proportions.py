"""Shares with confidence bounds, and how widely lists spread over the catalogue."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Z = 1.959964  # 95 % of the normal distribution
DRAWS = 20


@dataclass(frozen=True)
class Proportion:
    """A share: `hits` of `n` cases."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        """The share; NaN without cases."""
        return self.hits / self.n if self.n else math.nan

    @property
    def bounds(self) -> tuple[float, float]:
        """The 95 % interval of Wilson (JASA 1927): within [0, 1] also without hits; NaN without cases."""
        if not self.n:
            return math.nan, math.nan
        p, width = self.value, Z * Z / self.n
        middle = (p + width / 2) / (1 + width)
        half = math.sqrt(p * (1 - p) * width + width * width / 4) / (1 + width)
        return max(0.0, middle - half), min(1.0, middle + half)


def difference_of_proportions(new: Proportion, old: Proportion) -> tuple[float, float, float]:
    """`new` - `old` with 95 % bounds from both Wilson intervals (Newcombe, Statistics in Medicine, 1998)."""
    (new_low, new_high), (old_low, old_high) = new.bounds, old.bounds
    d = new.value - old.value
    low = d - math.hypot(new.value - new_low, old_high - old.value)
    high = d + math.hypot(new_high - new.value, old.value - old_low)
    return d, low, high


def coverage_and_gini(counts: np.ndarray) -> tuple[float, float]:
    """Coverage (listed items / catalogue) and Gini index of how often each item is listed.

    As the metrics of the comparison define them; NaN where nothing is listed.
    """
    n = len(counts)
    if n < 2 or not counts.any():
        return math.nan, math.nan
    share = np.sort(counts) / counts.sum()
    gini = ((2 * np.arange(1, n + 1) - n - 1) * share).sum() / (n - 1)
    return float((counts > 0).mean()), float(gini)


def rarefied_coverage_and_gini(
    counts: np.ndarray, n_places: int, rng: np.random.Generator
) -> tuple[float, float]:
    """`coverage_and_gini` of `n_places` places drawn from `counts`: the mean of twenty draws.

    Longer logs list more items, so two sides are comparable only where the larger is thinned to the
    size of the smaller (rarefaction: Hurlbert, Ecology 1971).
    """
    if n_places >= counts.sum():
        return coverage_and_gini(counts)
    draws = rng.multivariate_hypergeometric(counts, n_places, size=DRAWS, method="marginals")
    coverage, gini = np.mean([coverage_and_gini(drawn) for drawn in draws], axis=0)
    return float(coverage), float(gini)
