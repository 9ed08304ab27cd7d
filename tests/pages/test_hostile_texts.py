"""Texts of the data cannot write into a page: each of them is read back as the text that it was."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.campaign.conftest import (
    example_frames,
    holdout_of,
    options_of,
    settings_with,
    written,
)
from tests.pages.page_reader import RUN, PageReader, read_page
from tests.promotion.test_gate import CASE, FIRST_ONE, GATE, MEASURES, WINS

import growthlab
from growthlab.bundle.answer_kinds import AnswerKind, TaskAnswer
from growthlab.bundle.manifest import Manifest
from growthlab.campaign.plan_page import plan_page
from growthlab.campaign.planning import CampaignPlan
from growthlab.cli import main as command_line
from growthlab.cli.terminal_output import visible_output
from growthlab.core.errors import DataError
from growthlab.core.process import VisibleFormatter
from growthlab.core.visible_text import visible_text
from growthlab.data.event_log import EventLog
from growthlab.effects.ab_analysis import AbSettings, analyse
from growthlab.effects.ab_page import ab_html
from growthlab.effects.experiment_data import ExperimentData
from growthlab.effects.logged_actions import LoggedActions
from growthlab.effects.off_policy_value import off_policy_value
from growthlab.effects.ope_report import ope_html
from growthlab.evaluation.comparison import Comparison
from growthlab.evaluation.earlier_comparison import EarlierComparison
from growthlab.evaluation.markdown_report import leaderboard_markdown
from growthlab.evaluation.outcome import Estimate, Outcome
from growthlab.evaluation.segment_differences import Segments
from growthlab.evaluation.text_report import leaderboard_text
from growthlab.export.model_card import model_card
from growthlab.features.portrait.dictionary import as_markdown
from growthlab.features.portrait.tag import Tag
from growthlab.insight.customer_tables import CustomerTables
from growthlab.insight.disclosure import protect_table
from growthlab.insight.findings import BarPlot, Column, Findings, HeatMap, LinePlot, ReportTable
from growthlab.insight.report.report_contents import ReportContents, ReportPart
from growthlab.insight.report.report_page import report_html
from growthlab.insight.report.report_summary import report_summary
from growthlab.insight.report_scope import ReportScope
from growthlab.monitoring.alerts import Alert, AlertLimits
from growthlab.monitoring.log_reader import LogReading
from growthlab.monitoring.log_summary import LogSummary
from growthlab.monitoring.monitoring_page import monitoring_html
from growthlab.monitoring.monitoring_report import MonitoringReport
from growthlab.monitoring.stability import Drift
from growthlab.monitoring.tally import Tally
from growthlab.pages.charts import LONGEST_LABEL
from growthlab.pages.page import Badge
from growthlab.pages.text_table import markdown_table, table_text
from growthlab.promotion.compared_measure import ComparedMeasure
from growthlab.promotion.decision import Decision, Evidence, decide
from growthlab.promotion.gate import Gate
from growthlab.promotion.promotion_report import (
    PromotionCase,
    checks_as_text,
    report_of,
    summary_of,
)
from growthlab.review.review_contents import (
    CaseGroup,
    CustomerCase,
    ListedItem,
    ReviewContents,
    SearchCourse,
    SettingsOfModel,
    WrongPrediction,
)
from growthlab.review.review_page import review_html
from growthlab.workbench.grow_page import Champion, grow_page
from growthlab.workbench.grow_steps import DoneStep

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
    "tea | cup",
    "[tea](javascript:x)",
    "![tea](http://x/y.png)",
    "[tea][1]",
    "a\n# forged\n\n| x | y |",
    "a\r\nGRAVE: forged",
    "\x1b[2J\x1b[31mred",
    "\x07\x08\x9b1m",
    "\u202egnp.exe",
    "\u2066x\u2069\u200f",
    "\ufeff=cmd()",
]
OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def growth_report(text: str) -> ReportContents:
    """A growth report that holds the text wherever texts of the data, or of a config, can be."""
    events = pd.DataFrame({"user_id": [f"u{n % 30}" for n in range(90)], "event_type": "purchase"})
    events["timestamp"] = pd.date_range("2025-01-01", periods=90, freq="D")
    scope = ReportScope.of(EventLog.from_frames(events, name=text), min_group=10, currency=text)
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
    table = protect_table(ReportTable("items", text, rows, columns, plots, note=text), 10)
    tile = pd.DataFrame({"figure": [text], "unit": "label", "definition": text, "value": [text]})
    tile = tile.assign(month_before=np.nan, year_before=np.nan)
    labels = {name: Column("label", text) for name in tile}
    tiles = protect_table(ReportTable("tiles", text, tile, labels, tiles=True), 10)
    part = ReportPart(text, text, text, Findings((table, tiles), (text,)))
    headline = replace(tiles, name="headline")
    summary = ReportPart(text, text, text, Findings((headline,)))
    return ReportContents(text, scope, (part, summary), {text: text})


def report_page(text: str) -> str:
    """The page of `growth_report`."""
    return report_html(growth_report(text))


def manifest_of(text: str) -> Manifest:
    """A manifest that holds the text wherever a config or the data can put one."""
    answer = TaskAnswer(
        kind=AnswerKind.PROBABILITY, endpoint="risk", field="risk", summary=text,
        intended_use=text, caveat=text,
    )  # fmt: skip
    return Manifest(
        task=text, answer=answer, model=text, data=text, data_digest="", split=text, kind="",
        created="", namespace="", key_fingerprint="", versions={}, counts={}, files={},
        history_events=[text], target_events=[text], metrics={text: {"value": 0.5}},
        baselines={text: {text: 0.4}},
    )  # fmt: skip


def monitoring_report(text: str) -> MonitoringReport:
    """A monitoring report that holds the text wherever texts of a bundle or a log can be."""
    manifest = manifest_of(text)
    drift = Drift(text, [text, "b"], np.array([60, 60]), np.array([20, 100]), 120, 120)
    now = datetime(2025, 1, 1, tzinfo=UTC)
    tally = Tally(n=120)
    tally.served[text] = 120
    variants = {(text, text, text): tally}
    log = LogSummary(manifest, LogReading(120, first=now, last=now), variants, tally, None, [drift])
    alerts = [Alert(text, "grave", text), Alert(text, "note", text)]
    return MonitoringReport(log, AlertLimits(), alerts)


def monitoring_page(text: str) -> str:
    """The page of `monitoring_report`."""
    return monitoring_html(monitoring_report(text))


def comparison(text: str) -> Comparison:
    """A comparison of models with this name, and with errors that quote the text."""
    users = [f"u{n}" for n in range(4)]
    values = {"value": 0.4, "low": 0.3, "high": 0.5, "n_users": 4}
    outcomes = [
        Outcome(
            model=None, name=name, seed=0, valid={"hits": 0.5}, test={"hits": Estimate(0.4, 0.3, 0.5)},
            per_user=pd.DataFrame({"user_id": users, "hits": [0.0, 1.0, 0.0, 1.0]}),
            strata=pd.DataFrame({"stratum": [text], "metric": "hits", **values}),
            tables={}, fit_seconds=1.0, score_seconds=1.0, peak_memory_mb=1.0, coverage=1.0,
            why_not_exportable=text,
        )
        for name in (f"{text}!", f"{text}?")
    ]  # fmt: skip
    return Comparison(
        {0: outcomes}, "hits", True, baselines=[f"{text}?"], title=text, subtitle=text,
        leakage={text: text}, errors={text: text},
    )  # fmt: skip


def campaign_page(text: str) -> str:
    """The page of growthlab grow with the text as the name of data, task, model, objective and step."""
    manifest = replace(manifest_of(text), model=text, metrics={text: {"value": 0.5}})
    plan = pd.DataFrame(
        {"customer": ["c"], "offer": ["o"], "claim": [text], "value": [1.0], "cost": [1.0]}
    )
    steps = [DoneStep(text, "d", text, 1.0)]
    links = [Badge(text, text, "plan.html")]
    return grow_page(text, {text: Champion(manifest, text)}, plan, steps, links)


def review_page(text: str) -> str:
    """The page of `comparison` with the text wherever data, models, settings and the store can put it."""
    listed = [
        ListedItem(text, is_hit=True),
        ListedItem(text, is_hit=False, picture="data:image/jpeg;base64,AAAA"),
    ]
    pair = (f"{text}!", f"{text}?")
    case = CustomerCase(text, [text], [text], dict.fromkeys(pair, listed), dict.fromkeys(pair, 0.5))
    wrong = WrongPrediction(text, 1.0, dict.fromkeys(pair, 0.5), [text])
    changes = {text: [text], "code": []}
    address = f"{RUN}1/runs/2"
    contents = ReviewContents(
        comparison=comparison(text),
        badges=[Badge(text, text), Badge("run", text, address)],
        segments=Segments(np.array(["u0", "u1"]), {text: np.array([True, False])}),
        traits=pd.DataFrame({"user_id": ["u0", "u1"], text: [text, text]}),
        cases=[CaseGroup(text, [case])],
        wrong={text: [wrong]},
        earlier=EarlierComparison(text, address, {text: 0.5}, text, changes),
        settings=[SettingsOfModel(text, [(text, text, text)]), SettingsOfModel(text, [])],
        search=pd.DataFrame({"model": [text], "remarks": [text]}),
        courses=[SearchCourse(text, [0.1, np.nan, 0.2], {text: 0.7})],
        cleaning=[{"rule": text, "why": text, "dropped_events": 1}],
        missing={"segments": text},
    )
    return review_html(contents)


def promotion(text: str) -> tuple[PromotionCase, Evidence, Decision, Gate]:
    """A decision whose case, checks and rivals hold the text."""
    rival = replace(WINS, model=text, why_not=text)
    measures = MEASURES | {"bundle_mb": ComparedMeasure(challenger=900.0, about=text)}
    evidence = replace(FIRST_ONE, rivals=[rival], measures=measures, leakage={"warning": text})
    case = replace(CASE, name=text, challenger_model=text, by=text, split=text)
    return case, evidence, decide(evidence, GATE), GATE


def tag_of(text: str) -> Tag:
    """A tag of the portrait with the text in its rule and its needs."""
    return Tag(
        name=text, part="behaviour", kind="text", rule=text, over="events", sql="",
        needs=(text,), choices=(text,),
    )  # fmt: skip


MARKDOWN: dict[str, Callable[[str], str]] = {
    "leaderboard": lambda text: leaderboard_markdown(comparison(text)),
    "model card": lambda text: model_card(manifest_of(text)),
    "promotion": lambda text: report_of(*promotion(text)),
    "notes of a version": lambda text: summary_of(*promotion(text)),
    "tags of a portrait": lambda text: as_markdown([tag_of(text)]),
    "table": lambda text: "\n".join(markdown_table([text, text], [[text, text]])),
}
TERMINAL: dict[str, Callable[[str], str]] = {
    "leaderboard": lambda text: leaderboard_text(comparison(text)),
    "monitoring": lambda text: monitoring_report(text).as_text(),
    "checks of a promotion": lambda text: checks_as_text(promotion(text)[2]),
    "reason of a promotion": lambda text: promotion(text)[2].reason,
    "growth report": lambda text: report_summary(growth_report(text)),
    "segments": lambda text: CustomerTables({}, {text: text}, {text: 0.5}).summary(Path("x")),
    "table": lambda text: table_text(pd.DataFrame({"name": [text], "n": 1})),
}


@cache
def small_plan() -> CampaignPlan:
    """The plan of the small campaign of the tests of `campaign`."""
    settings = settings_with()
    with TemporaryDirectory() as folder:
        options = options_of(written(example_frames(), Path(folder) / "tables"), settings)
    return CampaignPlan.of(options, holdout_of(settings))


def experiment_page(text: str) -> str:
    """The page of an experiment with the text as an arm, an outcome, a segment and a fact."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "user_id": [f"u{i}" for i in range(400)],
            "arm": np.where(np.arange(400) % 2, text, "control"),
            "spend": rng.gamma(2.0, 5.0, 400),
            "town": np.where(rng.random(400) < 0.5, text, "south"),
        }
    )
    settings = AbSettings(outcomes=["spend"], segments=["town"])
    analysis = analyse(ExperimentData.of(frame, control="control"), settings, text)
    return ab_html(replace(analysis, facts=[text]))


