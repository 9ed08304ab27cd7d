"""Population stability: whether a distribution moved by more than chance moves samples of this size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import chdtri

from growthlab.bundle.reference import MISSING

FLOOR = 1e-4  # least share of a bin, so that an empty bin counts and the index stays finite
CHANCE = 3.0  # times the index that chance alone gives on average
ONE_IN_TWENTY = 0.05  # share of reports in which chance alone may raise an alert
FEWEST = 100  # values on each side that an alert needs
Level = Literal["steady", "moved", "far", "too few"]


def psi(reference: np.ndarray, current: np.ndarray) -> float:
    """Population stability index of two rows of shares or counts over the same bins; 0: alike.

    ``sum (c - r) ln(c / r)``, each share at least 1e-4 (Lewis, An Introduction to Credit Scoring, 1994). NaN
    where one side is empty.

    >>> round(psi(np.array([0.1, 0.2, 0.4, 0.3]), np.array([0.15, 0.25, 0.35, 0.25])), 6)
    0.047223
    """
    if not reference.sum() or not current.sum():
        return float("nan")
    r = np.maximum(reference / reference.sum(), FLOOR)
    c = np.maximum(current / current.sum(), FLOOR)
    return float(((c - r) * np.log(c / r)).sum())


def expected_psi(n_bins: int, n_reference: int, n_current: int) -> float:
    """The average index of two samples of one distribution: ``(B - 1)(1 / N_ref + 1 / N_cur)``.

    The index is distributed nearly as chi-square (Yurdakul and Naranjo, Journal of Risk Model
    Validation, 2020).
    """
    return (n_bins - 1) * (1 / n_reference + 1 / n_current)


@dataclass(frozen=True)
class Drift:
    """One distribution against its reference.

    `n_reference` and `n_current` count independent values: lists, for example, not their places.
    """

    name: str
    labels: Sequence[str]
    reference: np.ndarray  # (n_bins,) counts
    current: np.ndarray  # (n_bins,) counts
    n_reference: int
    n_current: int
    n_compared: int = 1  # distributions in the same report

    @property
    def psi(self) -> float:
        """The population stability index; NaN where one side is empty."""
        return psi(self.reference, self.current)

    @property
    def expected(self) -> float:
        """The index that chance alone gives on average, over the bins that either side uses."""
        if not self.n_reference or not self.n_current:
            return float("nan")
        return expected_psi(self._n_bins, self.n_reference, self.n_current)

    def level(self, moved: float = 0.1, far: float = 0.25) -> Level:
        """How far the distribution moved; a limit counts only where chance does not explain the index.

        The index must be above three times what chance gives on average, and above what it gives in
        one of twenty reports of `n_compared` distributions (the quantile of chi-square).
        """
        if min(self.n_reference, self.n_current) < FEWEST:
            return "too few"
        index = min(self.psi, self._psi_without_floor)
        unit = 1 / self.n_reference + 1 / self.n_current
        tail = float(chdtri(max(self._n_bins - 1, 1), ONE_IN_TWENTY / self.n_compared)) * unit
        if index <= max(CHANCE * self.expected, tail, moved):
            return "steady"
        return "far" if index > far else "moved"

    @property
    def _n_bins(self) -> int:
        return int(((self.reference > 0) | (self.current > 0)).sum())

    @property
    def _psi_without_floor(self) -> float:
        """The index with half a value in a bin that one side alone leaves empty.

        A bin with a share of 2 % is empty in one of twenty samples of 150 values, and its floor of 1e-4
        would give an index of 0.1. With thousands of values both are nearly the same.
        """
        r, c = (side / max(side.sum(), 1) for side in (self.reference, self.current))
        r_few = np.where((r == 0) & (c > 0), 1 / (2 * self.n_reference), r)
        c_few = np.where((c == 0) & (r > 0), 1 / (2 * self.n_current), c)
        return psi(r_few, c_few)

    @property
    def missing(self) -> tuple[float, ...]:
        """The share of missing values in the reference and now; empty where no value can be missing."""
        if self.labels[-1] != MISSING:
            return ()
        return tuple(float(s[-1]) / max(int(s.sum()), 1) for s in (self.reference, self.current))

    @property
    def largest_change(self) -> tuple[str, float, float]:
        """The bin that contributes most, its share in the reference and now."""
        r = np.maximum(self.reference / max(self.reference.sum(), 1), FLOOR)
        c = np.maximum(self.current / max(self.current.sum(), 1), FLOOR)
        place = int(((c - r) * np.log(c / r)).argmax())
        return self.labels[place], float(r[place]), float(c[place])


def equal_parts(counts: np.ndarray, n_parts: int = 10) -> np.ndarray:
    """Each item's group, by about equal sums of `counts`, the most frequent first, ``(n_items,)``.

    Popularity can then be compared in few bins: one item may fill a group, and thousands another.
    Items without counts form the last group.
    """
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]  # the sum of the more frequent items
    groups = np.empty(len(counts), dtype=np.int64)
    groups[order] = before * n_parts // max(int(counts.sum()), 1)
    groups[counts == 0] = n_parts
    return groups
