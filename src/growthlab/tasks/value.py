"""What is this customer worth: the revenue within the horizon after the cutoff."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from growthlab.data.event_log import EventLog
from growthlab.features.btyd import spend_of
from growthlab.features.examples import Examples
from growthlab.split.fold import Fold
from growthlab.tasks.customers import CustomerTask
from growthlab.tasks.snapshots import CustomerData, by_user, within

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Value(CustomerTask):
    """`revenue_value` in ``[cutoff, cutoff + horizon)``: purchases less returns, never below 0.

    The objective is the normalised Gini: who is worth most is what the value is used for, and the
    mean absolute error is least for a guess of 0 where most customers buy nothing. Past spend is
    hard to beat on it; level (MAE, total bias) is shown beside it and may have another winner.
    """

    objective: str = "normalised_gini"
    baselines: tuple[str, ...] = ("mean", "past_spend", "bg_nbd")
    name: str = "value"
    models: str = "value"
    metrics: str = "value"

    def data(self, fold: Fold, known: CustomerData | None = None) -> CustomerData:
        """Customers with features and revenue; DataError for a log without prices."""
        fold.past.require("unit_price", needed_by=f"task={self.name}")
        return super().data(fold, known)

    def guess(self, customers: Examples) -> float:
        """The mean spend in a horizon, at the pace of all the past."""
        pace = customers.table["spend"] / customers.table["T"]
        return float(pace.mean() * customers.horizon_days)

    def outcomes(
        self, events: EventLog, start: datetime, end: datetime, user_ids: np.ndarray
    ) -> np.ndarray:
        """Money of purchases less that of returns in the window; a negative sum counts as 0."""
        money = f"CASE event_type WHEN 'return' THEN -1 ELSE 1 END * {spend_of(events)}"
        kinds = "event_type IN ('purchase', 'return')"
        sums = events.query(
            f"SELECT user_id, sum({money}) AS value FROM events "
            f"WHERE {kinds} AND {within(start, end)} GROUP BY user_id"
        )
        # the precision of float32, so that the order of parallel sums leaves no trace
        net = by_user(sums, user_ids).astype(np.float32).astype(np.float64)
        if (net < 0).any():
            log.debug("%d of %d returned more than they bought", (net < 0).sum(), len(net))
        return np.maximum(net, 0.0)
