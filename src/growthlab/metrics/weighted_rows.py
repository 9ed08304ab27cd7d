"""Customers in the order of their predictions, for many resamples at once: counts, sums, ties."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Self

import numpy as np


class Ranking:
    """Labels and predictions sorted once, highest prediction first, for any number of resamples.

    Attributes
    ----------
    order : the place of each sorted row among the rows that were given, ``(n,)``
    label, prediction : sorted, ``(n,)``; a label may have several parts, ``(n, n_parts)``
    """

    def __init__(self, label: np.ndarray, prediction: np.ndarray) -> None:
        if (prediction[1:] < prediction[:-1]).any():
            order = np.argsort(prediction, kind="stable")
        else:
            order = np.arange(len(prediction))
        self.order = order[::-1]
        self.label, self.prediction = label[self.order], prediction[self.order]

    @cached_property
    def ends(self) -> np.ndarray | None:
        """The place of the last row of each group of equal predictions; None without ties."""
        last = np.append(
            self.prediction[1:] != self.prediction[:-1], [True] * (len(self.order) > 0)
        )
        return None if last.all() else np.flatnonzero(last)

    @cached_property
    def small_label(self) -> np.ndarray | None:
        """The labels as bytes if all are 0 or 1, else None: sums of counts are then whole numbers."""
        binary = ((self.label == 0) | (self.label == 1)).all()
        return self.label.astype(np.uint8) if binary else None

    @cached_property
    def hull_ends(self) -> np.ndarray:
        """The places of groups that may end a segment of the ROC curve's hull in some resample.

        A segment goes on after a group of zeros, and before a group of ones: the share of ones does
        not fall there.
        """
        low = high = self.label
        if self.ends is not None:
            starts = np.append(0, self.ends[:-1] + 1)
            low, high = (f.reduceat(self.label, starts) for f in (np.minimum, np.maximum))
        falls = (high[:-1] > 0) & (low[1:] < 1)
        return np.flatnonzero(np.append(falls, [True] * (len(low) > 0)))

    @cached_property
    def by_label(self) -> Ranking:
        """The same rows, which are now given in this order, sorted by label."""
        return Ranking(self.label, self.label)


class WeightedRows:
    """The rows of a ranking with the number of times that each counts in each resample.

    Rows of equal prediction are a group, whose order means nothing: spreading its sums evenly over
    its mass gives the mean over all orders. Arrays have a row a resample and a column a group,
    highest prediction first; counts are whole numbers if `weights` are, so that sums are exact.

    Parameters
    ----------
    weights : ``(n_resamples, n)``, in the order of the ranking
    """

    def __init__(self, ranking: Ranking, weights: np.ndarray) -> None:
        self.ranking, self.weights = ranking, weights
        self._known: dict[Any, Any] = {}

    @classmethod
    def of(
        cls, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> Self:
        """A single resample in which each row counts `weight` times, once by default."""
        ranking = Ranking(np.asarray(label, dtype=float), prediction)
        if weight is None:
            return cls(ranking, np.ones((1, len(label)), dtype=np.uint8))
        return cls(ranking, np.asarray(weight, dtype=float)[None, ranking.order])

    def __len__(self) -> int:
        return len(self.weights)

    @cached_property
    def mass(self) -> np.ndarray:
        """Rows in each group."""
        ends = self.ranking.ends
        return self.weights if ends is None else np.diff(self.mass_so_far, axis=-1, prepend=0)

    @cached_property
    def mass_so_far(self) -> np.ndarray:
        """Rows in each group and all groups above it."""
        return self._at_ends(self._sums(self.weights))

    @cached_property
    def total(self) -> np.ndarray:
        """All rows, ``(n_resamples,)``, float64."""
        return _last(self.mass_so_far)

    @cached_property
    def label(self) -> np.ndarray:
        """The sum of the labels in each group."""
        if self._counted is not None:
            whole = self.ranking.ends is None
            return self._counted if whole else np.diff(self.label_so_far, axis=-1, prepend=0)
        sums = self.weights * self.ranking.label
        ends = self.ranking.ends
        if ends is None:
            return sums
        starts = len(self.ranking.order) - 1 - ends[::-1]  # from the lowest prediction upwards
        return np.add.reduceat(sums[:, ::-1], starts, axis=-1)[:, ::-1]

    @cached_property
    def label_so_far(self) -> np.ndarray:
        """The sum of the labels in each group and all groups above it."""
        if self._counted is not None:
            return self._at_ends(self._sums(self._counted))
        return np.cumsum(self.label, axis=-1)

    def so_far(self, values: np.ndarray) -> np.ndarray:
        """The sum of a value of each row, in the order of the ranking, in each group and all above it."""
        return self._at_ends(np.cumsum(self.weights * values, axis=-1))

    @cached_property
    def label_total(self) -> np.ndarray:
        """The sum of all labels, ``(n_resamples,)``, float64."""
        if self._counted is not None:
            return _last(self.label_so_far)
        return np.asarray(self.label.sum(axis=-1))

    @cached_property
    def by_label(self) -> WeightedRows:
        """The same rows in the order of their labels."""
        ranking = self.ranking.by_label
        return WeightedRows(ranking, np.take(self.weights, ranking.order, axis=1))

    @cached_property
    def mid_ranks(self) -> np.ndarray:
        """The mean rank of each row among the repeated rows, from 1; equal predictions share theirs."""
        ranks = self.mass_so_far - (self.mass - 1.0) / 2
        ends = self.ranking.ends
        return ranks if ends is None else np.repeat(ranks, np.diff(ends, prepend=-1), axis=1)

    def label_of_first(self, places: np.ndarray) -> np.ndarray:
        """The sum of the labels of the first `places` rows of each resample, ties spread evenly."""
        rows = zip(places, self.mass_so_far, self.label_so_far, strict=True)
        zero = np.zeros(1)
        return np.array(
            [np.interp(p, np.append(zero, m), np.append(zero, v)) for p, m, v in rows], dtype=float
        )

    def once(self, key: Any, compute: Callable[[], Any]) -> Any:
        """What `compute` gives, computed only once for all metrics that ask for the same `key`."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]

    @cached_property
    def _counted(self) -> np.ndarray | None:
        """How often each row counts as a positive, as bytes; None unless all are whole numbers."""
        small = self.ranking.small_label
        return None if small is None or self.weights.dtype != np.uint8 else self.weights * small

    def _sums(self, rows: np.ndarray) -> np.ndarray:
        """Cumulative sums over the rows, of bytes as 32-bit numbers, which are seven times as fast."""
        return np.cumsum(rows, axis=-1, dtype=np.int32 if rows.dtype == np.uint8 else float)

    def _at_ends(self, sums: np.ndarray) -> np.ndarray:
        ends = self.ranking.ends
        return sums if ends is None else np.take(sums, ends, axis=-1)


def divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """The ratio, NaN where `below` is 0."""
    shape = np.broadcast_shapes(np.shape(above), np.shape(below))
    return np.divide(above, below, out=np.full(shape, np.nan), where=np.asarray(below) != 0)


def _last(sums: np.ndarray) -> np.ndarray:
    return sums[:, -1].astype(float) if sums.shape[1] else np.zeros(len(sums))
