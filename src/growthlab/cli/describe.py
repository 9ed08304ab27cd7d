"""growthlab describe: the growth report of a data set, with the distance to goals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from growthlab.config.compose import Command
from growthlab.data.as_of import end_of_last_day
from growthlab.insight.goals import read_goals
from growthlab.insight.report.growth_report import shown_before
from growthlab.insight.report.report_settings import ReportSettings
from growthlab.insight.report.report_summary import report_summary
from growthlab.tracking.command_run import command_run
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.run_links import look_lines
from growthlab.workbench.logged_config import plain_config
from growthlab.workbench.set_up import event_source, read_or_open, shop_calendar, tracking_store

KEYS_NOT_LOGGED = ("tracking", "cache", "output", "memory_gb")


def run(command: Command) -> int:
    """Write the report to the folder ``output``/<data>, and log it in MLflow."""
    config = command.config
    source = event_source(config)
    settings = ReportSettings.from_config(config, shop_calendar(config, source))
    goals = [] if config.goals is None else read_goals(str(config.goals), config.currency)
    store = tracking_store(config)
    name = command.choice("data")
    log = read_or_open(source, config)
    as_of = settings.as_of or end_of_last_day(log, settings.calendar)
    people = source.without_bots(log, as_of)
    folder = Path(str(config.output)) / name
    report = settings.report(people, name, goals, shown_before(folder), as_of)
    path = report.save(folder)
    lineage = Lineage.of_data(log, source, data=name, task="describe", cutoff=str(as_of))
    logged = {k: v for k, v in plain_config(command).items() if k not in KEYS_NOT_LOGGED}
    with command_run(store, lineage, logged, "describe") as logged_run:
        shutil.copytree(folder, logged_run.folder, dirs_exist_ok=True)
        cleaning = json.dumps(people.cleaning, indent=2, default=str)
        (logged_run.folder / "cleaning.json").write_text(cleaning)
        logged_run.series |= {f"month/{name}": values for name, values in report.series().items()}
    print(report_summary(report))
    print(f"{path}: {len(report.report_tables)} tables next to it in {folder / 'tables'}")
    where = f"run {logged_run.run_id} in {lineage.experiment}"
    print("\n".join([where, *look_lines(store, lineage.experiment, logged_run.run_id)]))
    return 0
