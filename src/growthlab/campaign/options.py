"""Which messages are allowed to whom, and what each costs and is worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from growthlab.campaign.campaign_tables import CampaignTables, segments_of
from growthlab.campaign.offer_values import HEURISTIC, OfferValues
from growthlab.campaign.plan_settings import PlanSettings
from growthlab.campaign.solver.contact_windows import ContactCap, ContactWindows
from growthlab.core.errors import ConfigError, near_matches

FATIGUE_DAYS = 30


@dataclass(frozen=True)
class Options:
    """All pairs of a customer and a message: a slot, a channel and an offer.

    Message types and slots are ordered as in `PlanProblem`. Rules forbid whole sets of messages; each has a
    name, under which those it suppresses are counted.
    """

    tables: CampaignTables
    values: OfferValues
    settings: PlanSettings

    @cached_property
    def customers(self) -> list[str]:
        """The customers, in the order of their table."""
        names: list[str] = self.tables.customers["customer"].tolist()
        return names

    @cached_property
    def channels(self) -> list[str]:
        """The channels, in the order of their table."""
        names: list[str] = self.tables.channels["channel"].tolist()
        return names

    @cached_property
    def offers(self) -> list[str]:
        """The offers, in the order of their table."""
        names: list[str] = self.tables.offers["offer"].tolist()
        return names

    @cached_property
    def slots(self) -> pd.DatetimeIndex:
        """The moments of the slots, rising."""
        return pd.DatetimeIndex(sorted(self.tables.slots["slot"].unique()))

    @cached_property
    def slot_days(self) -> np.ndarray:
        """The day of each slot, counted from that of the first."""
        days = self.slots.normalize()
        return ((days - days[0]) // pd.Timedelta(days=1)).to_numpy().astype(np.int64)

    @property
    def n_types(self) -> int:
        """Pairs of channel and offer."""
        return len(self.channels) * len(self.offers)

    @cached_property
    def segment_names(self) -> list[str]:
        """The segments, sorted."""
        return sorted(set(self.tables.customers["segment"]))

    @cached_property
    def segments(self) -> np.ndarray:
        """The segment of each customer."""
        return pd.Index(self.segment_names).get_indexer(pd.Index(self.tables.customers["segment"]))

    @cached_property
    def in_currency(self) -> bool:
        """Whether values are amounts; otherwise they give an order alone."""
        multipliers = self.tables.channels["response_multiplier"].to_numpy(dtype=float)
        return self.values.in_currency(multipliers)

    @cached_property
    def cost(self) -> np.ndarray:
        """The contact, and the discount times the probability to buy, shape ``(n, n_types)``."""
        contact = self.tables.channels["cost"].to_numpy(dtype=float)
        discount = self.tables.offers["cost"].to_numpy(dtype=float)
        n = len(self.offers)
        types = np.arange(self.n_types)
        cost: np.ndarray = contact[types // n] + discount[types % n] * self.values.buys
        return cost

    @cached_property
    def value(self) -> np.ndarray:
        """Net of cost and fatigue where values are amounts, shape ``(n, n_types)``; NaN: not known."""
        value: np.ndarray = self.values.value * self._factors
        if self.settings.fatigue_cost and not self.in_currency:
            raise ConfigError(
                f"fatigue_cost needs values in currency: {HEURISTIC} gives an order alone; set "
                "response_multiplier of the channels, or leave it out"
            )
        return value - self.cost - self._fatigue[:, None] if self.in_currency else value

    @property
    def _fatigue(self) -> np.ndarray:
        """What the contacts of the last 30 days take from a message's value, shape ``(n,)``."""
        days = self.tables.days_before_plan()
        recent = self.tables.contacts["customer"][days <= FATIGUE_DAYS]
        place = pd.Index(self.customers).get_indexer(pd.Index(recent))
        return self.settings.fatigue_cost * np.bincount(place, minlength=len(self.customers))

    @property
    def _factors(self) -> np.ndarray:
        """The margin of the offer, and for heuristic amounts the response multiplier: ``(n_types,)``."""
        types, n = np.arange(self.n_types), len(self.offers)
        factors: np.ndarray = self.tables.offers["margin"].to_numpy(dtype=float)[types % n]
        if self.in_currency and self.values.claim == HEURISTIC:
            multipliers = self.tables.channels["response_multiplier"].to_numpy(dtype=float)
            factors = factors * multipliers[types // n]
        return factors

    @cached_property
    def spread(self) -> np.ndarray | None:
        """The standard deviation of each value, shape ``(n, n_types)``; None: not known."""
        if self.values.spread is None:
            return None
        return np.nan_to_num(self.values.spread * self._factors)

    @cached_property
    def rules(self) -> dict[str, np.ndarray]:
        """By rule what it leaves, shapes that broadcast to ``(n, n_slots, n_types)``, bool."""
        n_offers, types = len(self.offers), np.arange(self.n_types)
        channel, offer = types // n_offers, types % n_offers
        sizes = np.bincount(self.segments, minlength=len(self.segment_names))
        large = sizes[self.segments] >= self.settings.smallest_segment
        capacity = self.capacity
        return {
            "segment_too_small": large[:, None, None],
            "no_consent": self._consent()[:, None, channel],
            "price_not_reviewed": self._reviewed()[None, None, offer],
            "offer_not_for_segment": self._for_segment()[:, None, offer],
            "not_in_audience": self._in_audience()[:, :, offer],
            "offer_not_in_time": self._in_time()[None, :, :][..., offer],
            "no_slot": (capacity > 0).T[None][..., channel],
            "contact_cap": self._day_free()[:, self.slot_days][..., channel],
            "no_value_known": np.isfinite(self.value)[:, None, :],
        }

    @cached_property
    def allowed(self) -> np.ndarray:
        """What all rules leave, shape ``(n, n_slots, n_types)``."""
        shape = (len(self.customers), len(self.slots), self.n_types)
        allowed = np.ones(shape, dtype=bool)
        for left in self.rules.values():
            allowed &= left
        return allowed

    @cached_property
    def capacity(self) -> np.ndarray:
        """The number of messages a channel and slot, shape ``(n_channels, n_slots)``; no slot: 0."""
        capacity = np.zeros((len(self.channels), len(self.slots)))
        table = self.tables.slots
        channel = pd.Index(self.channels).get_indexer(pd.Index(table["channel"]))
        slot = self.slots.get_indexer(pd.DatetimeIndex(table["slot"]))
        capacity[channel, slot] = table["capacity"].to_numpy(dtype=float)
        return capacity

    @cached_property
    def windows(self) -> ContactWindows | None:
        """What earlier contacts leave of the caps; None without caps."""
        if not self.settings.caps:
            return None
        for cap in self.settings.caps:
            if cap.channel is not None and cap.channel not in self.channels:
                raise ConfigError(
                    f"caps: channel {cap.channel} is not known: {near_matches(cap.channel, self.channels)}"
                )
        caps = [
            ContactCap(
                c.most, c.days, None if c.channel is None else self.channels.index(c.channel)
            )
            for c in self.settings.caps
        ]
        n_days = int(self.slot_days[-1]) + 1
        return ContactWindows.of_caps(caps, self.sent, n_days, len(self.channels))

    @cached_property
    def sent(self) -> np.ndarray:
        """Contacts before the first day, by customer, day and channel; the last day is the one before."""
        longest = max((cap.days for cap in self.settings.caps), default=1)
        sent = np.zeros((len(self.customers), longest, len(self.channels)), dtype=np.int16)
        contacts, before = self.tables.contacts, self.tables.days_before_plan()
        recent = (before >= 1) & (before <= longest)
        customer = pd.Index(self.customers).get_indexer(pd.Index(contacts["customer"]))
        channel = pd.Index(self.channels).get_indexer(pd.Index(contacts["channel"]))
        np.add.at(sent, (customer[recent], longest - before[recent], channel[recent]), 1)
        return sent

    def _consent(self) -> np.ndarray:
        """Shape ``(n, n_channels)``; who is not in the table has given none."""
        given = self.tables.consent
        given = given[given["given"] & (given["purpose"] == self.settings.purpose)]
        consent = np.zeros((len(self.customers), len(self.channels)), dtype=bool)
        customer = pd.Index(self.customers).get_indexer(pd.Index(given["customer"]))
        channel = pd.Index(self.channels).get_indexer(pd.Index(given["channel"]))
        consent[customer, channel] = True
        return consent

    def _reviewed(self) -> np.ndarray:
        """Offers that change the price for some need a review."""
        offers = self.tables.offers
        return (~offers["changes_price"].astype(bool) | (offers["price_review"] != "")).to_numpy()

    def _for_segment(self) -> np.ndarray:
        """Shape ``(n, n_offers)``."""
        listed = [segments_of(names) for names in self.tables.offers["segments"]]
        by_segment = np.array(
            [[not names or segment in names for names in listed] for segment in self.segment_names]
        ).reshape(len(self.segment_names), len(listed))
        return by_segment[self.segments]

    def _in_audience(self) -> np.ndarray:
        """Shape ``(n, n_slots, n_offers)``, or ``(1, 1, n_offers)`` where offers are for no list."""
        table, offers = self.tables.eligibility, self.tables.offers
        listed = offers["offer"].isin(table["offer"]) | (offers["audience"] != "")
        if not listed.any():
            return np.ones((1, 1, len(self.offers)), dtype=bool)
        shape = (len(self.customers), len(self.slots), len(self.offers))
        inside = np.broadcast_to(~listed.to_numpy(), shape).copy()
        customer = pd.Index(self.customers).get_indexer(pd.Index(table["customer"]))
        offer = pd.Index(self.offers).get_indexer(pd.Index(table["offer"]))
        start, end = table["start"].to_numpy(), table["end"].to_numpy()
        for place, moment in enumerate(self.slots.to_numpy()):
            is_open = (start <= moment) & (moment < end)
            inside[customer[is_open], place, offer[is_open]] = True
        return inside

    def _in_time(self) -> np.ndarray:
        """Shape ``(n_slots, n_offers)``."""
        start = self.tables.offers["start"].to_numpy()
        end = self.tables.offers["end"].to_numpy()
        moments = self.slots.to_numpy()[:, None]
        in_time: np.ndarray = (moments >= start) & (moments < end)
        return in_time

    def _day_free(self) -> np.ndarray:
        """Whether one message on a day is within the caps, shape ``(n, n_days, n_channels)``."""
        n_days, n_channels = int(self.slot_days[-1]) + 1, len(self.channels)
        free = np.ones((len(self.customers), n_days, n_channels), dtype=bool)
        if self.windows is None:
            return free
        for counted, allowance in zip(self.windows.counted, self.windows.allowance.T, strict=True):
            cells = counted.reshape(n_days, -1) & np.ones((1, n_channels), dtype=bool)
            free &= (allowance > 0)[:, None, None] | ~cells[None]
        return free
