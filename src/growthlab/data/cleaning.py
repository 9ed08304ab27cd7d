"""Cleaning: rules that drop events, each with its reason and its counts before and after."""

from __future__ import annotations

from dataclasses import dataclass

from growthlab.data.event_log import EventLog


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """The rules of a source, applied in order."""

    def apply(self, log: EventLog) -> EventLog:
        """The log without what the rules drop; its `cleaning` tells of each rule."""
        return log
