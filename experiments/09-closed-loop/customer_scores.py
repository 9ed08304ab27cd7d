"""What a shop knows of its customers at the start of a month: purchases, risk, value and features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from growthlab.data.event_log import EventLog
from growthlab.data.market.market import Market
from growthlab.data.market.market_items import DAYS
from growthlab.features.btyd import btyd_summary
from growthlab.features.examples import Examples
from growthlab.models.churn.bg_nbd import BGNBDChurn
from growthlab.models.value.bg_nbd import BGNBDValue
from growthlab.training.fit_options import FitOptions

SUMMARY = ["frequency", "recency", "T", "monetary_value"]


def buyers(market: Market) -> Examples:
    """The purchase summary of every customer with a purchase, from what is recorded by now."""
    events, _, users = market.tables()
    log = EventLog.from_frames(events[events["event_type"] == "purchase"], users=users)
    summary = btyd_summary(log, market.now)
    return Examples(
        table=summary[SUMMARY].reset_index(drop=True),
        user_ids=summary.index.to_numpy(dtype=str),
        snapshots=np.full(len(summary), np.datetime64(market.now, "us")),
        horizon_days=float(DAYS),
    )


@dataclass(frozen=True)
class Scores:
    """Models of risk and value, fitted once to the months without messages."""

    risk: BGNBDChurn
    value: BGNBDValue

    @classmethod
    def of(cls, market: Market) -> Scores:
        """Fit both."""
        known, options = buyers(market), FitOptions(seed=market.settings.seed)
        return cls(BGNBDChurn().fit(known, options), BGNBDValue().fit(known, options))

    def table(self, market: Market) -> pd.DataFrame:
        """A row a customer who has arrived: risk, value and features, without purchase those of nobody."""
        known = buyers(market)
        arrived = market.reachable["customer"].drop_duplicates()
        table = known.table.assign(
            risk=self.risk.predict(known), value=self.value.predict(known)
        ).set_index(pd.Index(known.user_ids, name="customer"))
        table = table.reindex(arrived)
        idle = (table["T"] - table["recency"]).fillna(365)
        tenure = table["T"].fillna(0)
        return pd.DataFrame(
            {
                "risk": table["risk"].fillna(1.0),
                "value": table["value"].fillna(0.0),
                "orders": np.log1p(table["frequency"].fillna(-1) + 1),
                "days_since_last": np.log1p(idle),
                "spend_a_day": np.log1p(table["monetary_value"].fillna(0)),
                "tenure": np.log1p(tenure),
            }
        )
