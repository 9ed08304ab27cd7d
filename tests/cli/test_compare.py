"""A comparison: the leaderboard, and what is logged to MLflow."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.entities import Run
from tests.cli.conftest import MODELS, ORDERS, SHOP, Workspace

from growthlab.workbench import contenders

TASKS = tuple(MODELS)
OBJECTIVE = {"top_n": "ndcg_at_10", "churn": "roc_auc", "value": "normalised_gini"}


def parent_of(workspace: Workspace, task: str) -> Run:
    """The comparison of the task's cheap models."""
    done = workspace.compared(task)
    assert done.status == 0, done.err
    return workspace.logged_by(done)


def children_of(workspace: Workspace, task: str) -> dict[str, Run]:
    """The comparison's models by name."""
    runs = workspace.children(task, parent_of(workspace, task))
    return {run.data.tags["model"]: run for run in runs}


@pytest.mark.parametrize("task", TASKS)
def test_the_console_shows_every_model(workspace: Workspace, task: str) -> None:
    done = workspace.compared(task)
    assert done.status == 0, done.err
    for name in MODELS[task].strip("[]").split(","):
        assert name in done.out
    assert "chosen on the validation window" in done.out
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in done.out
    header = next(line for line in done.out.splitlines() if line.startswith("#"))
    assert [w for w in ("fit s", "score s", "MB", "covers") if w not in header] == []


@pytest.mark.parametrize("task", TASKS)
def test_a_model_logs_one_line(workspace: Workspace, task: str) -> None:
    workspace.compared(task)
    children = children_of(workspace, task)
    assert sorted(children) == sorted(MODELS[task].strip("[]").split(","))
    assert all(run.info.status == "FINISHED" for run in children.values())


@pytest.mark.parametrize("task", TASKS)
def test_every_run_has_the_tags_of_its_lineage(workspace: Workspace, task: str) -> None:
    parent, children = parent_of(workspace, task), children_of(workspace, task)
    for run in (parent, *children.values()):
        tags = run.data.tags
        assert tags["task"] == task
        assert tags["data"] == "simulated_shop"
        assert len(tags["data_digest"]) == 64
        assert tags["split"] == "global_time"
        assert tags["cutoff"] == "2025-05-02 20:06:30"
        assert tags["code_version"] == "tested"
        (used,) = run.inputs.dataset_inputs
        assert used.dataset.name == "simulated_shop"
        assert used.dataset.digest == tags["data_digest"][:36]
        assert json.loads(used.dataset.source)["sha256"] == tags["data_digest"]
        assert json.loads(used.dataset.profile)["users"] == 107
        assert json.loads(workspace.artifact(run, "leakage.json").read_text())["clean"]
        assert workspace.artifact(run, "cleaning.json").exists()


@pytest.mark.parametrize("task", TASKS)
def test_a_child_run_has_the_tags_of_its_model(workspace: Workspace, task: str) -> None:
    family = {"top_n": "recommend"}.get(task, task)
    for name, run in children_of(workspace, task).items():
        tags = run.data.tags
        assert (tags["model_family"], tags["model"], tags["seed"]) == (family, name, "0")
        assert tags["model_class"].rpartition(".")[0].startswith(("growthlab.", "sklearn."))
        assert tags["device"] in ("cpu", "cuda")
        assert tags["exportable"] == "yes"


def test_the_seen_filter_is_logged_with_its_reason(workspace: Workspace) -> None:
    tags = parent_of(workspace, "top_n").data.tags
    assert tags["filter_seen"] == "none"
    assert "consumables" in tags["filter_seen_reason"]


@pytest.mark.parametrize("task", TASKS)
def test_parameters_are_flat_and_the_config_is_complete(workspace: Workspace, task: str) -> None:
    for name, run in children_of(workspace, task).items():
        config = yaml.safe_load(workspace.artifact(run, "config.yaml").read_text())
        assert config["chosen"]["model"].endswith(f"/{name}")
        assert run.data.params["model._target_"] == config["model"]["_target_"]
        assert run.data.params["data.users"] == "150"
        assert run.data.params["task.objective"] == OBJECTIVE[task]


@pytest.mark.parametrize("task", TASKS)
def test_a_run_has_at_most_forty_metrics(workspace: Workspace, task: str) -> None:
    for run in (parent_of(workspace, task), *children_of(workspace, task).values()):
        assert 0 < len(run.data.metrics) <= 40


