"""Holm's correction of one test among many, without drawing what cannot change it."""

from __future__ import annotations

import numpy as np

from growthlab.evaluation.significance import holm

ENOUGH = 2000  # draws for a corrected p that lies on a known side of its level


class OtherTests:
    """The tests beside the challenger's: each counts the draws that speak against it, while it matters.

    The p of a test is ``(n_against + 1) / (n_draws + 1)``, of the draws in which it is defined. In
    Holm's method a larger p does not change that of the challenger, and a corrected p is 1 at most.
    So a test is closed, and need be drawn no more, when its p is bound to end above the
    challenger's; and all are when so many were closed that the challenger's corrected p is 1, or
    where its p is the smallest that so many draws can give. Up to there `corrected` is what all draws
    of all tests would give.

    After `ENOUGH` draws none is drawn any more, either, once it is certain on which side of its
    `level` the corrected p lies: it passes where even the number of tests times its p does, and does
    not where the closed ones alone are too many. The p of an open test is then that of its draws so
    far, and the corrected p stays on its side.

    Parameters
    ----------
    own : the challenger's p, from all its draws; NaN where it has none
    level : of the corrected p
    n_draws : of every test
    n_others : tests beside the challenger's that are drawn
    n_unread : further tests of which nothing is left; they count with a p of 1
    """

    def __init__(
        self, own: float, *, level: float, n_draws: int, n_others: int, n_unread: int = 0
    ) -> None:
        self.own, self.level, self.n_draws, self.n_unread = own, level, n_draws, n_unread
        self._open = np.full(n_others, own > 1 / (n_draws + 1))
        self._n_against = np.zeros(n_others, dtype=np.int64)
        self._n_defined = np.zeros(n_others, dtype=np.int64)
        self._n_drawn = 0

    @property
    def left(self) -> np.ndarray:
        """The tests that are to be drawn further."""
        decided = self._n_drawn >= ENOUGH and (
            self.own * self._n_tests <= self.level or self.own * (self._n_larger + 1) > self.level
        )
        return np.flatnonzero(self._open & (not decided))

    def add(self, tests: np.ndarray, n_against: np.ndarray, n_defined: np.ndarray, n: int) -> None:
        """Count `n` further draws of the tests that are left, or more of them: in how many each is
        defined, and in how many they speak against it.
        """
        self._n_drawn += n
        self._n_against[tests] += n_against
        self._n_defined[tests] += n_defined
        self._open &= (self._n_against + 1) / (self.n_draws + 1) <= self.own
        if (self._n_larger + 1) * self.own >= 1:
            self._open[:] = False

    def corrected(self) -> float:
        """The challenger's p by Holm's method; NaN where it has none."""
        p = np.ones(self._n_tests)
        p[0] = self.own
        found = (self._n_against + 1) / (self._n_defined + 1)
        p[1 : 1 + len(found)] = np.where(self._open, found, 1.0)  # closed: larger than its own
        return float(holm(p)[0])

    @property
    def _n_tests(self) -> int:
        """With the challenger's."""
        return 1 + len(self._open) + self.n_unread

    @property
    def _n_larger(self) -> int:
        """Tests whose p is known to be larger than the challenger's."""
        return int((~self._open).sum()) + self.n_unread