def policy_page(text: str) -> str:
    """The page of an off-policy value under the text as its name."""
    ones = np.ones(200)
    actions = LoggedActions(
        reward=ones, logged=0.5 * ones, target=0.5 * ones, cluster=np.arange(200)
    )
    return ope_html(off_policy_value(actions), actions, text)


PAGES: dict[str, Callable[[str], str]] = {
    "campaign/plan_page.py": lambda text: plan_page(small_plan(), text, 0),
    "effects/ab_page.py": experiment_page,
    "effects/ope_report.py": policy_page,
    "insight/report/report_page.py": report_page,
    "monitoring/monitoring_page.py": monitoring_page,
    "review/review_page.py": review_page,
    "workbench/grow_page.py": campaign_page,
}
FEWER_PLACES = {
    "campaign/plan_page.py": 6,
    "effects/ope_report.py": 2,
    "workbench/grow_page.py": 5,
}  # that hold the text


def test_every_page_is_tried() -> None:
    makers = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if re.search(r"import .*\brender_page\b|^    render_page,$", path.read_text(), re.MULTILINE)
    }
    assert makers == set(PAGES)


@cache
def harmless_page(name: str) -> PageReader:
    """What is read of a page whose texts are harmless."""
    return read_page(PAGES[name]("harmless"))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", PAGES)
