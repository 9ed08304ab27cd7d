"""The common part of metrics of predictions: their contract, weighted rows, tied predictions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from growthlab.metrics.weighted_rows import WeightedRows


@runtime_checkable
class PredictionMetric(Protocol):
    """A metric of one label and one prediction per customer."""

    larger_is_better: ClassVar[bool]

    @property
    def name(self) -> str:
        """The name under which it is logged."""
        ...

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """The value, NaN where undefined.

        `weight` is how often each row counts (as in a bootstrap resample): the value is that of the
        repeated rows.
        """
        ...


@runtime_checkable
class NamedMetric(Protocol):
    """A metric that is logged under one name."""

    @property
    def name(self) -> str:
        """The name."""
        ...


@runtime_checkable
class OfProbabilities(PredictionMetric, Protocol):
    """A metric that, where `of_probabilities` holds, depends on the level of probabilities."""

    of_probabilities: ClassVar[bool]


@runtime_checkable
class OfEffects(PredictionMetric, Protocol):
    """A metric that, where `of_effects` holds, compares effects, and says nothing of other numbers."""

    of_effects: ClassVar[bool]


@runtime_checkable
class BiasedByResampling(Protocol):
    """A metric whose bootstrap bounds, where `biased_by_resampling` holds, would miss its value."""

    biased_by_resampling: ClassVar[bool]


@runtime_checkable
class RaisedByResampling(Protocol):
    """A metric that, where `raised_by_resampling` holds, is the best of many: resamples exceed its value.

    The best in a sample is too good by its noise, and that of a resample once more.
    """

    raised_by_resampling: ClassVar[bool]


LABEL, PART = "label", "label: "  # columns of a table of predictions


def label_columns(columns: Iterable[str]) -> list[str]:
    """The columns of a table of predictions that hold the label: one, or one for each of its parts."""
    return [name for name in columns if name == LABEL or name.startswith(PART)]


def label_of(table: pd.DataFrame) -> np.ndarray:
    """The label in a table of predictions, ``(n,)``, or where it has parts ``(n, n_parts)``; float64."""
    columns = label_columns(map(str, table))
    one = columns == [LABEL]
    return table[LABEL if one else columns].to_numpy(dtype=float)


class SumMetric:
    """A metric computed from sums over customers, such as a mean or a ratio of two means."""

    name: ClassVar[str]

    def columns(self, label: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, ...]:
        """What is summed, ``(n,)`` each; NaN where the metric is undefined."""
        raise NotImplementedError

    def of_sums(self, n: np.ndarray, *sums: np.ndarray) -> np.ndarray:
        """The metric of `n` customers with these sums of `columns`, all of one shape."""
        raise NotImplementedError

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        weight = row_weights(label, weight)
        sums = (weight @ column for column in self.columns(label, prediction))
        return float(self.of_sums(weight.sum(), *sums))


class OrderMetric:
    """A metric of the order of customers, computed for many resamples at once."""

    def on_rows(self, rows: WeightedRows) -> np.ndarray:
        """The value of each resample, ``(n_resamples,)``; NaN where undefined."""
        raise NotImplementedError

    def __call__(
        self, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> float:
        """See `PredictionMetric.__call__`."""
        return float(self.on_rows(WeightedRows.of(label, prediction, weight))[0])


class Groups(NamedTuple):
    """Sums over the rows of equal prediction, highest prediction first; ``(..., n_groups)`` each."""

    mass: np.ndarray  # rows in the group
    label: np.ndarray  # sum of their labels
    prediction: np.ndarray  # sum of their predictions


def group_by_prediction(
    label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
) -> Groups:
    """The rows grouped by equal prediction; rows of weight 0 may leave groups without mass.

    The order of rows within a group means nothing: spreading a group's sums evenly over its mass
    gives the mean over all orders. `weight` may have several resamples, ``(..., n)``.
    """
    weight = row_weights(label, weight)
    if (prediction[1:] < prediction[:-1]).any():
        order = np.argsort(prediction, kind="stable")
        label, prediction, weight = label[order], prediction[order], weight[..., order]
    first = np.ones(len(prediction), dtype=bool)
    first[1:] = prediction[1:] != prediction[:-1]
    sums = [weight, weight * label, weight * prediction]
    if not first.all():
        starts = np.flatnonzero(first)
        sums = [np.add.reduceat(each, starts, axis=-1) for each in sums]
    return Groups(*(each[..., ::-1] for each in sums))


def sums_of_first(groups: Groups, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of label and prediction over the first `places` rows, ties spread evenly."""
    mass = np.concatenate([[0.0], np.cumsum(groups.mass)])
    label = np.concatenate([[0.0], np.cumsum(groups.label)])
    prediction = np.concatenate([[0.0], np.cumsum(groups.prediction)])
    return np.interp(places, mass, label), np.interp(places, mass, prediction)


def equal_mass_bins(groups: Groups, n_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean label and mean prediction of bins of equal mass, highest predictions first.

    Shape ``(n_bins,)`` each. A row or a tie across a border is shared between the bins; NaN without
    rows.
    """
    total = groups.mass.sum()
    if total == 0:
        return np.full(n_bins, np.nan), np.full(n_bins, np.nan)
    label, prediction = sums_of_first(groups, total * np.arange(n_bins + 1) / n_bins)
    size = total / n_bins
    return np.diff(label) / size, np.diff(prediction) / size


def row_weights(label: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """How often each row counts, float64; 1 without weights."""
    return np.ones(len(label)) if weight is None else np.asarray(weight, dtype=float)


def are_probabilities(prediction: np.ndarray) -> bool:
    """Whether all predictions are in [0, 1], unlike scores such as a number of days."""
    return bool(((prediction >= 0) & (prediction <= 1)).all())
