"""The features that a plan joins to its customers, as of any snapshot of a log, by the plan's own code."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from growthlab.bundle.answers import RecommendRequest
from growthlab.bundle.list_maker import ListMaker
from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.decision_features import LISTED, contact_features, list_features
from growthlab.core.seeding import random_stream
from growthlab.data.as_of import known_at, without_unseen_items
from growthlab.data.event_log import EventLog
from growthlab.data.simulated_market import SimulatedMarket
from growthlab.features.build_histories import catalogue_of, histories_of
from growthlab.features.examples import Examples
from growthlab.models.base import Recommender
from growthlab.training.fit_options import FitOptions

NOTHING = pd.DataFrame()
RESPONSE = pd.Timedelta(days=1)  # a click within it answers to a message


def contacts_before(events: pd.DataFrame, snapshot: datetime, silent: list[str]) -> pd.DataFrame:
    """The messages before a snapshot, and whether a click followed that was recorded by then.

    Of a channel without clicks nobody knows who responded.
    """
    known = events[(events["timestamp"] < snapshot) & (events["ingested_at"] < snapshot)]
    key = ["user_id", "channel"]
    sent = known.loc[known["event_type"] == "message", [*key, "timestamp"]]
    clicks = known.loc[known["event_type"] == "click", [*key, "timestamp"]]
    joined = pd.merge_asof(
        sent.sort_values("timestamp"),
        clicks.assign(clicked=1.0).sort_values("timestamp"),
        on="timestamp",
        by=key,
        direction="forward",
        tolerance=RESPONSE,
    )
    responded = joined["clicked"].fillna(0.0).where(~joined["channel"].isin(silent))
    return pd.DataFrame(
        {"customer": joined["user_id"], "sent": joined["timestamp"], "responded": responded}
    )


def contact_columns(
    events: pd.DataFrame, snapshot: datetime, customers: np.ndarray, silent: list[str]
) -> pd.DataFrame:
    """See `contact_features`; the plan's first slot is the snapshot."""
    contacts = contacts_before(events, snapshot, silent)
    tables = CampaignTables(
        customers=pd.DataFrame({"customer": customers}),
        offers=NOTHING,
        channels=NOTHING,
        slots=pd.DataFrame({"slot": [pd.Timestamp(snapshot)]}),
        consent=NOTHING,
        contacts=contacts[contacts["customer"].isin(customers)].reset_index(drop=True),
    )
    return contact_features(tables)


def list_columns(
    log: EventLog, snapshot: datetime, customers: np.ndarray, recommender: Recommender
) -> pd.DataFrame:
    """See `list_features`; the recommender is fitted to what was known at the snapshot."""
    past = without_unseen_items(known_at(log, snapshot))
    catalogue = catalogue_of(past)
    histories = histories_of(past, SimulatedMarket.history_events, catalogue)
    fitted = recommender.fit(histories, FitOptions())
    popularity = np.asarray(histories.matrix().sum(axis=0)).ravel()
    maker = ListMaker.of(fitted.scorer(), catalogue, popularity, 0, "none", state=histories)
    places = pd.Index(histories.user_ids).get_indexer(pd.Index(customers))
    requests = [RecommendRequest(user_id=customer) for customer in customers.tolist()]
    return list_features(maker.lists(requests, places, LISTED), catalogue)


def permuted(table: pd.DataFrame, snapshots: np.ndarray, seed: int) -> pd.DataFrame:
    """The same rows dealt to other customers of their snapshot: as many columns that say nothing."""
    random = random_stream(seed, "permuted features")
    rows = np.arange(len(table))
    for snapshot in np.unique(snapshots):
        own = np.flatnonzero(snapshots == snapshot)
        rows[own] = random.permutation(own)
    return table.iloc[rows].reset_index(drop=True)


def by_snapshot(examples: Examples) -> list[tuple[datetime, np.ndarray]]:
    """Each snapshot of the examples with its rows."""
    return [
        (snapshot.astype("datetime64[us]").item(), np.flatnonzero(examples.snapshots == snapshot))
        for snapshot in np.unique(examples.snapshots)
    ]
