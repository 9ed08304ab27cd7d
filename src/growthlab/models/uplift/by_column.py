"""By column: customers in the order of one feature, such as recency or a risk of churn."""

from __future__ import annotations

import logging
from typing import Self

import numpy as np
import pandas as pd

from growthlab.core.errors import DataError
from growthlab.features.examples import Examples
from growthlab.features.experiment_table import ExperimentTable
from growthlab.models.uplift.base import OrdersOnly
from growthlab.training.fit_options import FitOptions

log = logging.getLogger(__name__)


class ByColumn(OrdersOnly):
    """The feature `column`, the largest first or the smallest; customers without it come last.

    In a table without the column all customers are equal.
    """

    def __init__(self, column: str, largest_first: bool = True) -> None:
        self.column = column
        self.largest_first = largest_first

    def fit(self, experiment: ExperimentTable, options: FitOptions) -> Self:
        """Nothing is learned; DataError where the column holds texts."""
        if self.column not in experiment.table:
            log.warning("no column %s to order by: name one with model.column", self.column)
        elif not pd.api.types.is_numeric_dtype(experiment.table[self.column].dtype):
            raise DataError(f"model.column={self.column} holds texts: name a column of numbers")
        return self

    def predict(self, customers: Examples) -> np.ndarray:
        """See `EffectModel.predict`."""
        if self.column not in customers.table:
            return np.zeros(len(customers))
        values = customers.table[self.column].to_numpy(dtype=np.float64)
        values = values if self.largest_first else -values
        known = values[np.isfinite(values)]
        return np.where(np.isfinite(values), values, known.min(initial=0.0) - 1)
