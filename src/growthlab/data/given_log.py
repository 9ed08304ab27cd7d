"""Data that the caller already holds, as a source: what it says of its use follows from its events."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from growthlab.core.errors import DataError
from growthlab.data.event_log import EventLog
from growthlab.data.labelled_table import ABOUT, LabelledTable
from growthlab.data.source import DataSource, Source

INTERACTIONS = ("view", "favourite", "cart", "purchase", "review", "click")


@dataclass(frozen=True, kw_only=True)
class GivenLog(Source):
    """The settings of a log from Python code, where there is no data set with a config file.

    `timezone` is that of the shop's clocks.
    """

    name: ClassVar[str] = "own_log"
    timezone: str = "UTC"

    @classmethod
    def of(cls, events: EventLog) -> GivenLog:
        """Purchases are the target where there are any, else all events."""
        types = set(events.query("SELECT DISTINCT event_type FROM events")["event_type"])
        history = tuple(t for t in INTERACTIONS if t in types) or tuple(sorted(types))
        target = ("purchase",) if "purchase" in history else history
        return cls(history_events=history, target_events=target)

    @classmethod
    def read_by(cls, source: Source, events: EventLog, given: Collection[str] = ()) -> GivenLog:
        """The use that `source` says of the events it has read.

        Which events count follows from the log, but for those of the settings that were `given`.
        """
        use = {name: getattr(source, name) for name in cls.use_settings()}
        inferred = cls.of(events)
        for name in ("history_events", "target_events"):
            if name not in given:
                use[name] = getattr(inferred, name)
        return cls(**use, cleaning=source.cleaning, timezone=source.zone)

    @property
    def zone(self) -> str:
        """See `Source.zone`."""
        return self.timezone

    def read(self) -> EventLog:
        """Nothing: the caller holds the log.

        Raises
        ------
        DataError
            Always.
        """
        raise DataError("the log was given from Python code: there is nothing to read")


@dataclass(frozen=True, kw_only=True)
class GivenTable(DataSource[LabelledTable]):
    """A customer table from Python code."""

    name: ClassVar[str] = "own_table"
    prepared: ClassVar[str] = ABOUT
    default_split: ClassVar[str | None] = "customers"

    def read(self) -> LabelledTable:
        """Nothing: the caller holds the table.

        Raises
        ------
        DataError
            Always.
        """
        raise DataError("the table was given from Python code: there is nothing to read")

    def open(self, folder: Path) -> LabelledTable:
        """See `DataSource.open`."""
        return LabelledTable.open(folder)
