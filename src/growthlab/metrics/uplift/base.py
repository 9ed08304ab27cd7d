"""The common part of metrics of effects: treated and untreated customers in the order of predictions."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from growthlab.metrics.weighted_rows import WeightedRows, divided


class Truth(NamedTuple):
    """The parts of a label, ``(n,)`` each, in the order of `ExperimentTable.truth`."""

    treated: np.ndarray
    outcome: np.ndarray
    propensity: np.ndarray
    expected_control: np.ndarray
    expected_treated: np.ndarray

    @classmethod
    def of(cls, label: np.ndarray) -> Self:
        """The parts of ``(n, 5)``."""
        return cls(*label.T)

    @property
    def expected(self) -> np.ndarray:
        """The expected outcome of a customer whose arm is not known."""
        e = self.propensity
        return e * self.expected_treated + (1 - e) * self.expected_control

    @property
    def weighted_effect(self) -> np.ndarray:
        """Of each customer an unbiased estimate of its effect: W Y / e - (1 - W) Y / (1 - e)."""
        w, y, e = self.treated, self.outcome, self.propensity
        return w * y / e - (1 - w) * y / (1 - e)

    @property
    def robust_effect(self) -> np.ndarray:
        """The same with less noise: the doubly robust score.

        m1 - m0 + W (Y - m1) / e - (1 - W) (Y - m0) / (1 - e). Robins, Rotnitzky & Zhao, JASA 1994.
        """
        w, y, e, m0, m1 = self
        return m1 - m0 + w * (y - m1) / e - (1 - w) * (y - m0) / (1 - e)

    @property
    def is_binary(self) -> bool:
        """Whether all outcomes are 0 or 1."""
        return bool(np.isin(self.outcome, (0, 1)).all())


class ArmsSoFar(NamedTuple):
    """Customers and sums of outcomes from the highest prediction on, ``(n_resamples, n_groups)``.

    The last group holds everybody; customers of one prediction are a group.
    """

    n: np.ndarray
    n_treated: np.ndarray
    n_control: np.ndarray
    treated: np.ndarray
    control: np.ndarray

    @classmethod
    def of(cls, rows: WeightedRows) -> ArmsSoFar:
        """The sums over the rows, computed once for all metrics."""
        return rows.once("arms", lambda: cls._of(rows))

    @classmethod
    def _of(cls, rows: WeightedRows) -> Self:
        truth = Truth.of(rows.ranking.label)
        n = rows.mass_so_far.astype(float)
        n_treated = rows.so_far(truth.treated)
        treated = rows.so_far(truth.treated * truth.outcome)
        control = rows.so_far((1 - truth.treated) * truth.outcome)
        return cls(n, n_treated, n - n_treated, treated, control)

    @property
    def total(self) -> ArmsSoFar:
        """The last group alone, ``(n_resamples,)``."""
        return ArmsSoFar(*(values[:, -1] for values in self))

    def qini(self) -> np.ndarray:
        """Outcomes gained among the treated: treated - control n_treated / n_control.

        The last part is 0 where nobody is in the control.
        """
        return self.treated - self.control * or_zero(divided(self.n_treated, self.n_control))

    def gain(self) -> np.ndarray:
        """The difference of the mean outcomes times all customers; a mean of nobody is 0."""
        effect = or_zero(divided(self.treated, self.n_treated)) - or_zero(
            divided(self.control, self.n_control)
        )
        return effect * self.n


def or_zero(values: np.ndarray) -> np.ndarray:
    """The values, 0 for NaN."""
    return np.where(np.isnan(values), 0.0, values)


def area(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The area under lines from (0, 0) through the points of each row, ``(n_resamples,)``."""
    x, y = (np.concatenate([np.zeros((len(v), 1)), v], axis=1) for v in (x, y))
    return ((y[:, 1:] + y[:, :-1]) * np.diff(x, axis=1)).sum(axis=1) / 2


def sum_of_places(n: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The sum over the places 1, 2, ... of a curve from (0, 0), straight within a group of ties."""
    n, y = (np.concatenate([np.zeros((len(v), 1)), v], axis=1) for v in (n, y))
    size, rise = np.diff(n, axis=1), np.diff(y, axis=1)
    return (size * y[:, :-1] + rise * (size + 1) / 2).sum(axis=1)


def straight_until_defined(n: np.ndarray, y: np.ndarray, defined: np.ndarray) -> np.ndarray:
    """A curve that is a line from 0 to its first defined value, as causalml interpolates it."""
    first = defined.argmax(axis=1)
    at = np.arange(len(n))
    start = np.where(n[at, first] > 0, n[at, first], np.nan)[:, None]
    return np.where(defined, y, y[at, first][:, None] * n / start)


def of_first(so_far: np.ndarray, n: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The sum over the first `places` customers of each resample, ties spread evenly."""
    rows = zip(places, n, so_far, strict=True)
    return np.array(
        [np.interp(p, np.append(0.0, x), np.append(0.0, y)) for p, x, y in rows], dtype=float
    )
