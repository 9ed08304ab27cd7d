"""A task that the code has never heard of: its bundle is written, served, watched and described alike."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from growthlab.bundle.answer_kinds import AnswerKind, TaskAnswer
from growthlab.bundle.batch import score_file
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import SCHEMA_1_ANSWERS, Manifest, Provenance
from growthlab.core.errors import BundleError, ConfigError
from growthlab.export.write_bundle import write_estimator
from growthlab.features.examples import Examples
from growthlab.monitoring.alerts import AlertLimits
from growthlab.monitoring.log_reader import LogPeriod
from growthlab.monitoring.log_summary import summarise_log
from growthlab.monitoring.monitoring_page import monitoring_html
from growthlab.monitoring.monitoring_report import MonitoringReport
from growthlab.scorers.curve_row_scorer import CurveRowScorer
from growthlab.serving.endpoints import endpoints_of
from growthlab.serving.service import Service
from growthlab.serving.service_options import ServiceOptions
from growthlab.tasks.churn import Churn
from growthlab.tasks.top_n import TopN
from growthlab.tasks.value import Value

REORDER = TaskAnswer(
    kind=AnswerKind.PROBABILITY,
    endpoint="reorder",
    field="reorder_probability",
    summary="The probability that a customer orders the same again within the horizon.",
    intended_use="Gives the probability that a customer orders the same again.",
    caveat="It does not say when.",
)


def write_reorder(folder: Path, answer: TaskAnswer = REORDER) -> Path:
    """A bundle of the rule that 0.1 come again at 0 days since the last purchase, 0.9 at 100."""
    table = pd.DataFrame({"days_since_last": [10.0, 90.0]})
    snapshots = np.full(2, np.datetime64("2024-03-01", "us"))
    customers = Examples(table, np.array(["anna", "bert"]), snapshots, horizon_days=28.0)
    rule = CurveRowScorer(
        "days_since_last", np.array([0.0, 100.0]), np.array([0.1, 0.9]), missing=0.3
    )
    about = Provenance(
        task="reorder",
        answer=answer,
        model="rule",
        data="corner_shop",
        data_digest="ab" * 32,
        split="global_time",
        cutoff="2024-03-01T00:00:00",
        horizon_days=28.0,
    )
    return write_estimator(folder, rule, about, customers=customers, base=0.5)


@pytest.fixture
def reorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bundle, and the key of its writing."""
    monkeypatch.delenv("GROWTHLAB_PSEUDONYM_KEY", raising=False)
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", str(tmp_path / "key" / "pseudonym.key"))
    return write_reorder(tmp_path / "bundles" / "reorder")


@pytest.fixture
def client(reorder: Path, served: Callable[..., Any], tmp_path: Path) -> httpx.Client:
    """A client of a service of that bundle, which logs."""
    client: httpx.Client = served(reorder, log=str(tmp_path / "requests.jsonl")).client
    return client


def test_its_manifest_says_what_it_answers(reorder: Path) -> None:
    content = json.loads((reorder / "manifest.json").read_text())
    assert content["answer"]["kind"] == "probability"
    assert Bundle.load(reorder).manifest.answer == REORDER


def test_it_is_served_at_its_own_path_under_its_own_name(client: httpx.Client) -> None:
    answer = client.post("/reorder", json={"user_id": "anna"}).json()
    assert answer["reorder_probability"] == pytest.approx(0.18)
    assert (answer["served"], answer["horizon_days"]) == ("known", 28.0)
    assert answer["model"]["task"] == "reorder"
    many = client.post("/batch", json={"reorder": [{"features": {"days_since_last": 100}}, {}]})
    assert [a["reorder_probability"] for a in many.json()["reorder"]] == pytest.approx([0.9, 0.5])
    refused = client.post("/churn", json={})
    assert refused.status_code == 404
    assert refused.json()["detail"] == "no churn bundle is loaded; this service answers /reorder"
    assert list(client.get("/health").json()["bundles"]) == ["reorder"]


