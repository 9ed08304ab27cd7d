"""What is predicted of the same customers: churn, value and effects, learned or shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from fused_features import by_snapshot
from message_months import MessageMarket
from scipy.stats import spearmanr

from growthlab.core.seeding import random_stream
from growthlab.data.event_log import EventLog
from growthlab.data.market.market_items import DAYS
from growthlab.features.examples import Examples
from growthlab.features.experiment_table import ExperimentTable
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.metrics.value.normalised_gini import NormalisedGini
from growthlab.split.global_time import GlobalTime
from growthlab.tasks.churn import Churn
from growthlab.tasks.value import Value


def rank_correlation(effects: np.ndarray, prediction: np.ndarray) -> float:
    """Spearman's; 0 for an order that says nothing."""
    return float(spearmanr(effects, prediction).statistic) if np.ptp(prediction) > 0 else 0.0


METRICS = {
    "churn": ("roc_auc", RocAuc()),
    "value": ("normalised_gini", NormalisedGini()),
    "uplift": ("rank_correlation", rank_correlation),
    "effect": ("rank_correlation", rank_correlation),
}


@dataclass(frozen=True)
class Trial:
    """Customers to learn from and to evaluate, and the truth that predictions are held against.

    `rows` are the places of both among all customers of the market, see `all_customers`.
    """

    task: str
    train: Examples
    evaluated: Examples
    rows: tuple[np.ndarray, np.ndarray]
    truth: np.ndarray

    def with_columns(self, added: pd.DataFrame) -> tuple[Examples, Examples]:
        """Both with further columns beside those of the customer table; `added` has a row a customer."""
        return _joined(self.train, added, self.rows[0]), _joined(
            self.evaluated, added, self.rows[1]
        )

    def value(self, prediction: np.ndarray) -> float:
        """The metric of the task."""
        return float(METRICS[self.task][1](self.truth, prediction))


def all_customers(made: Sequence[Trial]) -> Examples:
    """The customers of the first trial, which has all of them: those to learn from, then the others."""
    return Examples.concat([made[0].train, made[0].evaluated])


def trials(messages: MessageMarket, log: EventLog, plan: Mapping[str, Any]) -> Iterator[Trial]:
    """The trials of a market.

    Effects are learned from those who consent to a channel, by what they brought, contacts paid, with a
    message of the month's first half or without one. The last trial is one that no shop can have: true
    effects are shown of one half of the evaluated customers, and those of the other half are predicted.
    """
    split = GlobalTime(cutoff=messages.cutoff.isoformat(), horizon_days=DAYS, valid="none")
    (fold,) = split.folds(log)
    task = Churn(activity_days=plan["activity_days"], snapshots=plan["snapshots"])
    data = task.data(fold)
    train, evaluated = data.train, data.evaluated
    rows = np.arange(len(train)), len(train) + np.arange(len(evaluated))
    yield Trial("churn", train, evaluated, rows, evaluated.labels("churn"))
    spent = _with_spend(train, fold.past), _with_spend(evaluated, fold.future)
    yield Trial("value", *spent, rows, spent[1].labels("value"))
    (learned, first), (judged, second) = (
        _as_experiment(part, messages, plan["chance"]) for part in (train, evaluated)
    )
    truth = messages.true_effects(judged.user_ids, plan["truth"])
    second = rows[1][second]
    yield Trial("uplift", learned, judged, (first, second), truth)
    order = random_stream(messages.market.settings.seed, "halves").permutation(len(judged))
    shown, hidden = order[: len(order) // 2], order[len(order) // 2 :]
    known = judged.with_target(truth)
    halves = known.select(shown), known.select(hidden)
    yield Trial("effect", *halves, (second[shown], second[hidden]), truth[hidden])


def _joined(customers: Examples, added: pd.DataFrame, rows: np.ndarray) -> Examples:
    own = added.iloc[rows].reset_index(drop=True)
    return replace(customers, table=customers.table.join(own), present=None)


def _with_spend(customers: Examples, events: EventLog) -> Examples:
    """The customers with what they spent in the horizon as the target."""
    spend = np.empty(len(customers))
    for snapshot, rows in by_snapshot(customers):
        end = snapshot + timedelta(days=DAYS)
        spend[rows] = Value().outcomes(events, snapshot, end, customers.user_ids[rows])
    return replace(customers, target=spend)


def _as_experiment(
    customers: Examples, messages: MessageMarket, chance: float
) -> tuple[ExperimentTable, np.ndarray]:
    """Those who could get a message in the month after their snapshot, and their rows."""
    n = len(customers)
    reachable, treated, profit = np.zeros(n, dtype=bool), np.zeros(n), np.zeros(n)
    for snapshot, rows in by_snapshot(customers):
        month, places = messages.months[snapshot], messages.places(customers.user_ids[rows])
        reachable[rows] = month.reachable[places]
        treated[rows], profit[rows] = month.treated[places], month.profit[places]
    experiment = ExperimentTable.of(
        replace(customers, target=profit), treated, np.full(n, float(chance))
    )
    kept = np.flatnonzero(reachable)
    return experiment.select(kept), kept
