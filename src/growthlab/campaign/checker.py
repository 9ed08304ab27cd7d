"""An independent check of a written plan: every constraint again, from the file and the tables alone.

It shares no code with the solver. A plan that it finds fault with is not published.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from growthlab.campaign.campaign_tables import CampaignTables, is_quiet, segments_of
from growthlab.campaign.holdout import CONTROL, LASTING, PLAN, Holdout
from growthlab.campaign.plan_settings import CapSetting, PlanSettings

NEAR = 1e-6  # of an amount, for the order in which floats are added


@dataclass(frozen=True)
class PlanCheck:
    """What a plan must satisfy."""

    tables: CampaignTables
    settings: PlanSettings
    holdout: Holdout

    def faults(self, path: Path) -> list[str]:
        """What is wrong with the Parquet file of a plan, one line a fault; empty: nothing."""
        rows = pd.read_parquet(path)
        sent = rows[rows["offer"].notna()].copy()
        faults = [*self._unknown(rows, sent)]
        if faults:
            return faults  # the other checks look names up
        sent = sent.merge(
            self.tables.offers.add_prefix("offer_"), left_on="offer", right_on="offer_offer"
        ).merge(
            self.tables.channels.add_prefix("channel_"),
            left_on="channel",
            right_on="channel_channel",
        )
        sent["day"] = sent["slot"].dt.normalize()
        checks = [
            self._arms(rows), self._probabilities(rows), self._consent(sent), self._offers(sent),
            self._slots(sent), self._caps(sent), self._amounts(sent), self._return(sent),
            self._segments(rows, sent),
        ]  # fmt: skip
        return [fault for check in checks for fault in check]

    def _unknown(self, rows: pd.DataFrame, sent: pd.DataFrame) -> Iterator[str]:
        known = {
            "customer": set(self.tables.customers["customer"]),
            "offer": set(self.tables.offers["offer"]),
            "channel": set(self.tables.channels["channel"]),
        }
        for column, names in known.items():
            unknown = sent[~sent[column].isin(names)]
            if len(unknown):
                yield f"{column} {unknown[column].iloc[0]} is not known ({len(unknown)} messages)"
        absent = known["customer"] - set(rows["customer"])
        if absent or set(rows["customer"]) - known["customer"]:
            yield f"{len(absent)} customers have no row, or customers have one who are not known"
        numbers = rows[["value", "cost", "arm_probability", "assignment_probability"]]
        if not np.isfinite(numbers.to_numpy(dtype=float)).all():
            yield "a value, a cost or a probability is not finite"
        if sent["slot"].isna().any():
            yield "a message has no slot"

    def _arms(self, rows: pd.DataFrame) -> Iterator[str]:
        several = rows.groupby("customer")["arm"].nunique()
        if (several > 1).any():
            yield f"{int((several > 1).sum())} customers are in several arms"
        odd = set(rows["arm"]) - set(self.holdout.names)
        if odd:
            yield f"there is no arm {sorted(odd)[0]}"
        first = rows.drop_duplicates("customer")
        drawn = self.holdout.arms(first["customer"].tolist())
        if (first["arm"].to_numpy() != drawn).any():
            n = int((first["arm"].to_numpy() != drawn).sum())
            yield f"{n} customers are in another arm than the key gives them"
        for arm in (CONTROL, LASTING):
            treated = rows[(rows["arm"] == arm) & rows["offer"].notna()]
            if len(treated):
                yield f"control: {len(treated)} messages go to customers of the arm {arm}"

    def _probabilities(self, rows: pd.DataFrame) -> Iterator[str]:
        given = rows[["arm_probability", "assignment_probability"]]
        if not ((given > 0) & (given <= 1)).all(axis=None):
            yield "a probability is not above 0 and at most 1"
        if "slot_probability" in rows:
            chosen = rows["slot_probability"].dropna().astype(float)
            if not ((chosen > 0) & (chosen <= 1)).all():
                yield "the probability of a part of the week is not above 0 and at most 1"
        if (rows["assignment_probability"] > rows["arm_probability"] * (1 + NEAR)).any():
            yield "an assignment is more probable than its arm"

    def _consent(self, sent: pd.DataFrame) -> Iterator[str]:
        consent = self.tables.consent
        given = consent[consent["given"] & (consent["purpose"] == self.settings.purpose)]
        pairs = pd.MultiIndex.from_frame(given[["customer", "channel"]])
        without = ~pd.MultiIndex.from_frame(sent[["customer", "channel"]]).isin(pairs)
        if without.any():
            yield f"consent: {int(without.sum())} messages go to customers who gave none"

    def _offers(self, sent: pd.DataFrame) -> Iterator[str]:
        stocks = self.tables.offers.set_index("offer")["stock"].to_dict()
        for offer, n in sent["offer"].value_counts().to_dict().items():
            if n > stocks[offer]:
                yield f"stock: {n} of offer {offer}, of which there are {stocks[offer]:g}"
        out_of_time = (sent["slot"] < sent["offer_start"]) | (sent["slot"] >= sent["offer_end"])
        if out_of_time.any():
            yield f"window: {int(out_of_time.sum())} messages outside that of their offer"
        segment = sent["customer"].map(self.tables.customers.set_index("customer")["segment"])
        for offer, listed in zip(
            self.tables.offers["offer"], self.tables.offers["segments"], strict=True
        ):
            names = segments_of(listed)
            outside = (sent["offer"] == offer) & ~segment.isin(names)
            if names and outside.any():
                yield f"eligibility: {int(outside.sum())} messages of offer {offer} outside its segments"
        yield from self._audiences(sent)
        unreviewed = sent["offer_changes_price"].astype(bool) & (sent["offer_price_review"] == "")
        if unreviewed.any():
            yield f"price review: {int(unreviewed.sum())} messages of offers without one"

    def _audiences(self, sent: pd.DataFrame) -> Iterator[str]:
        """Messages of an offer for a list to others, or outside their window."""
        table = self.tables.eligibility
        listed = set(table["offer"]) | set(sent.loc[sent["offer_audience"] != "", "offer"])
        own = sent.loc[sent["offer"].isin(listed), ["offer", "customer", "slot"]].reset_index()
        pairs = own.merge(table, on=["offer", "customer"])
        inside = pairs[(pairs["slot"] >= pairs["start"]) & (pairs["slot"] < pairs["end"])]
        outside = ~own["index"].isin(inside["index"])
        if outside.any():
            first = own.loc[outside, "offer"].iloc[0]
            yield f"audience: {int(outside.sum())} messages of {first} and others outside their list"

    def _slots(self, sent: pd.DataFrame) -> Iterator[str]:
        capacity = self.tables.slots.set_index(["channel", "slot"])["capacity"].to_dict()
        used = sent.groupby(["channel", "slot"]).size().reset_index(name="n")
        for channel, slot, n in used.itertuples(index=False):
            limit = capacity.get((channel, slot))
            if limit is None:
                yield f"capacity: {channel} has no slot {slot}"
            elif n > limit:
                yield f"capacity: {n} messages in {channel} at {slot}, of {limit:g}"
        times = sent[["slot", "channel_quiet_from", "channel_quiet_to"]].drop_duplicates()
        quiet = [is_quiet(slot, begin, end) for slot, begin, end in times.itertuples(index=False)]
        if any(quiet):
            yield f"quiet hours: {sum(quiet)} slots lie in them"

    def _caps(self, sent: pd.DataFrame) -> Iterator[str]:
        daily = sent.groupby(["customer", "day"]).size()
        if (daily > 1).any():
            yield f"one message a day: {int((daily > 1).sum())} customers get more on a day"
        earlier = self.tables.contacts.assign(day=self.tables.contacts["sent"].dt.normalize())
        columns = ["customer", "channel", "day"]
        contacts = pd.concat([earlier[columns], sent[columns]], ignore_index=True)
        for cap in self.settings.caps:
            yield from self._cap(cap, sent, contacts)

    def _cap(self, cap: CapSetting, sent: pd.DataFrame, contacts: pd.DataFrame) -> Iterator[str]:
        """Messages whose window of days, of which theirs is the last, holds too many contacts."""
        own, counted = sent, contacts
        if cap.channel is not None:
            own, counted = (t[t["channel"] == cap.channel] for t in (own, counted))
        ends = own[["customer", "day"]].drop_duplicates()
        pairs = ends.merge(counted[["customer", "day"]], on="customer", suffixes=("", "_contact"))
        before = pairs["day"] - pairs["day_contact"]
        inside = (before >= pd.Timedelta(0)) & (before < pd.Timedelta(days=cap.days))
        n = pairs[inside].groupby(["customer", "day"]).size()
        if (n > cap.most).any():
            where = "" if cap.channel is None else f" in {cap.channel}"
            yield f"cap: {int((n > cap.most).sum())} times more than {cap.most} in {cap.days} days{where}"

    def _amounts(self, sent: pd.DataFrame) -> Iterator[str]:
        total, budget = float(sent["cost"].sum()), self.settings.budget
        if budget is not None and total > budget * (1 + NEAR):
            yield f"budget: {total:g} is spent of {budget:g}"
        budgets = self.tables.channels.set_index("channel")["budget"].to_dict()
        for channel, cost in sent.groupby("channel")["cost"].sum().to_dict().items():
            if cost > budgets[channel] * (1 + NEAR):
                yield f"budget of {channel}: {cost:g} is spent of {budgets[channel]:g}"
        low = sent["channel_cost"] * (1 - NEAR)
        high = (sent["channel_cost"] + sent["offer_cost"]) * (1 + NEAR)
        wrong = (sent["cost"] < low) | (sent["cost"] > high)
        if wrong.any():
            yield f"cost: {int(wrong.sum())} messages cost less than a contact or more than with discount"

    def _return(self, sent: pd.DataFrame) -> Iterator[str]:
        floor = self.settings.roi_floor
        planned = sent[sent["arm"] == PLAN]
        cost, value = float(planned["cost"].sum()), float(planned["value"].sum())
        if floor is not None and value < floor * cost - NEAR * (1 + abs(value)):
            yield f"ROI: {value / cost:g} is below the floor {floor:g}"

    def _segments(self, rows: pd.DataFrame, sent: pd.DataFrame) -> Iterator[str]:
        segment = self.tables.customers.set_index("customer")["segment"]
        if (rows["customer"].map(segment) != rows["segment"]).any():
            yield "segment: customers are in another one than in their table"
        sizes = segment.value_counts().to_dict()
        counts = sent["customer"].map(segment).value_counts().to_dict()
        for name, n in counts.items():
            if sizes[name] < self.settings.smallest_segment:
                yield f"smallest segment: {n} messages to {name}, of {sizes[name]} customers"
        for name, least in self.settings.minima.items():
            if counts.get(name, 0) < least:
                yield f"minimum: {counts.get(name, 0)} messages to {name}, of at least {least}"
