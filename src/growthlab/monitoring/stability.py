"""Population stability: has a distribution moved, and by more than chance moves a sample of this size?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

FLOOR = 1e-4  # of a bin's share, so that an empty bin counts and does not become infinite
CHANCE = 3.0  # times what chance alone is expected to give
FEWEST = 100  # values on either side, below which nothing is said
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
    """What two samples of one distribution give on average: ``(B - 1)(1 / N_ref + 1 / N_cur)``.

    The index is distributed nearly as chi-square (Yurdakul and Naranjo, Journal of Risk Model
    Validation, 2020).
    """
    return (n_bins - 1) * (1 / n_reference + 1 / n_current)


@dataclass(frozen=True)
class Drift:
    """One distribution against its reference.

    `n_reference` and `n_current` are independent values: places of one list are not, so lists count.
    """

    name: str
    labels: Sequence[str]
    reference: np.ndarray  # (n_bins,) counts
    current: np.ndarray  # (n_bins,) counts
    n_reference: int
    n_current: int

    @property
    def psi(self) -> float:
        """The population stability index; NaN where one side is empty."""
        return psi(self.reference, self.current)

    @property
    def expected(self) -> float:
        """What chance alone gives on average, over the bins that either side uses."""
        if not self.n_reference or not self.n_current:
            return float("nan")
        n_bins = int(((self.reference > 0) | (self.current > 0)).sum())
        return expected_psi(n_bins, self.n_reference, self.n_current)

    def level(self, moved: float = 0.1, far: float = 0.25) -> Level:
        """How far it moved: an index above a limit counts only above three times chance as well."""
        if min(self.n_reference, self.n_current) < FEWEST:
            return "too few"
        if self.psi <= CHANCE * self.expected or self.psi <= moved:
            return "steady"
        return "far" if self.psi > far else "moved"

    @property
    def largest_change(self) -> tuple[str, float, float]:
        """The bin that contributes most, its share in the reference and now."""
        r = np.maximum(self.reference / max(self.reference.sum(), 1), FLOOR)
        c = np.maximum(self.current / max(self.current.sum(), 1), FLOOR)
        place = int(((c - r) * np.log(c / r)).argmax())
        return self.labels[place], float(r[place]), float(c[place])


def equal_parts(counts: np.ndarray, n_parts: int = 10) -> np.ndarray:
    """Items in groups that hold about equally much of `counts`, the most frequent first, ``(n_items,)``.

    So that item popularity can be compared like a number, in few bins: one item may fill a group,
    and thousands another. Items that were never counted are a group of their own, the last.
    """
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]  # what lies in front of each item
    groups = np.empty(len(counts), dtype=np.int64)
    groups[order] = before * n_parts // max(int(counts.sum()), 1)
    groups[counts == 0] = n_parts
    return groups
