"""growthlab monitor: compare a service's request log with the reference in the bundle."""

from __future__ import annotations

from pathlib import Path

from growthlab.bundle.bundle import Bundle
from growthlab.config.compose import Command
from growthlab.monitoring.alerts import AlertLimits
from growthlab.monitoring.log_reader import LogPeriod
from growthlab.monitoring.log_summary import summarise_log
from growthlab.monitoring.monitoring_page import monitoring_html
from growthlab.monitoring.monitoring_report import MonitoringReport, finite
from growthlab.monitoring.report_files import report_json, run_tags, write_page
from growthlab.tasks.delayed_outcomes import horizons_of
from growthlab.tracking.command_run import command_run
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.run_links import look_lines
from growthlab.workbench.logged_config import plain_config
from growthlab.workbench.served_outcomes import served_outcomes
from growthlab.workbench.set_up import tracking_store

ALERT = 3  # the exit status with fail_on_alert=true
PAGE = "monitor.html"
KEYS_NOT_LOGGED = ("tracking", "output", "cache", "memory_gb")


def run(command: Command) -> int:
    """Print the report, write its page, and log both in MLflow."""
    config = command.config
    limits = AlertLimits.of({str(name): value for name, value in config.limits.items()})
    period = LogPeriod.of(config.since, config.until)
    store, bundle = tracking_store(config), Bundle.load(str(config.bundle))
    if config.get("data") is not None:
        horizons_of(bundle)  # raises before any data is read if there is nothing to evaluate
    summary = summarise_log(bundle, Path(str(config.log)), period)
    delayed = served_outcomes(command, bundle, summary.predictions)
    report = MonitoringReport.of(summary, limits, delayed)
    path = write_page(report, Path(str(config.output)))
    logged = {k: v for k, v in plain_config(command).items() if k not in KEYS_NOT_LOGGED}
    lineage = Lineage.of_bundle(bundle.manifest, "monitoring", run_tags(report))
    with command_run(store, lineage, logged, "monitor") as logged_run:
        (logged_run.folder / PAGE).write_text(monitoring_html(report), encoding="utf-8")
        (logged_run.folder / "monitor.json").write_text(report_json(report), encoding="utf-8")
        logged_run.metrics |= finite(report.metrics())
    print(report.as_text())
    print(f"\n{path}")
    where = f"run {logged_run.run_id} in {lineage.experiment}"
    look = look_lines(store, lineage.experiment, logged_run.run_id, page=PAGE)
    print("\n".join([where, *look]))
    return ALERT if report.alerts and config.fail_on_alert else 0