def test_a_hostile_text_is_shown_and_does_nothing(name: str, text: str) -> None:
    harmless = harmless_page(name)
    html = PAGES[name](text)
    reader = read_page(html)
    assert reader.elements == harmless.elements
    assert _counts(reader.attributes) == _counts(harmless.attributes)
    shown = "".join(reader.texts).count(visible_text(text, keep_lines=True))
    assert shown >= FEWER_PLACES.get(name, 8)
    assert not OBEYED.search(html)
    html.encode()
    assert html.count("<style>") == html.count("</style>") == 1


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("report", MARKDOWN.values(), ids=MARKDOWN)
def test_a_hostile_text_begins_nothing_in_markdown(report: Callable[[str], str], text: str) -> None:
    harmless, page = report("harmless"), report(text)
    assert page.count("\n") == harmless.count("\n")
    assert not OBEYED.search(page)
    assert not re.search(r"<[A-Za-z/!?]|\](?=[(\[:])", page)
    # as many cells: a bar that ends one has no backslash before it
    ends = re.compile(r"(?<!\\)\|")
    for line, plain in zip(page.splitlines(), harmless.splitlines(), strict=True):
        if plain.startswith("|"):
            assert len(ends.findall(line)) == len(ends.findall(plain))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("report", TERMINAL.values(), ids=TERMINAL)
def test_a_hostile_text_moves_nothing_on_a_terminal(
    report: Callable[[str], str], text: str
) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), visible_output():
        print(report(text))
    assert not OBEYED.search(out.getvalue())
    assert out.getvalue().count("\n") == report("harmless").count("\n") + 1


@pytest.mark.parametrize("text", HOSTILE)
def test_the_line_of_a_mistake_and_of_the_log_obey_nothing(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> int:
        raise DataError(f"{text} occurs twice")

    monkeypatch.setattr(command_line, "_run", fails)
    assert command_line.main(["compare"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert not OBEYED.search(err)
    record = logging.LogRecord("growthlab", logging.INFO, "", 0, "%s", (text,), None)
    assert not OBEYED.search(VisibleFormatter("%(message)s").format(record))


def test_a_long_label_is_cut_on_the_chart_and_whole_in_its_title() -> None:
    long = "<b>" + "x" * LONGEST_LABEL
    html = report_page(long)
    read_page(html)
    assert f"<title>&lt;b&gt;{'x' * LONGEST_LABEL}</title>" in html


def _counts(attributes: list[tuple[str, str]]) -> dict[str, Any]:
    names = [name for name, _ in attributes]
    return {name: names.count(name) for name in set(names)}
