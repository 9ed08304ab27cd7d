"""What the commands about customers as of a date share: that date, and where their data comes from."""

from __future__ import annotations

from datetime import datetime, timedelta

from growthlab.data.event_log import EventLog
from growthlab.data.source import Source
from growthlab.tracking.lineage import Lineage


def newest(events: EventLog) -> datetime:
    """The time of the newest event; DataError for a log without times."""
    events.require("timestamp", needed_by="what is known as of a date")
    last = events.span()[1]
    assert isinstance(last, datetime)
    return last


def end_of_day(moment: datetime) -> datetime:
    """The midnight after a moment: reports and segments are as of it where no date is given."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def lineage_of(source: Source, events: EventLog, data: str, task: str, as_of: datetime) -> Lineage:
    """What a run of the command `task` says of its data."""
    return Lineage(
        data=data,
        digest=events.digest,
        task=task,
        split="",
        cutoff=str(as_of),
        source=str(getattr(source, "path", None) or source.name),
        counts={"events": events.n_events, "users": events.n_users, "items": events.n_items},
    )
