"""ArmsTable: customers of a randomised experiment with all its arms, as models see them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from growthlab.data.arm_assignment import Assignment
from growthlab.features.examples import Examples
from growthlab.features.experiment_table import ExperimentTable


@dataclass(frozen=True)
class ArmsTable(Examples):
    """One row a customer who was given one of several arms or nothing at random; `target` is the outcome.

    `worth` is what a unit of the outcome brings, in the money of the costs. `expected` are the outcomes
    with the control and with each arm that a model predicts who has not seen these customers'
    outcomes, see `ExperimentTable`; None where nobody asked for them.
    """

    assignment: Assignment = field(kw_only=True)
    worth: float = field(default=1.0, kw_only=True)
    expected: np.ndarray | None = None  # (n, 1 + n_arms) float64, the control first

    @classmethod
    def of(cls, customers: Examples, assignment: Assignment, worth: float) -> Self:
        """The customers with their arms."""
        return cls(**_plain(customers), assignment=assignment, worth=worth)

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms other than the control, sorted."""
        return self.assignment.treatments

    @property
    def truth(self) -> np.ndarray:
        """See `Examples.truth`: the doubly robust effect of each arm over the control, ``(n, n_arms)``.

        m_a - m_0 + 1[A = a] (Y - m_a) / e_a - 1[A = 0] (Y - m_0) / e_0: without bias, as the
        propensities are known, and of every customer, whatever arm it was given.
        """
        assert self.target is not None
        given, outcome = self.assignment, self.target
        expected = np.zeros((len(self), 1 + len(self.arms)))
        expected = expected if self.expected is None else self.expected
        means = [
            m + (given.arms == arm) * (outcome - m) / given.probability[arm]
            for arm, m in zip((given.control, *self.arms), expected.T, strict=True)
        ]
        return np.column_stack([mean - means[0] for mean in means[1:]])

    def select(self, rows: np.ndarray) -> Self:
        """See `Examples.select`."""
        return replace(
            super().select(rows),
            assignment=self.assignment.select(rows),
            expected=None if self.expected is None else self.expected[rows],
        )

    def against_control(self, arm: str) -> ExperimentTable:
        """The customers of the arm and of the control; the propensity is that among the two."""
        given = self.assignment
        own = self.select(np.flatnonzero(np.isin(given.arms, (arm, given.control))))
        given = own.assignment
        p, control = given.probability[arm], given.probability[given.control]
        treated = (given.arms == arm).astype(np.float64)
        return ExperimentTable.of(Examples(**_plain(own)), treated, p / (p + control))


def _plain(customers: Examples) -> dict[str, Any]:
    """What any examples hold, by name."""
    return {each.name: getattr(customers, each.name) for each in fields(Examples)}
