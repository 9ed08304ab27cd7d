"""Metrics of several arms with 95 % intervals over customers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from growthlab.evaluation.bootstrap import mean_estimates
from growthlab.evaluation.intervals import (
    NO_BOUNDS,
    percentile_bounds,
    unless_without_width,
)
from growthlab.evaluation.outcome import Estimate
from growthlab.evaluation.resamples import N_RESAMPLES, Resamples
from growthlab.metrics.best_arm.base import ArmMetric, JudgedArms, OfArms, PerCustomer
from growthlab.metrics.predictions import BiasedByResampling


def evaluate_arms(
    judged: JudgedArms,
    metrics: Iterable[ArmMetric],
    *,
    intervals: bool = True,
    n_resamples: int = N_RESAMPLES,
) -> tuple[pd.DataFrame, dict[str, Estimate]]:
    """Every metric of the arms that a model chooses.

    Returns
    -------
    per_customer : a column a metric that is a mean of one value a customer
    values : with the bounds of `mean_estimates` for those, and of `percentile_bounds` for the others;
        a metric with ``biased_by_resampling`` has none
    """
    listed = list(metrics)
    n_resamples = n_resamples if intervals else 0
    columns = {m.name: m.per_customer(judged) for m in listed if isinstance(m, PerCustomer)}
    table = pd.DataFrame(columns, index=range(len(judged)))
    values = mean_estimates(table, n_resamples=n_resamples)
    for metric in listed:
        if isinstance(metric, OfArms):
            values[metric.name] = _of_arms(metric, judged, n_resamples)
    return table, values


def _of_arms(metric: OfArms, judged: JudgedArms, n_resamples: int) -> Estimate:
    """A metric of all customers together with its bounds."""
    (value,) = metric.of_arms(judged, np.ones((1, len(judged))))
    biased = isinstance(metric, BiasedByResampling) and metric.biased_by_resampling
    if biased or not n_resamples:
        return Estimate(float(value), *NO_BOUNDS)
    resamples = Resamples(len(judged))
    drawn = [
        metric.of_arms(judged, counts[:, resamples.cells].astype(float))
        for counts in resamples.blocks(n_resamples, judged.robust.size)
    ]
    bounds = percentile_bounds(np.concatenate(drawn)) if drawn else NO_BOUNDS
    return Estimate(float(value), *unless_without_width(bounds))
