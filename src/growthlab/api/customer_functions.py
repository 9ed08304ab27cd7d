"""Reports, tags and segments of customers from Python; nothing is written to disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.data.as_of import end_of_last_day
from growthlab.data.event_log import EventLog
from growthlab.features.portrait.portrait import Portrait, PortraitTable
from growthlab.insight.customer_tables import CustomerTables, customer_sections
from growthlab.insight.goals import read_goals
from growthlab.insight.report.growth_report import GrowthReport
from growthlab.insight.report.report_settings import ReportSettings
from growthlab.workbench.customer_views import portrait_at, segments_at
from growthlab.workbench.own_log import source_of
from growthlab.workbench.set_up import shop_calendar


def describe(
    log: EventLog,
    *,
    goals: str | Path | Sequence[Mapping[str, Any]] = (),
    overrides: Sequence[str] = (),
) -> GrowthReport:
    """The growth report of your own log.

    Parameters
    ----------
    log : from `growthlab.read` or `growthlab.dataset`
    goals : a yaml file of goals, or its content as mappings
    overrides : settings as on the command line, such as ``privacy.min_group=50``

    Returns
    -------
    GrowthReport
        Has ``.tables`` (DataFrames by name), ``.definitions`` of every column and ``.as_html()``;
        ``.save(folder)`` writes all of it.

    Raises
    ------
    ConfigError, DataError
        The mistakes that the command reports, in one line.
    """
    config, source = compose("describe", overrides).config, source_of(log)
    settings = ReportSettings.from_config(config, shop_calendar(config, source))
    as_of = settings.as_of or end_of_last_day(log, settings.calendar)
    people = source.without_bots(log, as_of)
    return settings.report(people, log.name, read_goals(goals, config.currency), as_of=as_of)


def portrait(
    log: EventLog, *, cutoff: str | None = None, overrides: Sequence[str] = ()
) -> PortraitTable:
    """A row of tags for every customer of your own log.

    Parameters
    ----------
    log : from `growthlab.read` or `growthlab.dataset`
    cutoff : a date or time by the shop's clocks, before which events count; None: just after the newest
    overrides : settings as on the command line, such as ``portrait.half_life_days=30``

    Returns
    -------
    PortraitTable
        ``.frame`` has the rows, ``.tags`` what each column means, ``.absent`` what the data lacks.

    Raises
    ------
    ConfigError, DataError
        The mistakes that the command reports, in one line.
    """
    config, source = compose("portrait", overrides).config, source_of(log)
    calendar = shop_calendar(config, source)
    rules: Portrait = build(config.portrait, Portrait)
    requested = None if cutoff is None else calendar.parse(cutoff, "cutoff")
    return portrait_at(rules, source, log, calendar, requested).table


def segment(
    log: EventLog,
    *,
    as_of: str | None = None,
    sections: Sequence[str] | None = None,
    overrides: Sequence[str] = (),
) -> CustomerTables:
    """Segments, tiers, triggers and lookalikes of your own log, a row a customer each.

    Parameters
    ----------
    log : from `growthlab.read` or `growthlab.dataset`
    as_of : a date or time by the shop's clocks; None: the end of the log
    sections : files of ``conf/section``, such as ``rfm``; None: all that have a row a customer
    overrides : settings as on the command line

    Returns
    -------
    CustomerTables
        ``.tables`` has a DataFrame a section, ``.left_out`` the reason for those that the log cannot give.

    Raises
    ------
    ConfigError, DataError
        The mistakes that the command reports, in one line.
    """
    named = [] if sections is None else [f"section=[{','.join(sections)}]"]
    config, source = compose("segment", [*named, *overrides]).config, source_of(log)
    chosen = customer_sections(config.get("section") or {}, named=sections is not None)
    calendar = shop_calendar(config, source)
    requested = None if as_of is None else calendar.parse(as_of, "as_of")
    return segments_at(chosen, source, log, calendar, requested).tables
