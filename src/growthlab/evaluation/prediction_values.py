"""Metrics of one model's predictions on many resamples of customers, sorted only once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from growthlab.evaluation.intervals import (
    bias_corrected_bounds,
    is_rough,
    jackknife_bounds,
    percentile_bounds,
    unless_without_width,
)
from growthlab.evaluation.resamples import Resamples
from growthlab.metrics.predictions import (
    OrderMetric,
    PredictionMetric,
    RaisedByResampling,
    SumMetric,
)
from growthlab.metrics.weighted_rows import Ranking, WeightedRows


class PredictionValues:
    """The values of metrics for all customers, and on resamples of them.

    Parameters
    ----------
    rows : the places of the customers, a stratum, among all that are resampled; None: all
    """

    def __init__(
        self,
        label: np.ndarray,
        prediction: np.ndarray,
        metrics: Sequence[PredictionMetric],
        resamples: Resamples,
        rows: np.ndarray | None = None,
    ) -> None:
        self._metrics, self._resamples = metrics, resamples
        self._ranking = Ranking(label, prediction)
        cells = resamples.cells if rows is None else resamples.cells[rows]
        self._cells = cells[self._ranking.order]
        columns = [np.ones(len(label))]
        self._places: dict[str, slice] = {}  # of the columns of each metric of sums
        for metric in metrics:
            if isinstance(metric, SumMetric):
                own = metric.columns(label, prediction)
                self._places[metric.name] = slice(len(columns), len(columns) + len(own))
                columns.extend(own)
        sums = [resamples.sums_by_cell(column, rows) for column in columns]
        self._sums = np.column_stack(sums)  # (n_cells, n_columns)

    def of_all(self, metrics: Sequence[PredictionMetric]) -> list[float]:
        """The value of each of some metrics for all customers."""
        label, prediction = self._ascending
        return [float(metric(label, prediction)) for metric in metrics]

    def bounds(self, n_resamples: int) -> dict[str, tuple[float, float]]:
        """The 95 % bounds of each metric by name; none without resamples.

        Nothing is ordered where all predictions are equal: a metric of the order has no bounds there.
        """
        if not n_resamples:
            return {}
        summed = [m for m in self._metrics if isinstance(m, SumMetric)]
        bounds = {metric.name: self._jackknife_bounds(metric) for metric in summed}
        constant = (
            len(self._cells) == 0 or self._ranking.prediction[0] == self._ranking.prediction[-1]
        )
        skipped = (SumMetric, OrderMetric) if constant else (SumMetric,)
        others = [m for m in self._metrics if not isinstance(m, skipped)]
        if others:
            drawn = self.on_resamples(n_resamples, others)
            bounds |= {
                metric.name: self._resampled_bounds(metric, values)
                for metric, values in zip(others, drawn, strict=True)
            }
        return {name: unless_without_width(each) for name, each in bounds.items()}

    def rough(self) -> frozenset[str]:
        """The names of the metrics whose bounds are rough, see `is_rough`."""
        blocks = self._resamples.without_each_group(len(self._cells))
        none = np.zeros((len(self._metrics), 0))
        without = np.concatenate([none, *(self.on_counts(block) for block in blocks)], axis=1)
        values = zip(self._metrics, without, strict=True)
        return frozenset(m.name for m, own in values if is_rough(own, len(self._cells)))

    def on_resamples(
        self, n_resamples: int, metrics: Sequence[PredictionMetric] | None = None
    ) -> np.ndarray:
        """The value of each metric (default: all) on each resample, ``(n_metrics, n_resamples)``."""
        blocks = self._resamples.blocks(n_resamples, len(self._cells))
        none = np.zeros((len(self._metrics if metrics is None else metrics), 0))
        return np.concatenate([none, *(self.on_counts(b, metrics) for b in blocks)], axis=1)

    def on_counts(
        self, counts: np.ndarray, metrics: Sequence[PredictionMetric] | None = None
    ) -> np.ndarray:
        """The values where the cells count ``(n_drawn, n_cells)`` times, ``(n_metrics, n_drawn)``."""
        metrics = self._metrics if metrics is None else metrics
        sums = (counts.astype(float) @ self._sums).T
        rows = WeightedRows(self._ranking, np.take(counts, self._cells, axis=1))
        values = np.empty((len(metrics), len(counts)))
        for own, metric in zip(values, metrics, strict=True):
            if isinstance(metric, SumMetric):
                own[:] = metric.of_sums(sums[0], *sums[self._places[metric.name]])
            elif isinstance(metric, OrderMetric):
                own[:] = metric.on_rows(rows)
            else:
                label, prediction = self._ascending
                own[:] = [metric(label, prediction, weight[::-1]) for weight in rows.weights]
        return values

    def _resampled_bounds(
        self, metric: PredictionMetric, resampled: np.ndarray
    ) -> tuple[float, float]:
        """The bounds of a metric from its values on resamples."""
        if isinstance(metric, RaisedByResampling) and metric.raised_by_resampling:
            (value,) = self.of_all([metric])
            return bias_corrected_bounds(value, resampled)
        return percentile_bounds(resampled)

    def _jackknife_bounds(self, metric: SumMetric) -> tuple[float, float]:
        """The bounds of a metric of sums, from its values without each cell of customers."""
        places, totals = self._places[metric.name], self._sums.sum(axis=0)
        without = (totals - self._sums[self._sums[:, 0] > 0]).T
        value = float(metric.of_sums(totals[0], *totals[places]))
        return jackknife_bounds(value, metric.of_sums(without[0], *without[places]))

    @property
    def _ascending(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels and predictions, lowest prediction first: sorting them again is linear."""
        return self._ranking.label[::-1].copy(), self._ranking.prediction[::-1].copy()
