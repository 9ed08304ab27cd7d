"""growthlab monitor: what a service's request log says of the bundle that answers, and since when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Manifest
from growthlab.config.compose import Command, compose
from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.data.source import Source
from growthlab.export.same_data import check_same_data
from growthlab.monitoring.alerts import Limits
from growthlab.monitoring.delayed import Delayed
from growthlab.monitoring.log_reader import Period
from growthlab.monitoring.log_summary import ServedPrediction, summarise_log
from growthlab.monitoring.monitoring_page import monitoring_html
from growthlab.monitoring.monitoring_report import MonitoringReport, finite
from growthlab.tasks.delayed_outcomes import evaluate_delayed, horizons_of
from growthlab.tracking.command_run import command_run
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.store import Store
from growthlab.workbench.set_up import cache_folder

ALERT = 3  # the exit status with fail_on_alert=true
NOT_OF_THE_RUN = ("tracking", "output", "cache")


def run(command: Command) -> int:
    """Print the report, write its page, and log both in MLflow."""
    config = command.config
    limits = Limits.of({str(name): value for name, value in config.limits.items()})
    period = Period.of(config.since, config.until)
    store = build(config.tracking)
    assert isinstance(store, Store)
    bundle = Bundle.load(str(config.bundle))
    if config.get("data") is not None:
        horizons_of(bundle)  # it can be judged: said before the data are read
    watched = summarise_log(bundle, Path(str(config.log)), period)
    report = MonitoringReport.of(watched, limits, _judged(command, bundle, watched.predictions))
    path = _written(report, Path(str(config.output)))
    plain: Any = OmegaConf.to_container(config, resolve=True)
    logged = {k: v for k, v in plain.items() if k not in NOT_OF_THE_RUN}
    lineage = _lineage(bundle.manifest, report)
    with command_run(store, lineage, logged, "monitor") as logged_run:
        (logged_run.folder / "monitor.html").write_text(monitoring_html(report), encoding="utf-8")
        (logged_run.folder / "monitor.json").write_text(_numbers(report), encoding="utf-8")
        logged_run.metrics |= finite(report.metrics())
    print(report.as_text())
    print(f"\n{path}; run {logged_run.run_id} in {lineage.experiment}; look: {store.how_to_view}")
    return ALERT if report.alerts and config.fail_on_alert else 0


def _judged(
    command: Command, bundle: Bundle, served: Mapping[str, ServedPrediction]
) -> Delayed | None:
    """What came of the predictions by the newer events of ``data=``; None without them."""
    if command.config.get("data") is None:
        return None
    source = build(command.config.data)
    assert isinstance(source, Source)
    events = source.prepare(cache_folder(command.config))
    if command.config.same_data:
        check_same_data(bundle, events, source.cleaning)
    task = build(compose("train", [f"task={bundle.manifest.task}"]).config.task)
    return evaluate_delayed(task, bundle, served, events)


def _written(report: MonitoringReport, folder: Path) -> Path:
    """The page, in the folder of the data set.

    Raises
    ------
    ConfigError
        It cannot be written.
    """
    manifest = report.summary.manifest
    path = folder / manifest.data / f"monitoring-{manifest.task}.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(monitoring_html(report), encoding="utf-8")
    except OSError as error:
        why = f"output={folder} cannot be written ({error.strerror})"
        raise ConfigError(f"{why}: choose another folder") from error
    return path


def _lineage(manifest: Manifest, report: MonitoringReport) -> Lineage:
    """The bundle's own, in the experiment ``<data>/monitoring``."""
    reading = report.summary.reading
    return Lineage(
        data=manifest.data,
        digest=manifest.data_digest,
        task="monitoring",
        split=manifest.split,
        cutoff=str(manifest.cutoff or ""),
        source=manifest.data,
        more={
            "monitored_task": manifest.task,
            "model": manifest.model,
            "bundle_version": manifest.version,
            "model_run": manifest.run_id or "",
            "since": str(reading.first or ""),
            "until": str(reading.last or ""),
            "alerts": "; ".join(alert.about for alert in report.alerts)[:500],
        },
    )


def _numbers(report: MonitoringReport) -> str:
    """Every number and every distribution as JSON."""
    drifts = {
        d.name: {
            "bins": list(d.labels),
            "reference": d.reference.tolist(),
            "current": d.current.tolist(),
            "level": d.level(report.limits.psi_moved, report.limits.psi_far),
        }
        for d in report.summary.drifts
    }
    alerts = [vars(alert) for alert in report.alerts]
    content = {"metrics": finite(report.metrics()), "alerts": alerts, "distributions": drifts}
    return json.dumps(content, indent=2, ensure_ascii=False)
