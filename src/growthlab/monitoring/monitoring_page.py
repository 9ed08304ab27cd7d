"""The page of a monitoring report: alerts, tables and distributions as the blocks of `growthlab.pages`."""

from __future__ import annotations

import re

import numpy as np

from growthlab.monitoring.monitoring_report import MonitoringReport
from growthlab.monitoring.monitoring_table import MonitoringTable
from growthlab.monitoring.stability import Drift
from growthlab.pages.charts import BarChart
from growthlab.pages.page import (
    AlertBlock,
    AlertLevel,
    Cell,
    Chapter,
    DataBlock,
    Figure,
    Page,
    PageRow,
    PageTable,
    render_page,
)

WORDS = ("model", "level", "champion")  # columns that are flush left, as the first one is
MOST_DRAWN = 12  # distributions, those that moved most first
INTERVAL = re.compile(r"(.+) (\[[-+\d., %]+\])")  # a value and its bounds
AT_EXPORT, NOW = "at export", "now"


def monitoring_html(report: MonitoringReport) -> str:
    """The report as one HTML document."""
    chapters = [Chapter("Alerts", [_alerts(report)])]
    chapters += [_table(table) for table in report.tables]
    drifts = sorted(report.summary.drifts, key=lambda drift: -drift.psi)[:MOST_DRAWN]
    if drifts:
        figures = [Figure(drift.name, _distribution(drift)) for drift in drifts]
        note = "The share of each bin, at export and now."
        chapters.append(Chapter("Distributions", [DataBlock(figures=figures)], notes=[note]))
    return render_page(Page(report.title, chapters, report.facts))


def _alerts(report: MonitoringReport) -> AlertBlock:
    alerts: list[tuple[AlertLevel, str]] = [
        ("grave" if alert.severity == "grave" else "watch", alert.text) for alert in report.alerts
    ]
    return AlertBlock(alerts or [("fine", "Nothing is out of its limits.")])


def _table(table: MonitoringTable) -> Chapter:
    rows = [PageRow([_cell(text) for text in row]) for row in table.rows]
    words = frozenset({*WORDS, table.header[0]})
    block = DataBlock(table=PageTable(table.header, rows, words))
    return Chapter(table.title, [block], notes=[table.note])


def _cell(text: str) -> Cell:
    """The bounds of an interval apart from its value."""
    interval = INTERVAL.fullmatch(text)
    return Cell(interval[1], interval[2]) if interval else Cell(text)


def _distribution(drift: Drift) -> BarChart:
    """Two bars a bin; bins that neither side uses are left out."""
    used = np.flatnonzero((drift.reference > 0) | (drift.current > 0))
    shares = {
        name: (counts / max(counts.sum(), 1))[used].tolist()
        for name, counts in ((AT_EXPORT, drift.reference), (NOW, drift.current))
    }
    labels = [drift.labels[place] for place in used.tolist()]
    return BarChart(labels, shares, "{:.1%}".format, reference=AT_EXPORT)
