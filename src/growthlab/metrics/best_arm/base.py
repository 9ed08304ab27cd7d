"""What metrics of several arms are computed from: predicted and observed effects, costs; their contracts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True)
class JudgedArms:
    """Customers of an experiment with several arms, and what a model says of each arm.

    All amounts are in money: `worth` is what a unit of the outcome brings. `average` are the average
    effects of the customers that models learned from: what is known without skill.
    """

    predicted: np.ndarray  # (n, n_arms) effects over the control, of the outcome
    robust: np.ndarray  # (n, n_arms) doubly robust effects, of the outcome
    cost: np.ndarray  # (n_arms,) of a contact
    average: np.ndarray  # (n_arms,) effects, of the outcome
    worth: float = 1.0

    def __len__(self) -> int:
        return len(self.robust)

    @cached_property
    def chosen(self) -> np.ndarray:
        """The arm that the model gives each customer, ``(n,)``; -1: none, as none is worth its cost."""
        return best_arms(self.worth * self.predicted - self.cost)

    @cached_property
    def same_for_all(self) -> np.ndarray:
        """The arm that everybody is given without a model, ``(n,)``: the best on average, -1: none."""
        best = best_arms(self.worth * self.average[None, :] - self.cost)
        return np.full(len(self), best[0])

    def gains(self, arms: np.ndarray) -> np.ndarray:
        """What giving each customer its one of `arms` brings, less the cost, ``(n,)``; 0 for none."""
        net = np.column_stack([self.worth * self.robust - self.cost, np.zeros(len(self))])
        return np.asarray(np.take_along_axis(net, arms[:, None], axis=1)[:, 0])


def best_arms(net: np.ndarray) -> np.ndarray:
    """The first column with the largest value of each row, ``(n,)``; -1 where none is above 0."""
    best = net.argmax(axis=1)
    return np.where(net.max(axis=1) > 0, best, -1)


@runtime_checkable
class PerCustomer(Protocol):
    """A metric that is the mean of one value a customer."""

    name: ClassVar[str]
    larger_is_better: ClassVar[bool]

    def per_customer(self, judged: JudgedArms) -> np.ndarray:
        """The value of each customer, ``(n,)``."""
        ...


@runtime_checkable
class OfArms(Protocol):
    """A metric of all customers together."""

    name: ClassVar[str]
    larger_is_better: ClassVar[bool]

    def of_arms(self, judged: JudgedArms, weights: np.ndarray) -> np.ndarray:
        """The value where each customer counts so often, ``(n_resamples,)`` for ``(n_resamples, n)``."""
        ...


ArmMetric = PerCustomer | OfArms
