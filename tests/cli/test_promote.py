"""Promote, refuse, dry run and roll back, from the evidence to the champion's alias."""

from __future__ import annotations

import contextlib
import json
import pkgutil
import re
from dataclasses import replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.conftest import MODELS, SHOP, Done, Snapshot, Workspace
from tests.effects.test_served_experiment import answer, feedback

import growthlab
from growthlab.bundle.manifest import Manifest
from growthlab.pages.csv_table import table_of_csv
from growthlab.promotion.decision import Evidence
from growthlab.promotion.evidence import evidence_of
from growthlab.registry.model_registry import ChampionChange, history_of, move_champion
from growthlab.tracking.code_version import code_version

TOP_N, CHURN = "simulated_shop-top_n", "simulated_shop-churn"
FAST = ("metrics=[binary/roc_auc]", *SHOP)
# in place of measured times: both models cost the same
COSTS = {"latency_p50_ms": 2.0, "latency_p95_ms": 4.0, "fit_cpu_seconds": 1.0}
# few customers: differences by chance must be accepted, and guards on measured times are off
LENIENT = (
    "gate.alpha=0.99",
    "gate.min_rel_gain=0",
    "gate.segment_customers=10000",
    "gate.guards.all_tasks.latency_p50_ms=null",
    "gate.guards.ranking.coverage_at_10=null",
    "gate.guards.ranking.calibration_at_10=null",
    "gate.guards.ranking.gini_at_10=null",
    "gate.guards.ranking.full_lists=null",
    "gate.guards.binary.calibration_error=null",
)


@pytest.fixture(autouse=True)
def fixed_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model costs `COSTS`, so that no ruling depends on the speed or load of the machine."""

    def with_fixed_costs(*args: Any) -> Evidence:
        evidence = evidence_of(*args)
        measures = dict(evidence.measures)
        for name, cost in COSTS.items():
            champion = None if measures[name].champion is None else cost
            spreads: dict[str, Any] = {"spread": None, "champion_spread": None}
            measures[name] = replace(
                measures[name], challenger=cost, champion=champion, measured=True, **spreads
            )
        return replace(evidence, measures=measures)

    monkeypatch.setattr("growthlab.promotion.ruling.evidence_of", with_fixed_costs)


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A folder with the comparisons of two tasks and no champion."""
    shop = Workspace(tmp_path_factory.mktemp("promotions"))
    for task, models in (("top_n", "[item_knn]"), ("churn", MODELS["churn"])):
        done = shop.growthlab("compare", f"task={task}", f"models={models}", *SHOP)
        assert done.status == 0, done.err
    return Snapshot.take(shop, tmp_path_factory.mktemp("compared"))


