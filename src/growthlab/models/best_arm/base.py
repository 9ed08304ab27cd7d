"""The contract of models of several arms."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

import numpy as np

from growthlab.features.arms_table import ArmsTable
from growthlab.features.examples import Examples
from growthlab.scorers.arms_row_scorer import ArmsRowScorer
from growthlab.training.fit_options import FitOptions


@runtime_checkable
class ArmModel(Protocol):
    """Says what each arm of an experiment changes in the outcome of a customer."""

    @property
    def stochastic(self) -> bool:
        """Whether another seed gives another model."""
        ...

    def fit(self, experiment: ArmsTable, options: FitOptions) -> Self:
        """Learn from the customers of all arms and of the control."""
        ...

    def effects(self, customers: Examples) -> np.ndarray:
        """The effect of each arm over the control, finite, ``(n, n_arms)`` in the order of the arms."""
        ...

    def scorer(self) -> ArmsRowScorer:
        """The fitted model as a bundle carries it; ExportError where it cannot be exported."""
        ...
