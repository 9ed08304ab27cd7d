"""The same number for every customer, as a scorer: what a model must beat."""

from __future__ import annotations

import numpy as np
import pandas as pd

from growthlab.models.table_estimator import design_of
from growthlab.scorers.base import RowScorer
from growthlab.scorers.curve_row_scorer import CurveRowScorer
from growthlab.scorers.linear_row_scorer import LinearRowScorer


def constant_scorer(table: pd.DataFrame, value: float) -> RowScorer:
    """A scorer that answers `value` for every row; it reads the first number or text of the table."""
    numbers = [str(c) for c in table if pd.api.types.is_numeric_dtype(table[c].dtype)]
    if numbers:
        return CurveRowScorer(numbers[0], np.zeros(1), np.full(1, value), value)
    design = design_of(table.iloc[:, :1])
    return LinearRowScorer(design, np.zeros(len(design.levels)), value, "identity")