def test_a_file_has_all_values_where_there_are_more(workspace: Workspace) -> None:
    run = children_of(workspace, "top_n")["item_knn"]
    table = pd.read_csv(workspace.artifact(run, "metrics.csv")).set_index("metric")["value"]
    assert len(table) > 40
    shown = run.data.metrics
    assert table["test/ndcg_at_10"] == pytest.approx(shown["test/ndcg_at_10"])
    assert "test/recall_at_20/low" in set(table.index) - set(shown)


@pytest.mark.parametrize("task", TASKS)
def test_metrics_have_bounds(workspace: Workspace, task: str) -> None:
    name = OBJECTIVE[task]
    for run in children_of(workspace, task).values():
        metrics = run.data.metrics
        assert 0 <= metrics[f"valid/{name}"] <= 1
        without_bounds = run.data.tags["model"] == "mean"  # equal predictions have no order
        assert (f"test/{name}/low" not in metrics) == without_bounds
        for bound in (m.removesuffix("/low") for m in metrics if m.endswith("/low")):
            assert metrics[f"{bound}/low"] - 1e-9 <= metrics[bound], bound
            assert metrics[bound] <= metrics[f"{bound}/high"] + 1e-9, bound
        assert metrics["peak_memory_mb"] >= 0
        assert metrics["score_seconds"] > 0
        assert metrics["fit_seconds"] > 0
        assert 0 < metrics["bundle_mb"] < 5
        assert 0 < metrics["coverage"] <= 1


def test_an_iterative_model_has_curves(workspace: Workspace) -> None:
    run = children_of(workspace, "top_n")["gru4rec"]
    for name in ("epoch/loss", "epoch/valid/ndcg_at_10"):
        history = workspace.client.get_metric_history(run.info.run_id, name)
        assert [m.step for m in sorted(history, key=lambda m: m.step)] == [1, 2]
    best = workspace.artifact(run, "plots/curve_valid_ndcg_at_10.png")
    assert best.read_bytes().startswith(b"\x89PNG")


def test_recommendations_are_the_top_hundred_of_every_test_user(workspace: Workspace) -> None:
    for run in children_of(workspace, "top_n").values():
        table = workspace.table(run, "recommendations.parquet")
        assert list(table.columns) == ["user_id", "item_id", "score", "rank"]
        truth = workspace.table(run, "truth.parquet")
        assert list(truth.columns) == ["user_id", "item_id"]
        assert set(table["user_id"]) == set(truth["user_id"])
        ranks = table.groupby("user_id")["rank"]
        # there are fewer than 100 items: every list holds all of them, ranked from 1
        assert (ranks.max() == ranks.size()).all()
        assert ranks.max().max() <= 100
        assert not table.duplicated(["user_id", "item_id"]).any()


def test_the_logged_metrics_follow_from_the_tables(workspace: Workspace) -> None:
    for run in children_of(workspace, "top_n").values():
        per_user = workspace.table(run, "per_user.parquet")
        assert per_user["ndcg_at_10"].mean() == pytest.approx(run.data.metrics["test/ndcg_at_10"])
        lists = workspace.table(run, "recommendations.parquet")
        truth = workspace.table(run, "truth.parquet").assign(hit=1.0)
        top = lists[lists["rank"] <= 10].merge(truth, on=["user_id", "item_id"], how="left")
        gain = top["hit"].fillna(0.0) / np.log2(top["rank"] + 1)
        sizes = truth.groupby("user_id").size().clip(upper=10)
        ideal = sizes.map(lambda n: (1 / np.log2(np.arange(2, n + 2))).sum())
        ndcg = gain.groupby(top["user_id"]).sum() / ideal
        assert ndcg.mean() == pytest.approx(run.data.metrics["test/ndcg_at_10"])


@pytest.mark.parametrize("task", ["churn", "value"])
def test_predictions_are_logged_with_their_labels(workspace: Workspace, task: str) -> None:
    for run in children_of(workspace, task).values():
        table = workspace.table(run, "predictions.parquet")
        # too few customers leave or stay here for a calibration
        assert list(table.columns) == ["user_id", "label", "prediction"]
        assert table["prediction"].notna().all()
        assert not workspace.artifact(run, "per_user.parquet").exists()


