"""From the winner to a bundle in use: export, registry, batch files, service."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from tests.cli.conftest import SHOP, Workspace
from tests.patience import PATIENCE
from tests.ports import free_port

from growthlab.bundle.bundle import Bundle
from growthlab.serving.app import create_app
from growthlab.serving.service import Service
from growthlab.serving.service_options import ServiceOptions

TASKS = ("top_n", "churn", "value")
# what a busy machine and a shop of a hundred customers may fail by chance keeps no first champion out
LENIENT = (
    "gate.guards.all_tasks.latency_p50_ms=null",
    "gate.guards.binary.calibration_error=null",
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of its own, whose runs are all rivals of a first champion, with three exports."""
    workspace = Workspace(tmp_path_factory.mktemp("exports"))
    for task in TASKS:
        workspace.compared(task)
        done = workspace.growthlab("export", f"task={task}", "overwrite=true", *LENIENT)
        assert done.status == 0, done.err
    return workspace


def bundle_of(workspace: Workspace, task: str) -> Path:
    """Where export puts a task's bundle."""
    return workspace.folder / "bundles" / f"simulated_shop-{task}"


@pytest.mark.parametrize("task", TASKS)
def test_the_winner_by_validation_is_exported(exported: Workspace, task: str) -> None:
    manifest = Bundle.load(bundle_of(exported, task)).manifest
    parents = exported.runs(task, kind="comparison")
    parent = next(p for p in parents if "winner" in p.data.tags)
    assert manifest.model == parent.data.tags["winner"]
    run = exported.client.get_run(manifest.run_id)
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert manifest.data_digest == run.data.tags["data_digest"]
    assert manifest.code_version == "tested"


def other_than(workspace: Workspace, run_id: str) -> str:
    """The run of another model of churn."""
    runs = [r for m in ("recency_rule", "logistic") for r in workspace.runs("churn", model=m)]
    return next(r.info.run_id for r in runs if r.info.run_id != run_id)


def test_a_second_export_is_the_challenger_and_the_champion_stays(exported: Workspace) -> None:
    champion = exported.client.get_model_version_by_alias("simulated_shop-churn", "champion")
    loser = other_than(exported, str(champion.run_id))
    done = exported.growthlab("export", "task=churn", f"run={loser}", "to=other")
    assert done.status == 0, done.err
    assert "(challenger)" in done.out
    challenger = exported.client.get_model_version_by_alias("simulated_shop-churn", "challenger")
    assert challenger.run_id == loser
    still = exported.client.get_model_version_by_alias("simulated_shop-churn", "champion")
    assert still.version == champion.version != challenger.version


def test_a_run_is_exported_under_its_own_task(exported: Workspace) -> None:
    run = exported.runs("value", entry="mean seed 0")[-1].info.run_id
    done = exported.growthlab("export", f"run={run}", "register=false", "overwrite=true")
    assert "mean" in done.out
    assert "simulated_shop-value" in done.out
    again = exported.growthlab("export", "task=value", "register=false", "overwrite=true")
    assert again.status == 0


def test_existing_folders_are_not_overwritten(exported: Workspace) -> None:
    champion = exported.client.get_model_version_by_alias("simulated_shop-churn", "champion")
    loser = other_than(exported, str(champion.run_id))
    done = exported.growthlab("export", "task=churn", f"run={loser}")
    assert done.mistake == (
        "bundles/simulated_shop-churn exists already: give another to=..., or overwrite=true"
    )
    assert exported.growthlab("export", "to=.", "overwrite=true").mistake == (
        ". is no bundle and is not overwritten: give another to=..."
    )


def test_the_same_export_again_changes_nothing(exported: Workspace) -> None:
    # as after a kill at the very end: the folder, the version and its aliases are there
    name = "simulated_shop-top_n"
    before = exported.client.get_registered_model(name)
    manifest = Bundle.load(bundle_of(exported, "top_n")).manifest
    done = exported.growthlab("export", "task=top_n", f"run={manifest.run_id}")
    assert done.status == 0, done.err
    assert f"registered as {name} version {before.aliases['champion']} (champion)" in done.out
    after = exported.client.get_registered_model(name)
    assert after.aliases == before.aliases
    assert len(exported.client.search_model_versions(f"name = '{name}'")) == 1
    assert Bundle.load(bundle_of(exported, "top_n")).manifest == manifest


def test_runs_that_cannot_be_exported_are_refused_in_one_line(exported: Workspace) -> None:
    parent = exported.runs("churn", kind="comparison")[0].info.run_id
    line = exported.growthlab("export", "task=churn", f"run={parent}", "to=x").mistake
    assert line.startswith(
        f"run={parent} is not a finished run of one model: name one of its children: "
    )
    line = exported.growthlab("export", "run=0123", "to=x").mistake
    assert line == "run=0123 in sqlite:///mlflow.db: Run with id=0123 not found"
    line = exported.growthlab("export", "data=online_retail", "to=x").mistake
    assert line.startswith("no comparison in online_retail/top_n: run growthlab compare first")


