"""growthlab describe: the growth figures of a data set as a report, with the distance to goals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from growthlab.cli.as_of import lineage_of
from growthlab.cli.setting import cache_of
from growthlab.config.compose import Command
from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.data.source import Source
from growthlab.insight.goals import Goal, read_goals
from growthlab.insight.report.growth_report import GrowthReport, report
from growthlab.insight.report.numbers import FEW, text
from growthlab.insight.scope import Scope, check_group, checked_events
from growthlab.tracking.describe_run import log_description
from growthlab.tracking.store import Store


def run(found: Command) -> int:
    """Write the report to the folder ``output``/<data>, and log it in MLflow."""
    config = found.config
    check(config)
    goals = [] if config.goals is None else read_goals(str(config.goals), config.currency)
    source, store = build(config.data), build(config.tracking)
    assert isinstance(source, Source)
    assert isinstance(store, Store)
    name = found.name("data")
    log = source.prepare(cache_of(config))
    made = described(log, found, name, goals)
    folder = Path(str(config.output)) / name
    path = made.save(folder)
    lineage = lineage_of(source, log, name, "describe", made.scope.as_of)
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    logged = {str(k): v for k, v in plain.items() if k not in ("tracking", "cache", "output")}
    run_id = log_description(store, lineage, logged, folder, made.series(), log.cleaning)
    print("\n".join(summary(made)))
    print(f"{path}: {len(made.listed)} tables beside it in {folder / 'tables'}")
    print(f"run {run_id} in {lineage.experiment}; look: {store.how_to_look}")
    return 0


def check(config: Any) -> None:
    """Raise a `ConfigError` for all that is wrong without a look at the data."""
    check_group(config.privacy.min_group)
    checked_events(_plain(config.active_events))
    for name, node in (config.get("section") or {}).items():
        build(node, f"section.{name}")


def described(log: EventLog, found: Command, name: str, goals: Sequence[Goal]) -> GrowthReport:
    """The report of a log with the settings of a command.

    Raises
    ------
    ConfigError, DataError
        A setting, a goal or a log that makes no report.
    """
    config = found.config
    nodes = config.get("section") or {}
    if not nodes:
        raise ConfigError("section=[] leaves nothing to report: name some sections, or none")
    sections = {str(n): build(node, f"section.{n}") for n, node in nodes.items()}
    scope = Scope.of(
        log,
        as_of=None if config.as_of is None else str(config.as_of),
        min_group=config.privacy.min_group,
        active_events=_plain(config.active_events),
        burn_in_days=config.burn_in_days,
        currency=config.currency,
    )
    return report(name, scope, sections, goals)


def summary(made: GrowthReport) -> list[str]:
    """Lines for the console: the last whole month, the goals, and what is left out."""
    lines = []
    tables = {table.name: table for table in made.listed}
    if "headline" in tables:
        lines.append(f"{made.title}, {tables['headline'].title}")
        for row in tables["headline"].rows.to_dict("records"):
            value = FEW if pd.isna(row["value"]) else text(row["value"], row["unit"])
            lines.append(f"  {row['figure']:<20} {value:>12}")
    if "goals" in tables:
        lines.append("goals")
        for row in tables["goals"].rows.to_dict("records"):
            now, target, missing = (
                text(row[c], "number") for c in ("current", "target", "distance")
            )
            lines.append(
                f"  {row['metric']} of {row['segment']}: {now} of {target} {row['unit']} "
                f"by {row['deadline']:%Y-%m-%d}, {missing} to go, {row['state']}"
            )
    lines += [f"not in the report: {name}: {why}" for name, why in made.left_out.items()]
    if made.n_hidden:
        least = made.scope.min_group
        lines.append(
            f"withheld: {made.n_hidden:,} cells that would tell of fewer than {least} customers"
        )
    return lines


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node) if OmegaConf.is_config(node) else node