@pytest.mark.parametrize(
    ("task", "plots"),
    [
        ("top_n", {"metrics"}),
        ("churn", {"metrics", "calibration", "lift", "gain", "importance"}),
        ("value", {"metrics", "calibration", "gain"}),
    ],
)
def test_plots_are_images(workspace: Workspace, task: str, plots: set[str]) -> None:
    for run in children_of(workspace, task).values():
        images = {p.stem: p for p in workspace.artifact(run, "plots").glob("*.png")}
        assert plots <= set(images)
        assert all(p.read_bytes().startswith(b"\x89PNG") for p in images.values())


@pytest.mark.parametrize("task", TASKS)
def test_the_parent_run_has_the_leaderboard(workspace: Workspace, task: str) -> None:
    parent = parent_of(workspace, task)
    assert parent.info.status == "FINISHED"
    table = pd.read_csv(workspace.artifact(parent, "leaderboard.csv"))
    assert set(table["model"]) == set(children_of(workspace, task))
    assert table["bundle_mb"].gt(0).all()
    assert table["fit_seconds"].gt(0).all()
    logged = json.loads(workspace.artifact(parent, "leaderboard.json").read_text())
    assert logged["columns"] == list(table.columns)
    assert workspace.artifact(parent, "plots/leaderboard.png").exists()
    report = workspace.artifact(parent, "report.md").read_text()
    for name in table["model"]:
        assert f"{name}" in report
    winner = table.loc[table["winner"], "model"].item()
    assert parent.data.tags["winner"] == winner
    children = children_of(workspace, task)
    valid = {n: r.data.metrics[f"valid/{OBJECTIVE[task]}"] for n, r in children.items()}
    assert winner == max(valid, key=lambda n: valid[n])


def test_the_report_has_the_strata(workspace: Workspace) -> None:
    report = workspace.artifact(parent_of(workspace, "top_n"), "report.md").read_text().lower()
    for word in ("cold", "warm", "repeat", "new", "holm", "coverage", "fit s"):
        assert word in report


def test_the_parent_logs_the_config_once_with_all_models(workspace: Workspace) -> None:
    params = parent_of(workspace, "top_n").data.params
    assert params["models.item_knn.neighbours"] == "100"
    assert params["models.gru4rec.trainer.epochs"] == "2"
    assert "model._target_" not in params


def test_only_stochastic_models_have_several_seeds(workspace: Workspace) -> None:
    done = workspace.growthlab("compare", "models=[popularity,random]", *SHOP, "seeds=2", "seed=5")
    assert done.status == 0, done.err
    parent = workspace.logged_by(done)
    runs = workspace.children("top_n", parent)
    entries = sorted((r.data.tags["model"], r.data.tags["seed"]) for r in runs)
    assert entries == [("popularity", "5"), ("random", "5"), ("random", "6")]
    table = pd.read_csv(workspace.artifact(parent, "leaderboard.csv")).set_index("model")
    assert table["seeds"].to_dict() == {"popularity": 1, "random": 2}
    values = [r.data.metrics["test/ndcg_at_10"] for r in runs if r.data.tags["model"] == "random"]
    assert table.loc["random", "ndcg_at_10"] == pytest.approx(np.mean(values))
    assert math.isnan(table.loc["popularity", "seed_sd"])


def test_origins_roll_back_and_the_leaderboard_shows_each_winner(
    workspace: Workspace,
) -> None:
    words = ["models=[popularity,personal_frequency]", "metrics=[ranking/ndcg]", "origins=3"]
    done = workspace.growthlab("compare", *words, *SHOP)
    assert done.status == 0, done.err
    parent = workspace.logged_by(done)
    runs = workspace.children("top_n", parent)
    cutoffs = {r.data.tags["origin"]: r.data.tags["cutoff"] for r in runs}
    assert cutoffs == {  # 28 days apart
        "0": "2025-05-02 20:06:30",
        "1": "2025-04-04 20:06:30",
        "2": "2025-03-07 20:06:30",
    }
    for run in runs:
        leakage = json.loads(workspace.artifact(run, "leakage.json").read_text())
        assert leakage["cutoff"].replace("T", " ") == run.data.tags["cutoff"]
        assert leakage["oldest_future_event"] >= leakage["cutoff"]
    line = next(line for line in done.out.splitlines() if "cutoffs" in line or "origin" in line)
    assert "3" in line