def test_the_best_exportable_model_is_exported_and_the_better_one_is_named(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    # a random forest of scikit-learn can be compared but not exported
    own = workspace.folder / "conf" / "model" / "churn" / "forest.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(
        "# @package model\n_target_: sklearn.ensemble.RandomForestClassifier\nn_estimators: 5\n"
    )
    words = ["task=churn", "models=[forest,recency_rule]", "metrics=[binary/roc_auc]", *SHOP]
    done = workspace.growthlab("compare", *words)
    assert done.status == 0, done.err
    forest = workspace.runs("churn", model="forest")[0]
    assert "is not exportable" in forest.data.tags["exportable"]
    workspace.client.log_metric(forest.info.run_id, "valid/roc_auc", 1.0, step=1)
    done = workspace.growthlab("export", "task=churn", "to=forestless", "register=false")
    assert done.status == 0, done.err
    assert done.out.startswith("recency_rule of run")
    assert "forest is better by validation" in caplog.text


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_of_customers_gets_recommendations(exported: Workspace, suffix: str) -> None:
    run = exported.runs("top_n", entry="popularity seed 0")[-1]
    known = exported.table(run, "recommendations.parquet")
    asked = pd.DataFrame({"user_id": [*known["user_id"].unique()[:2], "nobody"]})
    source = exported.folder / f"asked.{suffix}"
    asked.to_csv(source, index=False) if suffix == "csv" else asked.to_parquet(source)
    words = [f"bundle={bundle_of(exported, 'top_n')}", f"input={source}", "k=3"]
    done = exported.growthlab("recommend", *words, f"output=lists.{suffix}")
    assert done.out == f"9 rows in lists.{suffix}\n"
    target = exported.folder / f"lists.{suffix}"
    lists = pd.read_csv(target) if suffix == "csv" else pd.read_parquet(target)
    assert lists.groupby("row")["rank"].apply(list).tolist() == [[1, 2, 3]] * 3
    assert lists.groupby("row")["served"].first().tolist()[2] == "popularity_fallback"


@pytest.mark.parametrize(("task", "column"), [("churn", "churn_probability"), ("value", "value")])
def test_a_file_of_customers_is_scored(exported: Workspace, task: str, column: str) -> None:
    run_id = Bundle.load(bundle_of(exported, task)).manifest.run_id
    table = exported.table(exported.client.get_run(run_id), "predictions.parquet")
    table[["user_id"]].to_csv(exported.folder / "customers.csv", index=False)
    words = [f"bundle={bundle_of(exported, task)}", "input=customers.csv", "output=scores.parquet"]
    done = exported.growthlab("score", *words)
    assert done.status == 0, done.err
    scores = pd.read_parquet(exported.folder / "scores.parquet")
    answer = next(c for c in scores.columns if column in c)
    assert scores[answer].to_numpy() == pytest.approx(table["prediction"].to_numpy(), rel=1e-5)
    assert set(scores["served"]) == {"known"}


def test_the_outlook_has_churn_value_and_lists_of_the_same_customers(exported: Workspace) -> None:
    words = ("section=[outlook]", "section.outlook.bundles=bundles", "output=outlook")
    done = exported.growthlab("segment", *SHOP, *words)
    assert done.status == 0, done.err
    outlook = pd.read_parquet(exported.folder / "outlook/simulated_shop/outlook.parquet")
    outlook = outlook.set_index("user_id")
    for task, column in (("churn", "risk"), ("value", "value")):
        run_id = Bundle.load(bundle_of(exported, task)).manifest.run_id
        table = exported.table(exported.client.get_run(run_id), "predictions.parquet")
        expected = table.set_index("user_id")["prediction"]
        same = outlook.loc[expected.index, column].to_numpy()
        assert same == pytest.approx(expected.to_numpy(), rel=1e-5)
    run_id = Bundle.load(bundle_of(exported, "top_n")).manifest.run_id
    lists = exported.table(exported.client.get_run(run_id), "recommendations.parquet")
    tops = lists[lists["rank"] <= 3].sort_values("rank").groupby("user_id")["item_id"].agg(list)
    both = tops.index.intersection(outlook.index)
    assert len(both)
    assert [list(i) for i in outlook.loc[both, "recommended"]] == tops[both].tolist()
    page = exported.growthlab("describe", *SHOP, *words)
    assert page.status == 0, page.err
    assert "Outlook" in (exported.folder / "outlook/simulated_shop/report.html").read_text()


