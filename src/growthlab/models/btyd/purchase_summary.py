"""The data of the likelihoods: purchase summaries and spends, with identical customers merged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from growthlab.core.errors import DataError

LARGEST_CODE = 2**62


@dataclass(frozen=True)
class PurchaseSummary:
    """Repeat purchases `x`, the last at `t_x`, of customers observed for `T`; ``(n,)`` each, by `x`.

    `weight` is the number of customers of a row. Times have any one unit.
    """

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> Self:
        """The summary of customers, in any order, with identical ones merged into one row.

        Raises
        ------
        DataError
            A count that is not a whole number, or times that violate ``0 <= t_x <= T`` and ``T > 0``.
        """
        x, t_x, T = (np.asarray(c, dtype=np.float64) for c in (x, t_x, T))
        if not (np.isfinite(x) & (x >= 0) & (x == np.floor(x))).all():
            raise DataError("a purchase summary needs whole numbers of repeat purchases from 0 on")
        if not ((t_x >= 0) & (t_x <= T) & (T > 0) & np.isfinite(T)).all():
            raise DataError(
                "a purchase summary needs 0 <= recency <= T and T > 0 of every customer"
            )
        if (t_x[x == 0] != 0).any():
            raise DataError(
                "a purchase summary needs recency 0 for customers who did not buy again"
            )
        return cls(*_merged(x, t_x, T))

    @property
    def n_customers(self) -> float:
        """The number of customers in all rows."""
        return float(self.weight.sum())

    @cached_property
    def counts(self) -> np.ndarray:
        """The distinct numbers of repeat purchases, sorted."""
        return self.x[np.flatnonzero(np.diff(self.x, prepend=-1.0))]

    @cached_property
    def place(self) -> np.ndarray:
        """The index of each row's `x` in `counts`, ``(n,)`` int."""
        return np.cumsum(np.diff(self.x, prepend=self.x[:1]) > 0)

    @cached_property
    def mass(self) -> np.ndarray:
        """The number of customers with each of the `counts`."""
        return np.bincount(self.place, self.weight)

    def in_units_of(self, time: float) -> Self:
        """The same with times divided by `time`."""
        return replace(self, t_x=self.t_x / time, T=self.T / time)

    def part(self, n_rows: int) -> Self:
        """About `n_rows` evenly spaced rows, all of them if there are no more."""
        step = max(len(self.x) // n_rows, 1)
        kept = slice(step // 2, None, step)
        return type(self)(self.x[kept], self.t_x[kept], self.T[kept], self.weight[kept])

    def resampled(self, random: np.random.Generator) -> Self:
        """As many customers, drawn with replacement."""
        return replace(self, weight=_drawn(self.weight, random))


@dataclass(frozen=True)
class Spends:
    """The mean spend `m` of customers over `x` repeat purchases, both positive; ``(n,)`` by `x`."""

    x: np.ndarray
    m: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, mean_spend: np.ndarray) -> Self:
        """The spends of those customers who have a repeat and a positive mean spend."""
        known = (x > 0) & (mean_spend > 0)
        order = np.argsort(x[known], kind="stable")
        return cls(x[known][order], mean_spend[known][order], np.ones(len(order)))

    @property
    def n_customers(self) -> float:
        """The number of customers in all rows."""
        return float(self.weight.sum())

    @cached_property
    def log_m(self) -> np.ndarray:
        """The logarithms of the mean spends."""
        return np.log(self.m)

    @cached_property
    def counts(self) -> np.ndarray:
        """The distinct numbers of repeat purchases, sorted."""
        return np.unique(self.x)

    @cached_property
    def mass(self) -> np.ndarray:
        """The number of customers with each of the `counts`."""
        return np.bincount(np.searchsorted(self.counts, self.x), self.weight)

    def in_units_of(self, money: float) -> Self:
        """The same with spends divided by `money`."""
        return type(self)(self.x, self.m / money, self.weight)

    def part(self, n_rows: int) -> Self:
        """About `n_rows` evenly spaced rows, all of them if there are no more."""
        kept = slice(max(len(self.x) // n_rows, 1) // 2, None, max(len(self.x) // n_rows, 1))
        return type(self)(self.x[kept], self.m[kept], self.weight[kept])

    def resampled(self, random: np.random.Generator) -> Self:
        """As many customers, drawn with replacement."""
        return type(self)(self.x, self.m, _drawn(self.weight, random))


def _drawn(weight: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """How often each row is drawn, with replacement, in as many draws as there are customers."""
    n = round(float(weight.sum()))
    return random.multinomial(n, weight / weight.sum()).astype(np.float64)


def _merged(*columns: np.ndarray) -> list[np.ndarray]:
    """The distinct rows of ``(x, t_x, T)`` by `x`, and the number of each.

    If more than half of all times `T` are different, merging does not pay, and rows are only
    sorted.
    """
    x, t_x, T = columns
    ages, age = np.unique(T, return_inverse=True)
    if 2 * len(ages) <= len(T):
        times, time = np.unique(t_x, return_inverse=True)
        sizes = int(x.max(initial=0)) + 1, len(times), len(ages)
        if sizes[0] * sizes[1] * sizes[2] < LARGEST_CODE:
            code = (x.astype(np.int64) * sizes[1] + time) * sizes[2] + age
            code, weight = np.unique(code, return_counts=True)
            code, age = np.divmod(code, sizes[2])
            count, time = np.divmod(code, sizes[1])
            return [count.astype(np.float64), times[time], ages[age], weight.astype(np.float64)]
    order = np.argsort(x, kind="stable")
    return [*(c[order] for c in columns), np.ones(len(x))]