def test_the_document_of_the_service_describes_it(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["paths"]["/reorder"]["post"]["description"] == REORDER.summary
    schema = document["components"]["schemas"]["ReorderAnswer"]["properties"]
    assert schema["reorder_probability"]["type"] == "number"
    assert "reorder" in document["components"]["schemas"]["BatchBody"]["properties"]


def test_its_log_is_watched(client: httpx.Client, reorder: Path, tmp_path: Path) -> None:
    for days in range(0, 200, 2):
        client.post("/reorder", json={"features": {"days_since_last": days}})
    client.post("/reorder", json={"user_id": "bert"})
    log = tmp_path / "requests.jsonl"
    while len(log.read_text().splitlines()) < 101:
        time.sleep(0.01)
    summary = summarise_log(Bundle.load(reorder), log, LogPeriod())
    assert summary.own.n == 101
    assert {drift.name for drift in summary.drifts} == {"score", "feature.days_since_last"}
    assert [made.value for made in summary.predictions.values()] == pytest.approx([0.82])
    report = MonitoringReport.of(summary, AlertLimits())
    assert report.title.startswith("corner_shop: reorder by rule ")
    assert "reorder by rule" in monitoring_html(report)


def test_files_and_tables_are_answered_under_its_name(reorder: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("user_id\nanna\nnobody\n")
    assert score_file(reorder, source, target) == 2
    assert target.read_text().splitlines() == [
        "row,user_id,reorder_probability,served",
        "0,anna,0.18,known",
        "1,nobody,0.5,population_fallback",
    ]


def test_its_card_says_what_it_is_for_and_how_it_is_called(reorder: Path) -> None:
    card = (reorder / "model_card.md").read_text()
    assert "# rule: reorder on corner_shop" in card
    assert f"{REORDER.intended_use} {REORDER.caveat}" in card
    assert "http://127.0.0.1:8000/reorder" in card
    assert "gets the population's mean" in card


def test_a_path_of_the_service_or_of_another_bundle_is_refused(reorder: Path) -> None:
    other = write_reorder(reorder.parent / "other", replace(REORDER, endpoint="health"))
    with pytest.raises(BundleError, match="reorder cannot be served at /health"):
        Service(ServiceOptions(bundle=str(other)))
    with pytest.raises(BundleError, match="latency_ms cannot name the number of an answer"):
        endpoints_of("reorder", replace(REORDER, field="latency_ms"))
    manifest = Manifest.read(reorder)
    shutil.copytree(reorder, reorder.parent / "again")
    replace(manifest, task="come_back").write(reorder.parent / "again")
    shutil.rmtree(other)
    with pytest.raises(BundleError, match="would both be served at /reorder: name one of them"):
        Service(ServiceOptions(bundle=str(reorder.parent)))


def test_it_is_served_once_it_arrives_while_the_service_runs(
    reorder: Path, bundles_folder: Path, served: Callable[..., Any], tmp_path: Path
) -> None:
    shutil.copytree(bundles_folder / "churn", tmp_path / "live" / "churn")
    client = served(tmp_path / "live", reload_seconds=0.05).client
    assert client.post("/reorder", json={}).status_code == 404
    shutil.copytree(reorder, tmp_path / ".arriving")
    (tmp_path / ".arriving").rename(tmp_path / "live" / "reorder")
    while (answer := client.post("/reorder", json={})).status_code == 404:
        time.sleep(0.02)
    assert answer.json()["reorder_probability"] == 0.5
    assert client.post("/churn", json={}).status_code == 200
    assert "/reorder" in client.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"kind": "odds"},
            "'odds' is no kind of answer: possible: amount, arm, effect, list, probability",
        ),
        ({"field": ""}, "answer.field must be a name such as risk_score, got ''"),
        ({"item_endpoint": "like"}, "answer.item_endpoint must be empty for a probability"),
    ],
)
def test_an_inconsistent_answer_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(REORDER, **changes)


def test_bundles_that_say_nothing_are_read_as_their_task_is_now() -> None:
    tasks = {"top_n": TopN, "churn": Churn, "value": Value}
    assert {name: task.answer for name, task in tasks.items()} == dict(SCHEMA_1_ANSWERS)
