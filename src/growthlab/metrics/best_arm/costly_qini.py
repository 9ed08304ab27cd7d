"""Costly Qini: what a budget for several arms of different cost buys, over all budgets."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from growthlab.metrics.best_arm.base import JudgedArms


class CostlyQini:
    """Mean height of the model's Qini curve of several arms above that of the same arms for all.

    The curve is what a budget of B a customer buys: each customer goes along the upper hull of its
    predicted (cost, gain) from no contact on, all by falling gain for a unit of cost, as long as that
    is above 0; the gain is by doubly robust effects, in money. A step that a budget pays for in part
    counts in part. B goes from 0 to the cost of the dearest arm for everybody:

    (1 / B_max) integral from 0 to B_max of (Q_model(B) - Q_average(B)) dB,

    where Q_average has the average effect for every customer. 0 for a model that says the same of
    all. Where no arm has a cost a contact costs 1, so that B is the share of customers.
    Sverdrup, Wu, Athey & Wager, Qini Curves for Multi-Armed Treatment Rules, 2024.

    Examples
    --------
    One arm of cost 1 has an effect on the first of two customers only. The model contacts that one first,
    and its curve is (0, 0), (1/2, 1), (1, 1); contacting all alike is (0, 0), (1, 1): 3/4 - 1/2.

    >>> from growthlab.metrics.best_arm.base import JudgedArms
    >>> judged = JudgedArms(
    ...     predicted=np.array([[2], [1]]),
    ...     robust=np.array([[2], [0]]),
    ...     cost=np.array([1]),
    ...     average=np.array([1]),
    ... )
    >>> CostlyQini().of_arms(judged, np.ones((1, 2))).tolist()
    [0.25]
    """

    name: ClassVar[str] = "costly_qini"
    larger_is_better: ClassVar[bool] = True

    def of_arms(self, judged: JudgedArms, weights: np.ndarray) -> np.ndarray:
        """See `OfArms.of_arms`."""
        most = cost_of_arms(judged.cost).max()
        everybody = np.broadcast_to(judged.average, judged.predicted.shape)
        areas = [
            _area(*curve(judged, predicted, weights), most)
            for predicted in (judged.predicted, everybody)
        ]
        return (areas[0] - areas[1]) / most


class _Steps(NamedTuple):
    """The steps of all customers from arm to arm, the best first; ``(n_steps,)`` each."""

    customer: np.ndarray
    before: np.ndarray  # the arm that is left; -1: no contact
    arm: np.ndarray
    slope: np.ndarray  # gain for a unit of cost


def cost_of_arms(cost: np.ndarray) -> np.ndarray:
    """The costs, or 1 for each arm where none has any."""
    return cost if cost.any() else np.ones_like(cost)


def curve(
    judged: JudgedArms, predicted: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What is spent and gained a customer after each step or tie of steps, ``(n_resamples, n_points)``.

    The first point is no contact; `weights` are how often each customer counts, ``(n_resamples, n)``.
    """
    cost = cost_of_arms(judged.cost)
    steps = _steps(judged.worth * predicted, cost)
    zero = np.zeros((len(judged), 1))
    gain = np.column_stack([judged.worth * judged.robust, zero])  # the last column is no contact
    spent = np.append(cost, 0.0)
    n = weights.sum(axis=1, keepdims=True)
    counted = weights[:, steps.customer] / n
    rises = gain[steps.customer, steps.arm] - gain[steps.customer, steps.before]
    sums = [counted * (spent[steps.arm] - spent[steps.before]), counted * rises]
    starts = np.flatnonzero(
        np.append(True, steps.slope[1:] != steps.slope[:-1])[: len(steps.slope)]
    )
    points = [np.add.reduceat(each, starts, axis=1) if len(starts) else each for each in sums]
    none = np.zeros((len(weights), 1))
    x, y = (np.cumsum(np.concatenate([none, each], axis=1), axis=1) for each in points)
    return x, y


def _steps(gain: np.ndarray, cost: np.ndarray) -> _Steps:
    """The steps along each customer's upper hull from no contact, with a gain for their cost."""
    n, n_arms = gain.shape
    customers = np.arange(n)
    at, spent, gained = np.full(n, -1), np.zeros(n), np.zeros(n)
    found = []
    for _ in range(n_arms):
        more, better = cost - spent[:, None], gain - gained[:, None]
        slope = np.full((n, n_arms), -np.inf)
        np.divide(better, more, out=slope, where=more > 0)
        slope[(more == 0) & (better > 0)] = np.inf
        best = slope.argmax(axis=1)
        goes = slope[customers, best] > 0
        found.append((customers[goes], at[goes], best[goes], slope[customers, best][goes]))
        at = np.where(goes, best, at)
        spent = np.where(goes, cost[best], spent)
        gained = np.where(goes, gain[customers, best], gained)
    customer, before, arm, slopes = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.argsort(-slopes, kind="stable")
    return _Steps(customer[order], before[order], arm[order], slopes[order])


def _area(x: np.ndarray, y: np.ndarray, until: float) -> np.ndarray:
    """The area under lines through the points, level from the last one to `until`."""
    lines = ((y[:, 1:] + y[:, :-1]) * np.diff(x, axis=1)).sum(axis=1) / 2
    return lines + y[:, -1] * (until - x[:, -1])
