"""The files and tags of a monitoring report: its page, its numbers as JSON, and the tags of its run."""

from __future__ import annotations

import json
from pathlib import Path

from growthlab.core.atomic_write import atomic_file
from growthlab.core.errors import ConfigError
from growthlab.monitoring.monitoring_page import monitoring_html
from growthlab.monitoring.monitoring_report import MonitoringReport, finite

MAX_ALERTS_LENGTH = 500  # characters of a tag


def write_page(report: MonitoringReport, output: Path) -> Path:
    """Write the page to ``<output>/<data>/monitoring-<task>.html``, and return its path.

    Raises
    ------
    ConfigError
        It cannot be written.
    """
    manifest = report.summary.manifest
    path = output / manifest.data / f"monitoring-{manifest.task}.html"
    try:
        with atomic_file(path) as file:
            file.write(monitoring_html(report).encode())
    except OSError as error:
        why = f"output={output} cannot be written ({error.strerror})"
        raise ConfigError(f"{why}: choose another folder") from error
    return path


def report_json(report: MonitoringReport) -> str:
    """Every number, alert and distribution of the report as JSON."""
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


def run_tags(report: MonitoringReport) -> dict[str, str]:
    """The tags of the report's run: the bundle, the period and the alerts."""
    manifest, reading = report.summary.manifest, report.summary.reading
    return {
        "monitored_task": manifest.task,
        "model": manifest.model,
        "bundle_version": manifest.version,
        "model_run": manifest.run_id or "",
        "since": str(reading.first or ""),
        "until": str(reading.last or ""),
        "alerts": "; ".join(alert.about for alert in report.alerts)[:MAX_ALERTS_LENGTH],
    }
