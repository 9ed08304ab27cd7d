"""Complete Journey as a log of purchases, and what was known of households at a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.decision_features import contact_features
from growthlab.data.event_log import EventLog
from growthlab.features.customer_table import customer_table
from growthlab.tasks.snapshots import buyer_ids
from growthlab.tasks.value import Value

DEMOGRAPHICS = ("age", "income", "home_ownership", "marital_status", "household_size", "kids_count")


@dataclass(frozen=True)
class Journey:
    """Purchases, who got which campaign from when, and which coupons were redeemed when.

    `received` has a row a household and campaign with its `start` and `end`, `redeemed` a row a coupon
    with its `date`; both name `household` and `campaign`. A campaign counts as received when it starts,
    as the data says no more.
    """

    log: EventLog
    received: pd.DataFrame
    redeemed: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> Journey:
        """The files of the folder. An event is a row of the sample of purchases, of one twentieth of all."""
        names = ("transactions_sample", "campaigns", "campaign_descriptions", "coupon_redemptions")
        rows, campaigns, described, redeemed = (
            pd.read_parquet(folder / f"{name}.parquet") for name in names
        )
        events = pd.DataFrame(
            {
                "user_id": rows["household_id"].astype(str),
                "event_type": "purchase",
                "timestamp": rows["transaction_timestamp"],
                "item_id": rows["product_id"].astype(str),
                "order_id": rows["basket_id"].astype(str),
                "unit_price": rows["sales_value"],
                "discount": rows["retail_disc"],
            }
        )
        users = pd.read_parquet(folder / "demographics.parquet").rename(
            columns={"household_id": "user_id"}
        )
        ours = {
            "household_id": "household",
            "campaign_id": "campaign",
            "start_date": "start",
            "end_date": "end",
            "redemption_date": "date",
        }
        received = campaigns.merge(described, on="campaign_id").rename(columns=ours)
        log = EventLog.from_frames(events, users=users, name="complete_journey")
        return cls(log, received, redeemed.rename(columns=ours))

    def start(self, campaign: str) -> datetime:
        """The midnight with which a campaign began."""
        starts = self.received.loc[self.received["campaign"] == campaign, "start"]
        start: datetime = starts.iloc[0].to_pydatetime()
        return start

    def buyers(self, moment: datetime) -> np.ndarray:
        """The households with a purchase before the moment."""
        return buyer_ids(self.log, moment, None)

    def got(self, campaign: str, households: np.ndarray) -> np.ndarray:
        """Whether each household got the campaign, ``(n,)`` bool."""
        those = self.received.loc[self.received["campaign"] == campaign, "household"]
        return np.isin(households, those.to_numpy(dtype=str))

    def got_another(
        self, campaign: str, start: datetime, days: int, households: np.ndarray
    ) -> np.ndarray:
        """Whether another campaign was open for each household in the days from `start` on, ``(n,)`` bool."""
        end = start + timedelta(days=days)
        rows = self.received
        open_then = (rows["start"] < end) & (rows["end"] >= start) & (rows["campaign"] != campaign)
        return np.isin(households, rows.loc[open_then, "household"].to_numpy(dtype=str))

    def redeems(
        self, campaign: str, start: datetime, days: int, households: np.ndarray
    ) -> np.ndarray:
        """1 for each household that redeems a coupon of the campaign in the days from `start` on, else 0."""
        rows = self.redeemed
        inside = (rows["date"] >= start) & (rows["date"] < start + timedelta(days=days))
        those = rows.loc[inside & (rows["campaign"] == campaign), "household"]
        return np.isin(households, those.to_numpy(dtype=str)).astype(float)

    def spend(self, start: datetime, days: int, households: np.ndarray) -> np.ndarray:
        """What each household spends in the days from `start` on, in dollars of the sample."""
        return Value().outcomes(self.log, start, start + timedelta(days=days), households)

    def purchases(
        self, moment: datetime, households: np.ndarray, *, demographics: bool = False
    ) -> pd.DataFrame:
        """The platform's customer table as of the moment."""
        attributes = DEMOGRAPHICS if demographics else ()
        return customer_table(self.log, moment, households, attributes=attributes)

    def history(self, moment: datetime, households: np.ndarray) -> pd.DataFrame:
        """Campaigns that began, and coupons that were redeemed, before the moment: of each household.

        The first columns are those that `growthlab plan` writes beside every decision.
        """
        received = self.received[
            (self.received["start"] < moment) & self.received["household"].isin(households)
        ]
        redeemed = self.redeemed[self.redeemed["date"] < moment]
        keys = ["household", "campaign"]
        answered = pd.MultiIndex.from_frame(received[keys]).isin(
            pd.MultiIndex.from_frame(redeemed[keys])
        )
        contacts = pd.DataFrame(
            {
                "customer": received["household"].astype(str).to_numpy(),
                "sent": received["start"].to_numpy(),
                "responded": answered,
            }
        )
        table = contact_features(_campaign_tables(moment, households, contacts))
        n_received = _per_household(received["household"].value_counts(), households)
        n_answered = _per_household(received.loc[answered, "household"].value_counts(), households)
        last = redeemed.groupby("household")["date"].max()
        days = (pd.Timestamp(moment) - last) / pd.Timedelta(days=1)
        return table.assign(
            campaigns_received=n_received,
            campaigns_answered=n_answered,
            share_answered=np.divide(
                n_answered,
                n_received,
                out=np.full(len(households), np.nan),
                where=n_received > 0,
            ),
            coupons_redeemed=_per_household(redeemed["household"].value_counts(), households),
            days_since_redemption=_per_household(days, households, absent=np.nan),
        )


def _campaign_tables(
    moment: datetime, households: np.ndarray, contacts: pd.DataFrame
) -> CampaignTables:
    """The tables of a plan whose first slot is the moment, as far as contacts need them."""
    nothing = pd.DataFrame()
    return CampaignTables(
        customers=pd.DataFrame({"customer": households}),
        offers=nothing,
        channels=nothing,
        slots=pd.DataFrame({"slot": [moment]}),
        consent=nothing,
        contacts=contacts,
    )


def _per_household(values: pd.Series, households: np.ndarray, absent: float = 0.0) -> np.ndarray:
    """The values, indexed by household, in the order of the households."""
    by_id = values.astype(float).set_axis(values.index.astype(str))
    return by_id.reindex(pd.Index(households), fill_value=absent).to_numpy(dtype=float)
