"""Texts of the data cannot write into a page: each of them is read back as the text that it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.pages.page_reader import read_page

import growthlab
from growthlab.bundle.answer_kinds import AnswerKind, TaskAnswer
from growthlab.bundle.manifest import Manifest
from growthlab.data.event_log import EventLog
from growthlab.insight.findings import BarPlot, Column, Findings, HeatMap, LinePlot, ReportTable
from growthlab.insight.report.report_contents import ReportContents, ReportPart
from growthlab.insight.report.report_page import report_html
from growthlab.insight.scope import Scope
from growthlab.monitoring.alerts import Alert, AlertLimits
from growthlab.monitoring.log_reader import LogReading
from growthlab.monitoring.log_summary import LogSummary
from growthlab.monitoring.monitoring_page import monitoring_html
from growthlab.monitoring.monitoring_report import MonitoringReport
from growthlab.monitoring.stability import Drift
from growthlab.monitoring.tally import Tally
from growthlab.pages.charts import LONGEST_LABEL

SOURCE = Path(growthlab.__file__).parent
HOSTILE = [
    "<script>x()</script>",
    "</style><b>x",
    "\"'><img src=x onerror=x()>",
    "{{ 7 * 7 }}",
    "{% include 'style.css' %}",
    "a & b &lt; c",
    "</text></svg><i>",
    "javascript:x()",
]


def report_page(text: str) -> str:
    """A growth report that holds the text wherever texts of the data, or of a config, can be."""
    events = pd.DataFrame({"user_id": [f"u{n % 30}" for n in range(90)], "event_type": "purchase"})
    events["timestamp"] = pd.date_range("2025-01-01", periods=90, freq="D")
    scope = Scope.of(EventLog.from_frames(events, name=text), min_group=10, currency=text)
    days = pd.to_datetime(["2025-01-01", "2025-02-01"])
    rows = pd.DataFrame({"item": [text, "b"], "day": days, "level": [text, "b"], "n": [20, 30]})
    columns = {
        "item": Column("label", text),
        "day": Column("date", text),
        "level": Column("label", text),
        "n": Column("customers", text, ("n",)),
    }
    plots = (
        BarPlot("item", "n", text),
        HeatMap("item", "level", "n", text),
        LinePlot("day", ("n",), text, by="level"),
    )
    table = ReportTable("items", text, rows, columns, plots, note=text).withhold_small_groups(10)
    tile = pd.DataFrame({"figure": [text], "unit": "label", "definition": text, "value": [text]})
    tile = tile.assign(month_before=np.nan, year_before=np.nan)
    labels = {name: Column("label", text) for name in tile}
    tiles = ReportTable("tiles", text, tile, labels, tiles=True).withhold_small_groups(10)
    part = ReportPart(text, text, text, Findings((table, tiles), (text,)))
    return report_html(ReportContents(text, scope, (part,), {text: text}))


def monitoring_page(text: str) -> str:
    """A monitoring report that holds the text wherever texts of a bundle or a log can be."""
    answer = TaskAnswer(
        kind=AnswerKind.PROBABILITY, endpoint="risk", field="risk", summary=text,
        intended_use=text, caveat=text,
    )  # fmt: skip
    manifest = Manifest(
        task=text, answer=answer, model=text, data=text, data_digest="", split="", kind="",
        created="", namespace="", key_fingerprint="", versions={}, counts={}, files={},
    )  # fmt: skip
    drift = Drift(text, [text, "b"], np.array([60, 60]), np.array([20, 100]), 120, 120)
    now = datetime(2025, 1, 1, tzinfo=UTC)
    tally = Tally(n=120)
    tally.served[text] = 120
    variants = {(text, text, text): tally}
    log = LogSummary(manifest, LogReading(120, first=now, last=now), variants, tally, None, [drift])
    alerts = [Alert(text, "grave", text), Alert(text, "note", text)]
    return monitoring_html(MonitoringReport(log, AlertLimits(), alerts))


PAGES: dict[str, Callable[[str], str]] = {
    "insight/report/report_page.py": report_page,
    "monitoring/monitoring_page.py": monitoring_page,
}


def test_every_page_is_tried() -> None:
    makers = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if re.search(r"import .*\brender_page\b|^    render_page,$", path.read_text(), re.MULTILINE)
    }
    assert makers == set(PAGES)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_hostile_text_is_shown_and_does_nothing(page: Callable[[str], str], text: str) -> None:
    harmless = read_page(page("harmless"))
    html = page(text)
    reader = read_page(html)
    assert reader.elements == harmless.elements
    assert _counts(reader.attributes) == _counts(harmless.attributes)
    assert "".join(reader.texts).count(text) >= 8
    assert html.count("<style>") == html.count("</style>") == 1


def test_a_long_label_is_cut_on_the_chart_and_whole_in_its_title() -> None:
    long = "<b>" + "x" * LONGEST_LABEL
    html = report_page(long)
    read_page(html)
    assert f"<title>&lt;b&gt;{'x' * LONGEST_LABEL}</title>" in html


def _counts(attributes: list[tuple[str, str]]) -> dict[str, Any]:
    names = [name for name, _ in attributes]
    return {name: names.count(name) for name in set(names)}
