"""Policy tree: a small tree that says which arm a customer gets, by EconML."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from growthlab.core.errors import ConfigError, ExportError
from growthlab.core.seeding import random_stream
from growthlab.features.arms_table import ArmsTable
from growthlab.features.examples import Examples
from growthlab.models.optional_package import require_package
from growthlab.models.table_estimator import arrays_of, design_of
from growthlab.models.uplift.base import PARTS, OutcomeModel, fit_copy
from growthlab.scorers.arms_row_scorer import ArmsRowScorer
from growthlab.training.fit_options import FitOptions


class PolicyTree:
    """``econml.policy.PolicyTree`` on doubly robust gains less costs, the outcome of each arm cross-fitted.

    A leaf holds the mean effect of each arm among its customers, so that its choice can be read.
    Athey & Wager, Policy Learning with Observational Data, Econometrica 2021.
    """

    stochastic: ClassVar[bool] = True
    package: ClassVar[str] = "econml"
    extra: ClassVar[str] = "uplift"

    def __init__(self, outcome: OutcomeModel, depth: int = 3, min_leaf: int = 100) -> None:
        for name, value in (("depth", depth), ("min_leaf", min_leaf)):
            if value < 1:
                raise ConfigError(f"model.{name} must be 1 or more, got {value}")
        self.outcome = outcome
        self.depth = depth
        self.min_leaf = min_leaf

    def fit(self, experiment: ArmsTable, options: FitOptions) -> Self:
        """See `ArmModel.fit`; ConfigError where EconML is not installed."""
        require_package(self)
        from econml.policy import PolicyTree as Tree

        expected = _expected_outcomes(self.outcome, experiment, options)
        effects = replace(experiment, expected=expected).truth
        self.cost_ = np.array([experiment.assignment.cost.get(a, 0.0) for a in experiment.arms])
        self.worth_ = experiment.worth
        gains = self.worth_ * effects - self.cost_
        self.design_ = design_of(experiment.table)
        self.tree_: Any = Tree(
            max_depth=self.depth, min_samples_leaf=self.min_leaf, random_state=options.seed
        )
        self.tree_.fit(self._matrix(experiment), np.column_stack([np.zeros(len(gains)), gains]))
        return self

    def effects(self, customers: Examples) -> np.ndarray:
        """See `ArmModel.effects`."""
        gains = np.asarray(self.tree_.predict_value(self._matrix(customers)), dtype=np.float64)
        return (gains[:, 1:] - gains[:, :1] + self.cost_) / self.worth_

    def scorer(self) -> ArmsRowScorer:
        """ExportError: the service does not know this tree."""
        raise ExportError("a policy tree is not exportable: it trains and compares")

    def _matrix(self, customers: Examples) -> np.ndarray:
        return np.asarray(
            self.design_.matrix(arrays_of(customers.table, self.design_.columns)), dtype=np.float64
        )


def _expected_outcomes(
    model: OutcomeModel, experiment: ArmsTable, options: FitOptions
) -> np.ndarray:
    """The expected outcome with the control and each arm, ``(n, 1 + n_arms)``, cross-fitted."""
    given, n = experiment.assignment, len(experiment)
    part = random_stream(options.seed, "cross-fit arms", n).permutation(n) % PARTS
    expected = np.empty((n, 1 + len(experiment.arms)))
    for each in range(PARTS):
        left_out = np.flatnonzero(part == each)
        customers = experiment.select(left_out)
        for column, arm in enumerate((given.control, *experiment.arms)):
            own = np.flatnonzero((part != each) & (given.arms == arm))
            fitted = fit_copy(model, experiment.select(own), options)
            expected[left_out, column] = fitted.predict(customers)
    return expected