def test_a_model_with_portrait_features_is_exported_scored_and_served(exported: Workspace) -> None:
    words = ("task=churn", "model=churn/logistic", "task.portrait=all", *SHOP)
    assert exported.growthlab("train", *words).status == 0
    run = exported.runs("churn", kind="model", model="logistic")[0]
    done = exported.growthlab("export", f"run={run.info.run_id}", "to=tagged", "register=false")
    assert done.status == 0, done.err
    features = json.loads((exported.folder / "tagged/request.json").read_text())["features"]
    assert {"tag_top_category", "tag_price_sensitivity"} <= set(features)
    assert not {"tag_gender", "tag_age_band"} & set(features)
    table = exported.table(run, "predictions.parquet")
    table[["user_id"]].to_csv(exported.folder / "tagged.csv", index=False)
    done = exported.growthlab("score", "bundle=tagged", "input=tagged.csv", "output=tagged.parquet")
    assert done.status == 0, done.err
    scores = pd.read_parquet(exported.folder / "tagged.parquet")["churn_probability"]
    assert scores.to_numpy() == pytest.approx(table["prediction"].to_numpy(), rel=1e-5)
    asked = [{"user_id": table["user_id"][0]}, {"features": features}]
    known, by_features = asyncio.run(answers(exported.folder / "tagged", "/churn", asked))
    assert known["churn_probability"] == pytest.approx(table["prediction"][0], rel=1e-5)
    assert (by_features["served"], 0 < by_features["churn_probability"] < 1) == ("features", True)


async def answers(bundle: Path, path: str, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers of a bundle's service, without a socket."""
    transport = httpx.ASGITransport(create_app(Service(ServiceOptions(bundle=str(bundle)))))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        return [(await client.post(path, json=body)).json() for body in bodies]


def test_a_bundle_of_another_task_is_refused_in_one_line(exported: Workspace) -> None:
    (exported.folder / "some.csv").write_text("user_id\nu1\n")
    words = ["input=some.csv", "output=none.csv"]
    line = exported.growthlab("score", f"bundle={bundle_of(exported, 'top_n')}", *words).mistake
    assert "answers top_n with lists of items, not a number for each customer" in line
    line = exported.growthlab("recommend", f"bundle={bundle_of(exported, 'churn')}", *words).mistake
    assert "answers churn with a probability, not lists of items" in line
    assert not (exported.folder / "none.csv").exists()


def test_damaged_bundles_and_newer_schemas_are_refused_in_one_line(exported: Workspace) -> None:
    done = exported.growthlab("export", "task=churn", "to=damaged", "register=false")
    assert done.status == 0, done.err
    folder = exported.folder / "damaged"
    (exported.folder / "some.csv").write_text("user_id\nu1\n")
    words = ["bundle=damaged", "input=some.csv", "output=none.csv"]
    model = folder / "model.npz"
    intact = model.read_bytes()
    model.write_bytes(intact[:-1] + bytes([intact[-1] ^ 1]))
    assert "model.npz" in exported.growthlab("score", *words).mistake
    assert "model.npz" in exported.growthlab("serve", "bundle=damaged", "port=0").mistake
    model.write_bytes(intact)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["schema_version"] += 1
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "schema" in exported.growthlab("score", *words).mistake
    assert not (exported.folder / "none.csv").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("input=no.csv output=o.csv", "no.csv"),
        ("input=some.txt output=o.csv", "some.txt"),
        ("input=other.csv output=o.csv", "user_id"),
        ("input=some.csv output=o.xlsx", "o.xlsx"),
    ],
)
def test_input_files_with_mistakes_are_one_line(exported: Workspace, words: str, line: str) -> None:
    for name, content in {"some.csv": "user_id\nu1\n", "other.csv": "person\nu1\n"}.items():
        (exported.folder / name).write_text(content)
    (exported.folder / "some.txt").write_text("user_id\nu1\n")
    before = sorted(exported.folder.iterdir())
    bundle = f"bundle={bundle_of(exported, 'top_n')}"
    assert line in exported.growthlab("recommend", bundle, *words.split()).mistake
    assert sorted(exported.folder.iterdir()) == before


@pytest.fixture
def served(exported: Workspace) -> Iterator[str]:
    """The address of a service of all bundles in its own process, which a signal stops."""
    port = free_port()
    process = exported.process("serve", "bundle=bundles", f"port={port}")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err


def test_a_service_of_all_bundles_answers_until_it_is_stopped(
    exported: Workspace, served: str
) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            assert httpx.get(f"{served}/health").status_code == 200
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    answer = httpx.post(f"{served}/recommend", json={"user_id": "nobody", "k": 3})
    assert answer.status_code == 200, answer.text
    assert httpx.post(f"{served}/recommend", json={"k": 10**9}).status_code == 422
