"""Will this customer leave: no purchase within the horizon after the cutoff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from growthlab.data.event_log import EventLog
from growthlab.tasks.customers import CustomerTask
from growthlab.tasks.snapshots import within


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

    def outcomes(
        self, events: EventLog, start: datetime, end: datetime, user_ids: np.ndarray
    ) -> np.ndarray:
        """1 where the customer buys nothing in the window, else 0."""
        bought = f"event_type = 'purchase' AND {within(start, end)}"
        stayed = events.query(f"SELECT DISTINCT user_id FROM events WHERE {bought}")
        return (~np.isin(user_ids, stayed["user_id"].to_numpy(dtype=str))).astype(np.float64)
