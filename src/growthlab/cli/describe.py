"""growthlab describe: the growth figures of a data set as a report, with the distance to goals."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

from growthlab.cli.setting import cache_of
from growthlab.config.compose import Command
from growthlab.core.build import build
from growthlab.data.source import Source
from growthlab.insight.goals import read_goals
from growthlab.insight.report.report_settings import ReportSettings
from growthlab.insight.report.report_summary import report_summary
from growthlab.tracking.describe_run import log_description
from growthlab.tracking.lineage import lineage_of
from growthlab.tracking.store import Store

KEYS_NOT_LOGGED = ("tracking", "cache", "output")


def run(command: Command) -> int:
    """Write the report to the folder ``output``/<data>, and log it in MLflow."""
    config = command.config
    settings = ReportSettings.from_config(config)
    goals = [] if config.goals is None else read_goals(str(config.goals), config.currency)
    source, store = build(config.data), build(config.tracking)
    assert isinstance(source, Source)
    assert isinstance(store, Store)
    name = command.name("data")
    log = source.prepare(cache_of(config))
    report = settings.report(log, name, goals)
    folder = Path(str(config.output)) / name
    path = report.save(folder)
    lineage = lineage_of(source, log, name, "describe", report.scope.as_of)
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    logged = {str(k): v for k, v in plain.items() if k not in KEYS_NOT_LOGGED}
    run_id = log_description(store, lineage, logged, folder, report.series(), log.cleaning)
    print(report_summary(report))
    print(f"{path}: {len(report.report_tables)} tables next to it in {folder / 'tables'}")
    print(f"run {run_id} in {lineage.experiment}; look: {store.how_to_look}")
    return 0