def test_a_failed_model_is_recorded_and_the_others_continue(orders: Workspace) -> None:
    done = orders.growthlab("compare", "models=[content,popularity]", *ORDERS)
    assert done.status == 1
    assert "content seed 0" in done.out
    assert "content needs items with text" in done.out
    experiment = orders.client.get_experiment_by_name("tabular_file/top_n")
    runs = orders.client.search_runs([experiment.experiment_id])
    by_kind = {r.data.tags.get("model", "parent"): r for r in runs}
    assert {n: r.info.status for n, r in by_kind.items()} == {
        "parent": "FAILED",
        "content": "FAILED",
        "popularity": "FINISHED",
    }
    assert by_kind["content"].data.tags["error"].startswith("LackingDataError: content needs")
    assert "Traceback" in orders.artifact(by_kind["content"], "error.txt").read_text()
    assert by_kind["parent"].data.tags["winner"] == "popularity"


def test_a_comparison_of_all_leaves_out_what_the_data_lacks_something_for(
    orders: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [f"recommend/{name}" for name in ("content", "popularity")]
    real = contenders.choices
    monkeypatch.setattr(contenders, "choices", lambda g: listed if g == "model" else real(g))
    done = orders.growthlab("compare", *ORDERS, "seed=2", "intervals.resamples=0")
    assert done.status == 0, done.err
    assert "left out, as content needs items with text" in done.out
    parent = orders.logged_by(done)
    assert parent.info.status == "FINISHED"
    query = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    (child,) = orders.client.search_runs([parent.info.experiment_id], query)
    assert child.data.tags["model"] == "popularity"


def test_a_mistake_that_fails_every_model_is_one_line(orders: Workspace) -> None:
    done = orders.growthlab("compare", "models=[content]", *ORDERS, "seed=1")
    assert done.mistake.startswith("content needs items with text")
    experiment = orders.client.get_experiment_by_name("tabular_file/top_n")
    runs = orders.client.search_runs([experiment.experiment_id], "tags.kind = 'comparison'")
    assert runs[0].info.status == "FAILED"


def test_a_model_that_crashes_shows_no_traceback(workspace: Workspace) -> None:
    # LightGBM refuses a single leaf when it fits
    words = ["task=churn", "model.num_leaves=1", "metrics=[binary/roc_auc]", *SHOP]
    done = workspace.growthlab("compare", "models=[lightgbm,recency_rule]", *words)
    assert done.status == 1
    assert "lightgbm seed 0" in done.out
    assert "Traceback" not in done.out + done.err
    alone = workspace.growthlab("train", "model=churn/lightgbm", *words)
    assert alone.status == 1
    assert "Traceback" not in alone.out + alone.err
    assert workspace.runs("churn", model="lightgbm", seed="0")[0].info.status == "FAILED"


def test_the_parent_carries_the_verdict_and_links_lead_to_children_and_back(
    workspace: Workspace,
) -> None:
    done = workspace.compared("churn")
    parent = workspace.logged_by(done)
    metrics, note = parent.data.metrics, parent.data.tags["mlflow.note.content"]
    leaders = workspace.artifact(parent, "leaderboard.csv").read_text().splitlines()
    assert metrics["models"] == len(leaders) - 1 == 2
    assert {"winner/roc_auc", "winner/low", "winner/high"} <= set(metrics)
    assert parent.info.run_name.startswith("churn 20")
    assert parent.info.run_name.endswith(" 2 models")
    for child in workspace.children("churn", parent):
        assert f"/runs/{child.info.run_id}?" in note
        assert f"/runs/{parent.info.run_id}?" in child.data.tags["mlflow.note.content"]
        assert child.data.tags["mlflow.user"] == parent.data.tags["mlflow.user"] != ""
    experiment = workspace.client.get_experiment(parent.info.experiment_id)
    page = f"/runs/{parent.info.run_id}/artifacts/comparison.html?"
    newest = f"[the newest comparison](#/experiments/{parent.info.experiment_id}/runs/"
    assert newest in experiment.tags["mlflow.note.content"]
    assert (
        f"look: http://127.0.0.1:5000/#/experiments/{parent.info.experiment_id}{page}" in done.out
    )
    assert f"- [comparison.html](#/experiments/{parent.info.experiment_id}{page}" in note