@pytest.fixture(scope="session")
def with_champion(compared: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """The same folder with logistic as champion of churn, from its first export."""
    shop = compared.restore()
    run = run_of(shop, "churn", "logistic")
    done = shop.growthlab("export", f"run={run}", "gate.guards.all_tasks.latency_p50_ms=null",
                          "gate.guards.binary.calibration_error=null", "gate.first_against=[]",
                          "task=churn")  # fmt: skip
    assert done.status == 0, done.err
    assert "(champion: there was none): models:/simulated_shop-churn@champion" in done.out
    return Snapshot.take(shop, tmp_path_factory.mktemp("with_champion"))


@pytest.fixture
def shop(compared: Snapshot) -> Workspace:
    """The folder as it was after the comparisons, whatever other tests did in it."""
    return compared.restore()


@pytest.fixture
def with_first_champion(with_champion: Snapshot) -> Workspace:
    """The folder as it was after the first export, whatever other tests did in it."""
    return with_champion.restore()


def run_of(shop: Workspace, task: str, model: str) -> str:
    """The id of the model's newest run."""
    return str(shop.runs(task, kind="model", model=model)[0].info.run_id)


def set_valid(shop: Workspace, run_id: str, metric: str, value: float) -> None:
    """Overwrite the run's value on the validation window."""
    shop.client.log_metric(
        run_id, f"valid/{metric}", value, step=1
    )  # later than 0, whatever the clock


def champion(shop: Workspace, name: str) -> str | None:
    """The champion's version."""
    version = shop.client.get_registered_model(name).aliases.get("champion")
    return None if version is None else str(version)


def reports_of(shop: Workspace, run_id: str) -> list[Path]:
    """The reports on attempts to promote the run for churn, oldest first."""
    return sorted((shop.folder / "promotions").glob(f"{CHURN}-{run_id[:8]}-*Z.md"))


def promote(shop: Workspace, task: str, run_id: str, *words: str) -> Done:
    return shop.growthlab("promote", f"task={task}", f"challenger={run_id}", *LENIENT, *words)


def steps_for_services(version: str) -> str:
    """What is printed about services when `version` stops being the champion of churn."""
    return (
        f"a service that watches a fetched folder answers with version {version} until then\n"
        f"next: growthlab fetch model_uri=models:/{CHURN}@champion to=FOLDER\n"
        "then, if that folder had been refreshed: "
        "growthlab refresh bundle=FOLDER data=simulated_shop\n"
    )


def test_the_first_export_becomes_champion_only_if_the_gate_allows_it(shop: Workspace) -> None:
    run = run_of(shop, "top_n", "item_knn")
    words = ("task=top_n", f"run={run}", "to=heavy", "gate.guards.all_tasks.bundle_mb.limit=0.0001")
    done = shop.growthlab("export", *words, "gate.guards.all_tasks.latency_p50_ms=null")
    assert done.status == 0, done.err
    assert "(challenger, and no champion: bundle_mb: " in done.out
    assert champion(shop, TOP_N) is None
    refused = shop.client.get_model_version(TOP_N, "1")
    assert refused.tags["gate.decision"] == "refused"
    done = promote(shop, "top_n", run)
    assert done.status == 0, done.err
    assert "the first champion: there was none to beat" in done.out
    assert "rollback" not in done.out  # there is no earlier champion
    assert f"next: growthlab fetch model_uri=models:/{TOP_N}@champion to=FOLDER\n" in done.out
    assert "a service that watches" not in done.out  # none has fetched a champion yet
    assert champion(shop, TOP_N) == "1"
    assert [c.how for c in history_of(shop.client, TOP_N)] == ["first"]


def test_a_first_champion_is_judged_against_what_stands_beside_it(shop: Workspace) -> None:
    worse, better = run_of(shop, "churn", "logistic"), run_of(shop, "churn", "recency_rule")
    set_valid(shop, worse, "roc_auc", 0.5)
    words = ("gate.guards.binary.calibration_error=null", "task=churn")
    done = shop.growthlab("export", f"run={worse}", "to=worse", *words)
    assert done.status == 0, done.err
    rival = f"recency_rule of run {better[:8]}, the best baseline and winner by validation"
    assert "(challenger, and no champion: not first (roc_auc on the validation window" in done.out
    assert f"{rival}, set by gate.margin and gate.first_against" in done.out
    assert champion(shop, CHURN) is None
    tags = shop.client.get_model_version(CHURN, "1").tags
    assert tags["gate.beside.recency_rule"].startswith(f"{rival}: ")
    assert tags["gate.first.best_baseline_and_winner.validation"].startswith("failed: 0.5000, ")
    done = shop.growthlab("export", f"run={better}", "to=better", *words)
    assert "(champion: there was none)" in done.out
    assert champion(shop, CHURN) == "2"


def test_a_better_challenger_is_promoted_with_its_evidence_and_rolled_back(
    with_first_champion: Workspace,
) -> None:
    run, client = run_of(with_first_champion, "churn", "recency_rule"), with_first_champion.client
    shown = promote(with_first_champion, "churn", run, "dry_run=true")
    first, _, heading, *_, last = shown.out.splitlines()
    assert first == "would be promoted (dry run): recency_rule: better than the champion"
    assert heading == "# simulated_shop-churn: recency_rule would be promoted (dry run)"
    assert last == "dry_run=true: nothing was changed"
    assert champion(with_first_champion, CHURN) == "1"
    assert "gate.decision" not in client.get_run(run).data.tags
    assert reports_of(with_first_champion, run) == []

    done = promote(with_first_champion, "churn", run[:8], "by=nightly")
    assert done.status == 0, done.out + done.err
    assert "promoted: recency_rule is champion of simulated_shop-churn: better than" in done.out
    assert "back to logistic: growthlab rollback task=churn data=simulated_shop" in done.out
    assert steps_for_services("1") in done.out
    version = client.get_model_version_by_alias(CHURN, "champion")
    assert (str(version.version), version.run_id) == ("2", run)
    tags = version.tags
    assert (tags["gate.decision"], tags["gate.by"]) == ("promoted", "nightly")
    assert (tags["gate.against_version"], tags["gate.code_version"]) == ("1", code_version())
    assert tags["gate.n_evaluations"] == "1"
    assert tags["gate.superior.p_holm"].startswith("passed: ")
    assert tags["gate.bundle_mb"].endswith(", set by gate.guards.all_tasks.bundle_mb.limit")
    assert re.fullmatch(r"0\.\d{4} \[0\.\d{4}, [01]\.\d{4}\]", tags["gate.test"])
    assert tags["gate.rank"].startswith("1 of 2, ")
    assert "challenger" not in client.get_registered_model(CHURN).aliases
    (report,) = reports_of(with_first_champion, run)
    assert report.read_text().startswith("# simulated_shop-churn: recency_rule promoted")
    assert f"report: promotions/{report.name}" in done.out
    table, logged = client.list_artifacts(run, "promotion")
    assert (table.path, logged.path[-3:]) == (tags["gate.table"], ".md")
    checks = table_of_csv(with_first_champion.artifact(client.get_run(run), table.path))
    assert {"leakage report", "export parity", "p (Holm)", "bundle_mb"} <= set(checks["check"])
    assert set(checks["result"]) <= {"passed", "failed"}
    assert version.description.endswith(f"; report: {logged.path} among the artifacts of run {run}")

    would = with_first_champion.growthlab("rollback", "task=churn", "dry_run=true")
    assert "version 1 would replace version 2" in would.out
    assert champion(with_first_champion, CHURN) == "2"
    words = ("task=churn", "why=complaints", "by=anna", "tracking.ui=https://ml.example.com")
    back = with_first_champion.growthlab("rollback", *words)
    link = f"https://ml.example.com/#/models/{CHURN}?workflowType=machine_learning"
    assert back.out.splitlines()[-1] == f"look: {link}"
    assert back.status == 0, back.err
    assert "version 1 is champion again, in place of version 2" in back.out
    assert "rollback   version 1 by anna: complaints" in back.out
    assert steps_for_services("2") in back.out
    assert client.get_model_version(CHURN, "2").description.endswith(" by anna: complaints")
    assert champion(with_first_champion, CHURN) == "1"
    assert [c.how for c in history_of(client, CHURN)] == ["first", "promotion", "rollback"]
    line = with_first_champion.growthlab("rollback", "task=churn", "data=simulated_shop").mistake
    assert line == (
        "simulated_shop-churn has had no champion before version 1: nothing to go back to"
    )


def test_a_refused_attempt_leaves_the_evidence_of_an_earlier_promotion(
    with_first_champion: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, client = run_of(with_first_champion, "churn", "recency_rule"), with_first_champion.client
    version = client.get_model_version(CHURN, "1")
    assert promote(with_first_champion, "churn", run).status == 0
    refused = promote(with_first_champion, "churn", version.run_id)
    assert (refused.status, champion(with_first_champion, CHURN)) == (1, "2")
    assert client.get_run(version.run_id).data.tags["gate.decision"] == "refused"
    assert with_first_champion.growthlab("rollback", "task=churn").status == 0
    kept = client.get_model_version_by_alias(CHURN, "champion")
    assert (str(kept.version), kept.tags) == ("1", version.tags)
    assert kept.tags["gate.decision"] == "promoted"
    (before,) = reports_of(with_first_champion, version.run_id)
    first = before.read_text()

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Later:
            return cls(2031, 1, 1, tzinfo=tz)

    promoted = reports_of(with_first_champion, run)
    monkeypatch.setattr("growthlab.promotion.ruling.datetime", Later)
    assert promote(with_first_champion, "churn", run, "gate.min_rel_gain=9").status == 1
    (added,) = set(reports_of(with_first_champion, run)) - set(promoted)
    assert added.name == f"{CHURN}-{run[:8]}-20310101T000000Z.md"
    assert before.read_text() == first


def registry_of(shop: Workspace, run: str) -> dict[str, object]:
    """Everything that a promotion of the run could change, except the champion and its history."""
    client = shop.client
    model, logged_run = client.get_registered_model(CHURN), client.get_run(run)
    logged = client.search_logged_models([logged_run.info.experiment_id])
    return {
        "challenger": model.aliases.get("challenger"),
        "versions": {v.version: v.tags for v in client.search_model_versions(f"name='{CHURN}'")},
        "logged": {m.model_id for m in logged},
        "tags": logged_run.data.tags,
    }


@pytest.mark.parametrize(
    "when", ["growthlab.workbench.challenge.rule_on", "growthlab.promotion.ruling.register_bundle"]
)
def test_the_promotion_that_lost_the_race_is_refused_and_has_changed_nothing(
    with_first_champion: Workspace, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    run, client = run_of(with_first_champion, "churn", "recency_rule"), with_first_champion.client
    first = str(client.get_model_version(CHURN, "1").run_id)
    second = str(client.create_model_version(CHURN, source="file:///nowhere", run_id=first).version)
    waiting = client.create_model_version(CHURN, source="file:///nowhere", run_id=first).version
    client.set_registered_model_alias(CHURN, "challenger", waiting)
    before, step = registry_of(with_first_champion, run), pkgutil.resolve_name(when)

    def then(*given: Any, **named: Any) -> Any:
        done = step(*given, **named)
        change = ChampionChange(second, "1", "promotion", "bert", "2024-04-01", "deadbeef")
        move_champion(client, CHURN, change)
        return done

    monkeypatch.setattr(when, then)
    line = promote(with_first_champion, "churn", run).mistake
    assert f"is now version {second} (promotion by bert" in line
    assert "nothing was changed; run the command again" in line
    assert registry_of(with_first_champion, run) == before
    assert champion(with_first_champion, CHURN) == second


def test_a_promotion_leaves_the_challenger_of_another_run_alone(
    with_first_champion: Workspace,
) -> None:
    run, client = run_of(with_first_champion, "churn", "recency_rule"), with_first_champion.client
    first = str(client.get_model_version(CHURN, "1").run_id)
    waiting = client.create_model_version(CHURN, source="file:///nowhere", run_id=first).version
    client.set_registered_model_alias(CHURN, "challenger", waiting)
    done = promote(with_first_champion, "churn", run)
    assert done.status == 0, done.out + done.err
    aliases = client.get_registered_model(CHURN).aliases
    assert str(aliases["challenger"]) == str(waiting)
    assert int(aliases["champion"]) == int(waiting) + 1


def test_nothing_changes_where_the_report_cannot_be_written(with_first_champion: Workspace) -> None:
    run = run_of(with_first_champion, "churn", "recency_rule")
    before = (
        champion(with_first_champion, CHURN),
        len(history_of(with_first_champion.client, CHURN)),
    )
    line = promote(with_first_champion, "churn", run, "reports=mlflow.db/reports").mistake
    assert line == "reports=mlflow.db/reports cannot be written (Not a directory)"
    assert (
        champion(with_first_champion, CHURN),
        len(history_of(with_first_champion.client, CHURN)),
    ) == before


def test_better_after_the_cutoff_and_worse_on_validation_is_refused(
    with_first_champion: Workspace,
) -> None:
    run = run_of(with_first_champion, "churn", "recency_rule")
    set_valid(with_first_champion, run, "roc_auc", 0.5)
    done = promote(with_first_champion, "churn", run, "gate.margin=0")
    assert done.status == 1
    assert "roc_auc on the validation window 0.5000, required: above the champion's" in done.out
    assert champion(with_first_champion, CHURN) == "1"
    tags = with_first_champion.client.get_run(run).data.tags
    assert tags["gate.decision"] == "refused"


def test_an_equal_challenger_is_refused(with_first_champion: Workspace) -> None:
    first = run_of(with_first_champion, "churn", "logistic")
    done = with_first_champion.growthlab("train", "task=churn", "model=churn/logistic", *FAST)
    assert done.status == 0, done.err
    again = run_of(with_first_champion, "churn", "logistic")
    assert again != first
    done = promote(with_first_champion, "churn", again, "dry_run=true")
    assert done.status == 1
    assert "relative gain +0.0 %, required: above +0.0 %" in done.out
    done = with_first_champion.growthlab(
        "promote", "task=churn", f"challenger={again}", "dry_run=true"
    )
    assert "calibration_error: not measured, required: a run trained with all metrics" in done.out
    with contextlib.chdir(with_first_champion.folder):
        ruling = growthlab.promote(again, task="churn", dry_run=True, overrides=LENIENT)
    assert not ruling.decision.promote
    assert ruling.evidence.paired is not None
    assert ruling.evidence.paired.gain == 0.0
    assert ruling.case.champion_version == "1"


def requests(path: Path, versions: dict[str, str], clicks: dict[str, float]) -> None:
    """A log of 400 customers, half of them the challenger's, who click with these chances."""
    drawn = np.random.default_rng(3).random(400)
    lines = []
    for place in range(400):
        variant = "challenger" if place % 2 else "champion"
        own = {"task": "churn", "kind": "churn", "version": versions[variant]}
        lines.append(answer(place, f"c{place}", variant, **own))
        if drawn[place] < clicks[variant]:
            lines.append(feedback(place, "click"))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_an_experiment_on_the_request_log_decides_where_evaluations_would_refuse(
    with_first_champion: Workspace,
) -> None:
    shop, run = with_first_champion, run_of(with_first_champion, "churn", "recency_rule")
    set_valid(shop, run, "roc_auc", 0.1)
    runs = {"challenger": run, "champion": run_of(shop, "churn", "logistic")}
    versions = {
        side: Manifest.read(shop.artifact(shop.client.get_run(each), "bundle")).version
        for side, each in runs.items()
    }
    words = ("ab", "log=requests.jsonl", "outcomes=[any click]")
    path = shop.folder / "requests.jsonl"
    requests(path, versions, {"champion": 0.2, "challenger": 0.6})
    won = shop.logged_by(shop.growthlab(*words, "name=won")).info.run_id
    requests(path, versions, {"champion": 0.2, "challenger": 0.2})
    even = shop.logged_by(shop.growthlab(*words, "name=even")).info.run_id
    requests(path, {**versions, "challenger": "other"}, {"champion": 0.2, "challenger": 0.6})
    other = shop.logged_by(shop.growthlab(*words, "name=other")).info.run_id

    assert promote(shop, "churn", run).status == 1
    refused = promote(shop, "churn", run, "evidence=ab", f"ab_run={even}")
    assert refused.status == 1, refused.err
    assert "refused: not experiment (any click in the experiment" in refused.out
    refused = promote(shop, "churn", run, "evidence=ab", f"ab_run={other}")
    assert f"other, required: {versions['challenger']} alone, which is judged" in refused.out
    assert champion(shop, CHURN) == "1"
    done = promote(shop, "churn", run, "evidence=ab", f"ab_run={won[:8]}")
    assert done.status == 0, done.out + done.err
    tags = shop.client.get_model_version_by_alias(CHURN, "champion").tags
    assert (tags["gate.evidence"], tags["gate.way"]) == ("ab", "experiment")
    assert tags["gate.experiment.run"] == won
    assert tags["gate.experiment.gain"].startswith("passed: ")

    for given, line in (
        (["evidence=ab"], "evidence=ab needs ab_run=RUN"),
        ([f"ab_run={won}"], f"ab_run={won} is read with evidence=ab alone"),
        (["evidence=luck", "ab_run=x"], "evidence=luck: possible: ab, offline"),
        (["evidence=ab", f"ab_run={run}"], "is not a finished run of growthlab ab"),
    ):
        assert line in promote(shop, "churn", runs["champion"], *given).mistake


def test_the_champions_objective_decides_and_another_one_counts_every_metric(
    with_first_champion: Workspace,
) -> None:
    run, client = run_of(with_first_champion, "churn", "recency_rule"), with_first_champion.client
    other = "task.objective=average_precision"
    assert promote(with_first_champion, "churn", run, other).mistake == (
        "task.objective=average_precision: the champion was promoted by roc_auc, so "
        "task.objective=roc_auc decides; gate.new_objective=true changes it, and then every "
        "measured metric counts as a test"
    )
    plain = promote(with_first_champion, "churn", run, "dry_run=true").out
    assert "- Objective: roc auc, the champion's" in plain
    data = client.get_run(run).data
    n = sum(name.startswith("valid/") for name in data.metrics)
    n += sum(name.startswith("valid/") for name in data.tags.get("undefined", "").split(","))
    assert n > 5
    changed = promote(
        with_first_champion, "churn", run, other, "gate.new_objective=true", "dry_run=true"
    ).out
    assert f"was promoted by roc auc; each of {n} metrics counts as a test" in changed
    rows = [r.split(" | ") for r in (plain + changed).splitlines() if "evaluations on this" in r]
    (_, once), (words, times) = ((r[0], int(r[1].strip(" |").replace(",", ""))) for r in rows)
    assert words.endswith(f"times {n} metrics")
    assert times == n * once

    client.set_model_version_tag(CHURN, "1", "gate.objective", "average_precision")
    line = promote(with_first_champion, "churn", run).mistake
    shown = promote(with_first_champion, "churn", run, other, "dry_run=true").out
    assert line.startswith("task.objective=roc_auc: the champion was promoted by average_precision")
    assert "- Objective: average precision, the champion's" in shown


def test_an_objective_with_the_wrong_direction_is_refused(with_first_champion: Workspace) -> None:
    run = run_of(with_first_champion, "churn", "recency_rule")
    line = promote(with_first_champion, "churn", run, "task.maximise=false").mistake
    assert line == "task.objective=roc_auc needs task.maximise=true"


def test_a_bundle_whose_answers_differ_from_the_evaluated_ones_is_refused(
    with_first_champion: Workspace,
) -> None:
    run = with_first_champion.runs("churn", kind="model", model="recency_rule")[0]
    path = with_first_champion.artifact(run, "predictions.parquet")
    table = with_first_champion.table(run, "predictions.parquet")
    table.assign(prediction=table["prediction"] * 0.999).to_parquet(path, index=False)
    done = promote(with_first_champion, "churn", run.info.run_id, "dry_run=true")
    assert done.status == 1
    assert "predictions differ" in done.out


def test_runs_that_cannot_be_challengers_are_refused_in_one_line(
    with_first_champion: Workspace,
) -> None:
    assert promote(with_first_champion, "churn", "0123").mistake == (
        "challenger=0123 in sqlite:///mlflow.db: Run with id=0123 not found"
    )
    line = promote(with_first_champion, "churn", "abcdef012").mistake  # no run's id begins so
    assert line == "challenger=abcdef012 in sqlite:///mlflow.db: Run with id=abcdef012 not found"
    other = run_of(with_first_champion, "top_n", "item_knn")
    assert promote(with_first_champion, "churn", other).mistake == (
        f"challenger={other} is a run of task=top_n, not of task=churn"
    )
    parent = with_first_champion.runs("churn", kind="comparison")[0].info.run_id
    children = sorted(
        f"{name} {run.info.run_id}"
        for name in ("logistic", "recency_rule")
        for run in with_first_champion.runs("churn", kind="model", model=name)
        if run.data.tags.get("mlflow.parentRunId") == parent
    )
    assert promote(with_first_champion, "churn", parent).mistake == (
        f"challenger={parent} is not a finished run of one model: name one of its children: "
        + ", ".join(children)
    )
    first = str(with_first_champion.client.get_model_version(CHURN, "1").run_id)
    done = promote(with_first_champion, "churn", first)
    assert (done.status, done.err) == (0, "")
    assert done.out == f"challenger={first} is the champion already (version 1): nothing to do\n"
    assert (
        "challenger is required" in with_first_champion.growthlab("promote", "task=churn").mistake
    )


def test_a_challenger_on_other_data_split_or_cutoff_is_refused_in_one_line(
    with_first_champion: Workspace,
) -> None:
    run, client = run_of(with_first_champion, "churn", "recency_rule"), with_first_champion.client
    true = client.get_run(run).data.tags
    for tag, value, line in (
        (
            "data_digest",
            "f" * 64,
            "the challenger was evaluated with data_digest ffffffffffff, the",
        ),
        ("split", "given", "the challenger was evaluated with split given, the champion (run "),
        ("cutoff", "2025-01-01", "the challenger was evaluated with cutoff 2025-01-01, the champ"),
    ):
        client.set_tag(run, tag, value)
        try:
            mistake = promote(with_first_champion, "churn", run).mistake
        finally:
            client.set_tag(run, tag, true[tag])
        assert mistake.startswith(line)
        assert mistake.endswith("name that run with champion=RUN")
    assert champion(with_first_champion, CHURN) == "1"


def test_a_run_stands_in_for_the_champion_only_with_the_same_settings(
    with_first_champion: Workspace,
) -> None:
    run = run_of(with_first_champion, "churn", "recency_rule")
    first = str(with_first_champion.client.get_model_version(CHURN, "1").run_id)
    line = promote(with_first_champion, "churn", run, f"champion={run}").mistake
    assert line == f"champion={run} is the challenger itself"
    done = with_first_champion.growthlab(
        "train", "task=churn", "model=churn/recency_rule", "seed=1", *FAST
    )
    assert done.status == 0, done.err
    other = run_of(with_first_champion, "churn", "recency_rule")
    line = promote(with_first_champion, "churn", run, f"champion={other}").mistake
    assert (
        "cannot stand in for version 1: its model is recency_rule, the champion's is logistic"
        in line
    )
    done = with_first_champion.growthlab("train", "task=churn", "model=churn/logistic", *FAST)
    assert done.status == 0, done.err
    same = run_of(with_first_champion, "churn", "logistic")
    assert same != first
    done = promote(with_first_champion, "churn", run, f"champion={same}", "dry_run=true")
    assert f"logistic (version 1, run {same})" in done.out
    client = with_first_champion.client
    cutoff = client.get_run(first).data.tags["cutoff"]
    client.set_tag(first, "cutoff", "2025-01-01")  # as if the champion were of an earlier month
    try:
        line = promote(with_first_champion, "churn", run).mistake
    finally:
        client.set_tag(first, "cutoff", cutoff)
    assert line.endswith(
        f"the champion's model has a run on the challenger's data and split: champion={same}"
    )


def test_unknown_guards_and_settings_are_refused_in_one_line(
    with_first_champion: Workspace,
) -> None:
    run = run_of(with_first_champion, "churn", "recency_rule")
    line = promote(
        with_first_champion, "churn", run, "+gate.guards.binary.roc_au.limit=0.5"
    ).mistake
    assert line.startswith("gate.guards.binary.roc_au: nothing of this name was measured: did you")
    assert "did you mean roc_auc" in line
    line = promote(
        with_first_champion, "churn", run, "gate.guards.all_tasks.bundle_gb.limit=1"
    ).mistake
    assert line.startswith("unknown setting gate.guards.all_tasks.bundle_gb")
    line = promote(
        with_first_champion, "churn", run, "+gate.cheaper.fit_seconds.share=0.2"
    ).mistake  # by the wall clock
    assert line.startswith("gate.cheaper.fit_seconds: nothing of this name was measured: did you")
    assert "fit_cpu_seconds" in line
    assert promote(with_first_champion, "churn", run, "gate.alpha=2").mistake == (
        "gate.alpha must lie between 0 and 1, got 2"
    )


def test_a_model_that_cannot_be_exported_says_so_in_training_and_is_refused(
    with_first_champion: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    own = with_first_champion.folder / "conf" / "model" / "churn" / "thicket.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(
        "# @package model\n_target_: sklearn.ensemble.RandomForestClassifier\nn_estimators: 3\n"
    )
    done = with_first_champion.growthlab("train", "task=churn", "model=churn/thicket", *FAST)
    assert done.status == 0, done.err
    assert "\nnot exportable: " in done.out
    assert "thicket seed 0 is not exportable, so it cannot be promoted: " in caplog.text
    run = run_of(with_first_champion, "churn", "thicket")
    assert "is not exportable" in with_first_champion.client.get_run(run).data.tags["exportable"]
    line = promote(with_first_champion, "churn", run).mistake
    assert line.startswith(f"challenger={run} is not exportable: ")
    words = ("models=[thicket]", "seed=1", *FAST)
    done = with_first_champion.growthlab("compare", "task=churn", *words)
    assert "not exportable: thicket: " in done.out
    parent = with_first_champion.runs("churn", kind="comparison")[0]
    assert (
        "not exportable: thicket: " in with_first_champion.artifact(parent, "report.md").read_text()
    )


def test_the_champions_run_exported_again_with_a_signature_can_be_promoted(
    with_first_champion: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = with_first_champion.client
    run = str(client.get_model_version(CHURN, "1").run_id)
    monkeypatch.setenv("GROWTHLAB_SIGNING_KEY", "k" * 32)
    fetch = ("fetch", f"model_uri=models:/{CHURN}@champion", "to=signed/churn")
    assert (
        "is not signed, and a signing key is set here"
        in with_first_champion.growthlab(*fetch).mistake
    )
    done = with_first_champion.growthlab(
        "export", f"run={run}", "task=churn", "overwrite=true", *LENIENT
    )
    assert done.status == 0, done.err
    (named,) = re.findall("next: growthlab promote task=churn challenger=([0-9a-f]+)", done.out)
    assert named == run
    new = str(client.get_model_version_by_alias(CHURN, "challenger").version)

    other = ("task.objective=average_precision", "gate.new_objective=true")
    assert promote(with_first_champion, "churn", run, *other).mistake == (
        "task.objective=average_precision: the champion was promoted by roc_auc, and its own run, "
        "exported again, keeps it: task.objective=roc_auc"
    )
    heavy = promote(
        with_first_champion, "churn", run, "gate.guards.all_tasks.bundle_mb.limit=0.0001"
    )
    assert (heavy.status, champion(with_first_champion, CHURN)) == (1, "1")
    done = promote(with_first_champion, "churn", run)
    assert done.status == 0, done.out + done.err
    reason = "the same run, exported again"
    assert f"promoted: logistic is champion of {CHURN}: {reason}" in done.out
    version = client.get_model_version(CHURN, new)
    assert champion(with_first_champion, CHURN) == new
    assert (version.tags["gate.way"], version.tags["gate.objective"]) == ("again", "roc_auc")
    assert version.description.startswith(f"logistic: {reason}; roc auc ")
    done = with_first_champion.growthlab(*fetch)
    assert done.status == 0, done.err
    done = promote(with_first_champion, "churn", run)
    assert done.status == 0
    assert f"challenger={run} is the champion already (version {new}): nothing to do" in done.out
    back = with_first_champion.growthlab("rollback", "task=churn")
    assert (back.status, champion(with_first_champion, CHURN)) == (0, "1"), back.err


def test_promote_and_rollback_without_a_store_say_so(fresh: Workspace) -> None:
    line = fresh.growthlab("promote", "task=churn", "challenger=0").mistake
    assert "there is no MLflow store" in line
    line = fresh.growthlab("rollback", "task=churn").mistake
    assert line.startswith("nothing to go back to: there is no MLflow store")
