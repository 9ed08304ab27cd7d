"""Tags and segments of the customers of a log as of a date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from growthlab.data.as_of import end_of_last_day, last_event_time, past_in_calendar
from growthlab.data.calendar import Calendar
from growthlab.data.event_log import EventLog
from growthlab.data.source import Source
from growthlab.features.portrait.portrait import Portrait, PortraitTable
from growthlab.insight.customer_tables import CustomerTables, customer_tables
from growthlab.insight.findings import CustomerRowsSection


class PortraitAt(NamedTuple):
    """A portrait, and its cutoff in UTC and by the shop's clocks."""

    table: PortraitTable
    end: datetime
    cutoff: datetime


class SegmentsAt(NamedTuple):
    """The tables of segments, and their date in UTC and by the shop's clocks."""

    tables: CustomerTables
    end: datetime
    as_of: datetime


def portrait_at(
    portrait: Portrait,
    source: Source,
    events: EventLog,
    calendar: Calendar,
    requested: datetime | None = None,
) -> PortraitAt:
    """The tags of every customer as of a cutoff in UTC: just after the newest event if none is requested."""
    end = requested or last_event_time(events).replace(microsecond=0) + timedelta(seconds=1)
    past, cutoff = past_in_calendar(source.without_bots(events, end), end, calendar)
    return PortraitAt(portrait.of(past, cutoff), end, cutoff)


def segments_at(
    sections: Mapping[str, CustomerRowsSection],
    source: Source,
    events: EventLog,
    calendar: Calendar,
    requested: datetime | None = None,
) -> SegmentsAt:
    """The rows of each section as of a date in UTC: the end of the newest day if none is requested."""
    end = requested or end_of_last_day(events, calendar)
    past, as_of = past_in_calendar(source.without_bots(events, end), end, calendar)
    return SegmentsAt(customer_tables(sections, past, as_of), end, as_of)
