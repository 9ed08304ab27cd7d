"""Holm's correction of one test among many, without drawing what cannot change it."""

from __future__ import annotations

import numpy as np

from growthlab.evaluation.significance import holm


class OtherTests:
    """The tests beside the challenger's: each counts the draws that speak against it, while it matters.

    The p of a test is ``(n_against + 1) / (n_draws + 1)``, of the draws in which it is defined. In
    Holm's method a larger p does not change that of the challenger, and a corrected p is 1 at most.
    So a test is closed, and need be drawn no more, when its p is bound to end above the
    challenger's; and all are when so many were closed that the challenger's corrected p is 1, or
    where its p is the smallest that so many draws can give. `corrected` is what all draws of all
    tests would give.

    Parameters
    ----------
    own : the challenger's p, from all its draws; NaN where it has none
    n_draws : of every test
    n_others : tests beside the challenger's that are drawn
    n_unread : further tests of which nothing is left; they count with a p of 1
    """

    def __init__(self, own: float, *, n_draws: int, n_others: int, n_unread: int = 0) -> None:
        self.own, self.n_draws, self.n_unread = own, n_draws, n_unread
        self.open = np.full(n_others, own > 1 / (n_draws + 1))
        self._n_against = np.zeros(n_others, dtype=np.int64)
        self._n_defined = np.zeros(n_others, dtype=np.int64)

    def add(self, tests: np.ndarray, n_against: np.ndarray, n_defined: np.ndarray | int) -> None:
        """Count further draws of some `tests`: in how many each is defined, and refuted."""
        self._n_against[tests] += n_against
        self._n_defined[tests] += n_defined
        self.open &= (self._n_against + 1) / (self.n_draws + 1) <= self.own
        n_larger = (~self.open).sum() + self.n_unread
        if (n_larger + 1) * self.own >= 1:
            self.open[:] = False

    def corrected(self) -> float:
        """The challenger's p by Holm's method; NaN where it has none."""
        p = np.ones(1 + len(self.open) + self.n_unread)
        p[0] = self.own
        found = (self._n_against + 1) / (self._n_defined + 1)
        p[1 : 1 + len(found)] = np.where(self.open, found, 1.0)  # closed: larger than its own
        return float(holm(p)[0])
