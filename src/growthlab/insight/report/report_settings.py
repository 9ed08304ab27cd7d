"""The settings of a growth report: a config checked before any data are read, then applied to a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.data.calendar import Calendar
from growthlab.data.event_log import EventLog
from growthlab.insight.disclosure import Bounds
from growthlab.insight.findings import Section
from growthlab.insight.goals import Goal
from growthlab.insight.report.growth_report import GrowthReport, build_report
from growthlab.insight.report.wording import check_language
from growthlab.insight.report_scope import ReportScope, check_min_group, checked_active_events


@dataclass(frozen=True)
class ReportSettings:
    """The sections of a report, and the options of its `ReportScope`."""

    sections: Mapping[str, Section]
    as_of: datetime | None  # in UTC
    min_group: int
    active_events: tuple[str, ...]
    burn_in_days: float
    currency: str | None
    calendar: Calendar
    language: str = "en"

    @classmethod
    def from_config(cls, config: Any, calendar: Calendar) -> Self:
        """The settings of a composed config of ``describe``, for a shop with a calendar.

        Raises
        ------
        ConfigError
            Anything that is wrong without a look at the data.
        """
        check_min_group(config.privacy.min_group)
        active_events = checked_active_events(config.active_events)
        nodes = config.get("section") or {}
        if not nodes:
            raise ConfigError("section=[] leaves nothing to report: name some sections, or none")
        return cls(
            sections={str(n): build(node, Section, f"section.{n}") for n, node in nodes.items()},
            as_of=None if config.as_of is None else calendar.parse(config.as_of, "as_of"),
            min_group=config.privacy.min_group,
            active_events=active_events,
            burn_in_days=config.burn_in_days,
            currency=config.currency,
            calendar=calendar,
            language=check_language(config.report.language),
        )

    def report(
        self,
        log: EventLog,
        title: str,
        goals: Sequence[Goal] = (),
        earlier: Bounds | None = None,
        as_of: datetime | None = None,
    ) -> GrowthReport:
        """The report of a log; `earlier` as in `build_report`, `as_of` where the settings have none.

        Raises
        ------
        ConfigError, DataError
            A setting or a goal that the data refuses, or a log that cannot be described.
        """
        scope = ReportScope.of(
            log,
            as_of=self.as_of or as_of,
            min_group=self.min_group,
            active_events=self.active_events,
            burn_in_days=self.burn_in_days,
            currency=self.currency or log.currency,
            calendar=self.calendar,
        )
        return build_report(title, scope, self.sections, goals, earlier, self.language)
