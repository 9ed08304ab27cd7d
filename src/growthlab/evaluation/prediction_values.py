"""Metrics of one model's predictions on many resamples of customers, sorted only once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from growthlab.evaluation.resamples import Resamples
from growthlab.metrics.predictions import OrderMetric, PredictionMetric, SumMetric
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
        columns, self._places = [np.ones(len(label))], []
        for metric in metrics:
            own = metric.columns(label, prediction) if isinstance(metric, SumMetric) else ()
            self._places.append(slice(len(columns), len(columns) + len(own)))
            columns.extend(own)
        sums = [resamples.sums_by_cell(column, rows) for column in columns]
        self._sums = np.column_stack(sums)  # (n_cells, n_columns)

    def of_all(self, metrics: Sequence[PredictionMetric]) -> list[float]:
        """The value of each of some metrics for all customers."""
        label, prediction = self._ascending
        return [float(metric(label, prediction)) for metric in metrics]

    def on_resamples(self, n_resamples: int) -> np.ndarray:
        """The value of each metric on each resample, ``(n_metrics, n_resamples)``."""
        blocks = self._resamples.blocks(n_resamples, len(self._cells))
        none = np.zeros((len(self._metrics), 0))
        return np.concatenate([none, *map(self.on_counts, blocks)], axis=1)

    def on_counts(self, counts: np.ndarray) -> np.ndarray:
        """The values where the cells count ``(n_drawn, n_cells)`` times, ``(n_metrics, n_drawn)``."""
        sums = (counts.astype(float) @ self._sums).T
        rows = WeightedRows(self._ranking, np.take(counts, self._cells, axis=1))
        values = np.empty((len(self._metrics), len(counts)))
        for own, metric, places in zip(values, self._metrics, self._places, strict=True):
            if isinstance(metric, SumMetric):
                own[:] = metric.of_sums(sums[0], *sums[places])
            elif isinstance(metric, OrderMetric):
                own[:] = metric.on_rows(rows)
            else:
                label, prediction = self._ascending
                own[:] = [metric(label, prediction, weight[::-1]) for weight in rows.weights]
        return values

    @property
    def _ascending(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels and predictions, lowest prediction first: sorting them again is linear."""
        return self._ranking.label[::-1].copy(), self._ranking.prediction[::-1].copy()
