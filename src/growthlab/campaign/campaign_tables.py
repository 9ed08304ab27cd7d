"""The tables of a campaign: customers, offers, channels, slots, consent and earlier contacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from growthlab.campaign.table_columns import (
    CampaignColumn,
    checked_table,
    other_columns,
    read_rows,
)
from growthlab.core.errors import ConfigError, DataError, near_matches

CUSTOMERS = {"customer": CampaignColumn("text"), "segment": CampaignColumn("text", default="all")}
OFFERS = {
    "offer": CampaignColumn("text"),
    "cost": CampaignColumn("number", low=0.0),  # of a discount, paid by everyone who buys
    "margin": CampaignColumn("number", default=1.0),
    "segments": CampaignColumn("text", default=""),
    "start": CampaignColumn("time", default=pd.Timestamp.min),
    "end": CampaignColumn("time", default=pd.Timestamp.max),
    "stock": CampaignColumn("whole", default=np.inf, low=0.0),
    "changes_price": CampaignColumn("truth", default=False),
    "price_review": CampaignColumn("text", default=""),
    "arm": CampaignColumn("text", default=""),  # of the experiment that says what the offer changes
    "order_value": CampaignColumn("number", default=np.nan, low=0.0),
    "audience": CampaignColumn("text", default=""),  # a list of customers; see `audiences`
    "days_before": CampaignColumn("whole", default=0.0, low=0.0),  # the date of a list
    "days_after": CampaignColumn("whole", default=7.0, low=0.0),
}
CHANNELS = {
    "channel": CampaignColumn("text"),
    "cost": CampaignColumn("number", low=0.0),  # of one contact
    "budget": CampaignColumn("number", default=np.inf, low=0.0),
    "quiet_from": CampaignColumn("number", default=np.nan, low=0.0, high=24.0),  # hours of the day
    "quiet_to": CampaignColumn("number", default=np.nan, low=0.0, high=24.0),
    "response_multiplier": CampaignColumn("number", default=np.nan, low=0.0),
}
SLOTS = {
    "channel": CampaignColumn("text"),
    "slot": CampaignColumn("time"),
    "capacity": CampaignColumn("whole", default=np.inf, low=0.0),
}
CONSENT = {
    "customer": CampaignColumn("text"),
    "purpose": CampaignColumn("text"),
    "channel": CampaignColumn("text"),
    "given": CampaignColumn("truth"),
}
CONTACTS = {
    "customer": CampaignColumn("text"),
    "channel": CampaignColumn("text"),
    "sent": CampaignColumn("time"),
    "responded": CampaignColumn("truth", default=np.nan),  # NaN: not known
}
TABLES = {
    "customers": CUSTOMERS,
    "offers": OFFERS,
    "channels": CHANNELS,
    "slots": SLOTS,
    "consent": CONSENT,
    "contacts": CONTACTS,
}


@dataclass(frozen=True)
class CampaignTables:
    """The checked tables; see docs/campaign.md for their columns. Offers and channels keep their order.

    `features` are the other columns of the customers: what is known of them at the moment of decision.
    `eligibility` says which customers may get an offer from when (`start`) until before when (`end`); it
    says so of the offers that it names, and of those with an audience; `item` is what the offer is about
    for the customer, empty where nothing says it.
    """

    customers: pd.DataFrame
    offers: pd.DataFrame
    channels: pd.DataFrame
    slots: pd.DataFrame
    consent: pd.DataFrame
    contacts: pd.DataFrame
    features: pd.DataFrame = field(default_factory=pd.DataFrame)
    eligibility: pd.DataFrame = field(default_factory=lambda: CampaignTables.nobody())

    @staticmethod
    def nobody() -> pd.DataFrame:
        """An eligibility of nobody."""
        kinds = {
            "offer": "str",
            "customer": "str",
            "start": "datetime64[ns]",
            "end": "datetime64[ns]",
            "item": "str",
        }
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})

    @classmethod
    def read(cls, folder: Path) -> CampaignTables:
        """The tables of a folder, each a CSV, Parquet or yaml file named like it.

        Raises
        ------
        ConfigError, DataError
            A table or a column is missing, a value is none that is possible, or tables contradict
            each other; one line that names the file.
        """
        tables, features = {}, pd.DataFrame()
        for name, columns in TABLES.items():
            raw, path = read_rows(folder, name)
            tables[name] = checked_table(raw, path, columns)
            if name == "customers":
                features = other_columns(raw, path, columns)
        checked = cls(**tables, features=features)
        checked._check_names(folder)
        checked._check_times(folder)
        return checked

    @property
    def times(self) -> list[datetime]:
        """The slots, in their order."""
        return sorted(self.slots["slot"].unique().tolist())

    def days_before_plan(self) -> np.ndarray:
        """How many days before that of the first slot each contact was, ``(n_contacts,)``."""
        first = pd.Timestamp(self.times[0]).normalize()
        days = (first - self.contacts["sent"].dt.normalize()) // pd.Timedelta(days=1)
        return days.to_numpy().astype(np.int64)

    def limited_to(self, days: int, first: datetime) -> CampaignTables:
        """The same with the slots of some days from a first moment on.

        Raises
        ------
        ConfigError, DataError
            There is no such slot, or contacts are on the first planned day or later.
        """
        last = first + pd.Timedelta(days=days)
        inside = (self.slots["slot"] >= first) & (self.slots["slot"] < last)
        if not inside.any():
            raise ConfigError(
                f"slots: none is from {first} on within days={days}; the first is {min(self.times)}"
            )
        limited = replace(self, slots=self.slots[inside].reset_index(drop=True))
        begin = limited.times[0]
        late = self.contacts["sent"] >= pd.Timestamp(begin).normalize()
        if late.any():
            raise DataError(
                f"contacts: {int(late.sum())} overlap with the plan, whose first slot is {begin}: set "
                "first_slot to a later day, or leave them out"
            )
        return limited

    def _check_names(self, folder: Path) -> None:
        for name in ("customers", "offers", "channels"):
            table = getattr(self, name)
            if table.empty:
                raise DataError(f"{folder / name} has no row")
            _refuse_repeated(table, [name.removesuffix("s")], name, folder)
        _refuse_repeated(self.slots, ["channel", "slot"], "slots", folder)
        _refuse_repeated(self.consent, ["customer", "purpose", "channel"], "consent", folder)
        _refuse_repeated(self.contacts, ["customer", "channel", "sent"], "contacts", folder)
        channels = self.channels["channel"].tolist()
        for name in ("slots", "consent", "contacts"):
            _refuse_unknown(getattr(self, name)["channel"], channels, f"{folder / name}: channel")
        silent = [c for c in channels if c not in set(self.slots["channel"])]
        if silent:
            raise DataError(f"{folder / 'slots'}: channel {silent[0]} has no slot")
        customers = self.customers["customer"].tolist()
        for name in ("consent", "contacts"):
            who = getattr(self, name)["customer"]
            _refuse_unknown(who, customers, f"{folder / name}: customer")
        segments = sorted(set(self.customers["segment"]))
        for offer, listed in zip(self.offers["offer"], self.offers["segments"], strict=True):
            where = f"{folder / 'offers'}: segment of offer {offer}"
            _refuse_unknown(pd.Series(segments_of(listed), dtype=str), segments, where)

    def _check_times(self, folder: Path) -> None:
        offers = self.offers
        for offer, start, end in zip(offers["offer"], offers["start"], offers["end"], strict=True):
            if end <= start:
                raise DataError(f"{folder / 'offers'}: offer {offer} ends {end}, before its start")
        quiet = self.channels.set_index("channel")
        if (quiet["quiet_from"].isna() != quiet["quiet_to"].isna()).any():
            raise DataError(f"{folder / 'channels'}: quiet_from and quiet_to belong together")
        for channel, slot in zip(self.slots["channel"], self.slots["slot"], strict=True):
            begin, end = quiet.loc[channel, ["quiet_from", "quiet_to"]].astype(float)
            if is_quiet(slot, begin, end):
                raise DataError(
                    f"{folder / 'slots'}: the slot {slot} of {channel} is in its quiet hours, "
                    f"{begin:g} to {end:g}"
                )


def segments_of(listed: str) -> list[str]:
    """The segments that an offer is for; none: all."""
    return [name.strip() for name in listed.split("|") if name.strip()]


def is_quiet(moment: datetime, begin: float, end: float) -> bool:
    """Whether a moment lies in the quiet hours, which may go over midnight; NaN: there are none."""
    hour = moment.hour + moment.minute / 60
    if begin <= end:
        return bool(begin <= hour < end)
    return bool(hour >= begin or hour < end) if begin > end else False


def _refuse_repeated(table: pd.DataFrame, columns: list[str], name: str, folder: Path) -> None:
    repeated = table[table.duplicated(columns)]
    if len(repeated):
        first = ", ".join(str(repeated.iloc[0][column]) for column in columns)
        raise DataError(
            f"{folder / name}: {len(repeated)} rows are there twice, the first: {first}"
        )


def _refuse_unknown(given: pd.Series, possible: Sequence[str], where: str) -> None:
    unknown = given[~given.isin(possible)]
    if len(unknown):
        name = str(unknown.iloc[0])
        raise DataError(
            f"{where} {name} is not known ({len(unknown)} rows): {near_matches(name, possible, 5)}"
        )
