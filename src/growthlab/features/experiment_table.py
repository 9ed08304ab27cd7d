"""ExperimentTable: customers of a randomised experiment, one arm and its control, as models see them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from growthlab.features.examples import Examples

# What the metrics of an effect need to know of a customer, in the order of `truth`.
TRUTH_PARTS = ("treated", "outcome", "propensity", "expected_control", "expected_treated")


@dataclass(frozen=True)
class ExperimentTable(Examples):
    """One row a customer who was given the arm or nothing at random; `target` is the outcome.

    `treatment` is 1 for the arm and 0 for its control, `propensity` the probability of the arm among
    the two. `expected` are the outcomes without and with the arm that a model predicts who has not
    seen these customers' outcomes: they make estimates of effects less noisy, and never biased, as the
    propensities are known. None where nobody asked for them.
    """

    treatment: np.ndarray = field(kw_only=True)  # (n,) float64, 0 or 1
    propensity: np.ndarray = field(kw_only=True)  # (n,) float64, in (0, 1)
    expected: np.ndarray | None = None  # (n, 2) float64

    @classmethod
    def of(cls, customers: Examples, treatment: np.ndarray, propensity: np.ndarray) -> Self:
        """The customers with their treatment."""
        shared = {name: value for name, value in vars(customers).items() if name != "steps"}
        return cls(**shared, treatment=treatment, propensity=propensity)

    @property
    def outcome(self) -> np.ndarray:
        """What came of each customer, ``(n,)`` float64."""
        assert self.target is not None
        return self.target

    @property
    def truth(self) -> np.ndarray:
        """See `Examples.truth`: the columns `TRUTH_PARTS`, ``(n, 5)``."""
        expected = np.zeros((len(self), 2)) if self.expected is None else self.expected
        return np.column_stack([self.treatment, self.outcome, self.propensity, expected])

    def select(self, rows: np.ndarray) -> Self:
        """See `Examples.select`."""
        return replace(
            super().select(rows),
            treatment=self.treatment[rows],
            propensity=self.propensity[rows],
            expected=None if self.expected is None else self.expected[rows],
        )

    def arm(self, treated: bool) -> Self:
        """The customers who got the arm, or those who did not."""
        return self.select(np.flatnonzero(self.treatment == float(treated)))

    def with_target(self, target: np.ndarray) -> Examples:
        """The customers with something else to learn than their outcome."""
        return Examples(
            self.table, self.user_ids, self.snapshots, self.horizon_days, target, self.present
        )
