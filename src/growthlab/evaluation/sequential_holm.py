"""Holm's correction of one test among many, which stops drawing once the result is certain."""

from __future__ import annotations

import numpy as np

from growthlab.evaluation.significance import holm

ENOUGH = 2000  # draws for a corrected p that lies on a known side of its level


class SequentialHolm:
    """Corrects the challenger's p for the other tests, which are drawn only as long as they matter.

    The p of a test is ``(n_against + 1) / (n_draws + 1)``, over the draws in which it is defined;
    `n_against` counts the draws against it. In Holm's method a larger p does not change that of the
    challenger, and a corrected p is at most 1. So a test is closed, and drawn no further, once its p
    must end above the challenger's. All tests are closed once the challenger's corrected p must be
    1, or if its p is the smallest that this number of draws can give. Until then `corrected` is the
    same as with all draws of all tests.

    After `ENOUGH` draws all tests stop, too, once it is certain on which side of `level` the
    corrected p lies: below if even the number of tests times its p is, above if the closed tests
    alone suffice. The p of an open test is then that of its draws so far, and the corrected p stays
    on its side of the level.

    Parameters
    ----------
    own : the challenger's p, from all its draws; NaN if it has none
    level : the significance level of the corrected p
    n_draws : the number of draws of every test
    n_others : the number of other tests that are drawn
    n_unread : the number of tests whose values are lost; they count with a p of 1
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
        """The tests that have to be drawn further."""
        decided = self._n_drawn >= ENOUGH and (
            self.own * self._n_tests <= self.level or self.own * (self._n_larger + 1) > self.level
        )
        return np.flatnonzero(self._open & (not decided))

    def add(self, tests: np.ndarray, n_against: np.ndarray, n_defined: np.ndarray, n: int) -> None:
        """Add `n` draws of the tests that are left (or of more tests).

        `n_defined` counts those in which each test is defined, `n_against` those against it.
        """
        self._n_drawn += n
        self._n_against[tests] += n_against
        self._n_defined[tests] += n_defined
        self._open &= (self._n_against + 1) / (self.n_draws + 1) <= self.own
        if (self._n_larger + 1) * self.own >= 1:
            self._open[:] = False

    def corrected(self) -> float:
        """The challenger's p corrected by Holm's method; NaN if it has none."""
        p = np.ones(self._n_tests)
        p[0] = self.own
        others = (self._n_against + 1) / (self._n_defined + 1)
        p[1 : 1 + len(others)] = np.where(self._open, others, 1.0)  # closed: above the challenger's
        return float(holm(p)[0])

    @property
    def _n_tests(self) -> int:
        """All tests, with the challenger's."""
        return 1 + len(self._open) + self.n_unread

    @property
    def _n_larger(self) -> int:
        """Tests whose p is known to be larger than the challenger's."""
        return int((~self._open).sum()) + self.n_unread
