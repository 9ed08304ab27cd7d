"""Will this customer leave: no purchase within the horizon after the cutoff."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from growthlab.data.event_log import EventLog
from growthlab.features.examples import Examples
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.split.fold import Fold
from growthlab.tasks.customers import CustomerTask
from growthlab.tasks.snapshots import CustomerData, within

log = logging.getLogger(__name__)

GIVEAWAY_AUC = 0.95


@dataclass(frozen=True, kw_only=True)
class Churn(CustomerTask):
    """Probability of no purchase in ``[cutoff, cutoff + horizon)``, for customers who were active.

    The objective is ROC AUC: it asks for the order of risk, which a campaign needs, does not depend
    on how many leave, and so compares cutoffs; calibration is shown beside it.
    """

    objective: str = "roc_auc"
    baselines: tuple[str, ...] = ("recency_rule", "bg_nbd")
    name: str = "churn"
    models: str = "churn"
    metrics: str = "binary"

    def data(self, fold: Fold, known: CustomerData | None = None) -> CustomerData:
        """Customers with features and labels; a feature that gives the label away is logged."""
        data = super().data(fold, known)
        for column in giveaways(data.train):
            log.warning("feature %s alone tells who leaves: does it look ahead?", column)
        return data

    def outcomes(
        self, events: EventLog, start: datetime, end: datetime, user_ids: np.ndarray
    ) -> np.ndarray:
        """1 where the customer buys nothing in the window, else 0."""
        bought = f"event_type = 'purchase' AND {within(start, end)}"
        stayed = events.query(f"SELECT DISTINCT user_id FROM events WHERE {bought}")
        return (~np.isin(user_ids, stayed["user_id"].to_numpy(dtype=str))).astype(np.float64)

    def guess(self, customers: Examples) -> float:
        """The share of customers without a purchase in a horizon up to now."""
        return float((customers.table["days_since_last"] >= customers.horizon_days).mean())


def giveaways(train: Examples) -> list[str]:
    """The numeric features that rank the labels with a ROC AUC above 0.95 all by themselves.

    None where there are fewer than 100 examples, of which some feature would do so by chance.
    """
    if train.target is None or len(train) < 100:
        return []
    auc, found = RocAuc(), []
    numeric = train.table.select_dtypes("number")
    for column, values in numeric.fillna(numeric.median()).fillna(0.0).items():
        value = auc(train.target, values.to_numpy())
        if max(value, 1 - value) > GIVEAWAY_AUC:
            found.append(str(column))
    return found
