"""The customers of an experiment from a config: a table, a timeline, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from growthlab.config.compose import Command
from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.core.plain_values import plain_values
from growthlab.data.event_log import EventLog
from growthlab.effects.experiment_data import ARM, EXPOSED, USER, ExperimentData
from growthlab.effects.exposure_table import ExposureTable
from growthlab.effects.outcome_events import (
    TIME,
    EventTable,
    OutcomeWindow,
    count_outcomes,
    exposures_of_log,
    named_as_in_log,
    outcomes_of_log,
)
from growthlab.effects.served_experiment import CHAMPION, RequestLogInput
from growthlab.workbench.set_up import event_source, read_or_open

CONTROL = "control"


def experiment_data(command: Command) -> ExperimentData:
    """The experiment that a config of ``ab`` names.

    Raises
    ------
    ConfigError, DataError
        Inputs that are missing or exclude each other, and whatever is wrong with one of them.
    """
    config = command.config
    table: ExposureTable = build(config.exposures, ExposureTable, "exposures")
    window = _window(config)
    if config.log is not None:
        return _of_request_log(config, table, window)
    if config.get("data") is None:
        return _of_tables(config, table, window)
    if config.events.path is not None:
        raise ConfigError("data= and events.path both hold outcomes: leave one of them out")
    return _of_timeline(config, table, window)


def _of_tables(config: Any, table: ExposureTable, window: OutcomeWindow) -> ExperimentData:
    if config.timeline.event is not None:
        raise ConfigError("timeline.event needs data=: the timeline that has the event")
    exposures = table.read(str(config.name))
    if config.events.path is None:
        if window.after is not None or window.before:
            raise ConfigError(
                "window.after and window.before need outcomes with times: events.path, or data="
            )
        return _experiment(config, exposures)
    outcomes = EventTable(**plain_values(config.events)).read()
    counted = count_outcomes(exposures, outcomes, window)
    return _experiment(
        config, counted.customers, counted.days, counted.observed_days, counted.facts
    )


def _of_request_log(config: Any, table: ExposureTable, window: OutcomeWindow) -> ExperimentData:
    others = {
        "exposures.path": table.path,
        "events.path": config.events.path,
        "data": config.get("data"),
    }
    for name, value in others.items():
        if value is not None:
            raise ConfigError(f"log= holds exposures and outcomes: leave {name} out")
    served = RequestLogInput(
        log=str(config.log),
        since=None if config.log_since is None else str(config.log_since),
        until=None if config.log_until is None else str(config.log_until),
        task=config.log_task,
    ).read()
    counted = count_outcomes(served.exposures, served.outcomes, window)
    experiment = _experiment(
        config,
        counted.customers,
        counted.days,
        counted.observed_days,
        [*served.facts, *counted.facts],
        control=CHAMPION,
    )
    return replace(experiment, served=served.versions)


def _of_timeline(config: Any, table: ExposureTable, window: OutcomeWindow) -> ExperimentData:
    log = read_or_open(event_source(config), config)
    exposures = _timeline_exposures(config, table, log)
    outcomes = outcomes_of_log(log, exposures[USER])
    counted = count_outcomes(exposures, outcomes, window, _end(log))
    return _experiment(
        config, counted.customers, counted.days, counted.observed_days, counted.facts
    )


def timeline_experiment(config: Any, days: int) -> tuple[EventLog, ExperimentData]:
    """The log of ``ab table`` and its experiment, with the outcomes of the days after the assignment.

    Raises
    ------
    ConfigError, DataError
        As of `experiment_data`.
    """
    log = read_or_open(event_source(config), config)
    table: ExposureTable = build(config.exposures, ExposureTable, "exposures")
    exposures = _timeline_exposures(config, table, log)[[USER, ARM, EXPOSED]]
    outcomes = outcomes_of_log(log, exposures[USER])
    counted = count_outcomes(exposures, outcomes, OutcomeWindow(days, 0), _end(log))
    return log, _experiment(config, counted.customers, facts=counted.facts)


def _timeline_exposures(config: Any, table: ExposureTable, log: EventLog) -> pd.DataFrame:
    """Who met which arm when, from a table or from the events of the log."""
    if (config.timeline.event is None) == (table.path is None):
        raise ConfigError(
            "with data= the exposures are either a table (exposures.path) or events "
            "(timeline.event): give one of them"
        )
    if table.path is None:
        return exposures_of_log(log, str(config.timeline.event), str(config.timeline.column))
    exposures = table.read(str(config.name))
    if USER in exposures:
        exposures[USER] = named_as_in_log(exposures[USER], log)
    if USER not in exposures or EXPOSED not in exposures:
        raise ConfigError(
            "a timeline needs exposures.user_id and exposures.exposed_at: whose and when an "
            "exposure was"
        )
    return exposures


def _end(log: EventLog) -> pd.Timestamp:
    return pd.Timestamp(log.query(f"SELECT max({TIME}) AS t FROM events")["t"].iloc[0])


def _window(config: Any) -> OutcomeWindow:
    after, before = config.window.after, config.window.before
    if after is not None and not (isinstance(after, int) and after >= 1):
        raise ConfigError(
            f"window.after must be a whole number of days of 1 or more, got {after!r}"
        )
    if before < 0:
        raise ConfigError(f"window.before must be 0 or more days, got {before}")
    return OutcomeWindow(after, before)


def _experiment(
    config: Any,
    customers: pd.DataFrame,
    days: pd.DataFrame | None = None,
    observed_days: np.ndarray | None = None,
    facts: list[str] | None = None,
    control: str = CONTROL,
) -> ExperimentData:
    shares: Mapping[str, Any] = plain_values(config.shares or {})
    return ExperimentData.of(
        customers,
        control=control if config.control is None else str(config.control),
        arms=None if config.arms is None else [str(arm) for arm in config.arms],
        shares={str(arm): share for arm, share in shares.items()},
        days=days,
        observed_days=observed_days,
        facts=facts or [],
    )
