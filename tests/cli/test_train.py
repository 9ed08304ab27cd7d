"""A run of one model, grids of runs, and reruns."""

from __future__ import annotations

import pytest
import yaml
from tests.cli.conftest import SHOP, Workspace


def metrics_of(workspace: Workspace, run_id: str) -> dict[str, float]:
    """The metrics of a run, except its costs."""
    measured = workspace.client.get_run(run_id).data.metrics
    return {n: v for n, v in measured.items() if n.startswith(("valid/", "test/", "epoch/"))}


@pytest.mark.parametrize(
    ("task", "model", "metrics"),
    [
        ("top_n", "recommend/markov", "[ranking/ndcg,ranking/coverage]"),
        ("churn", "churn/recency_rule", "[binary/roc_auc,binary/brier]"),
        ("value", "value/past_spend", "[value/normalised_gini,value/mae]"),
    ],
)
def test_a_rerun_gives_the_same_numbers(
    workspace: Workspace, task: str, model: str, metrics: str
) -> None:
    words = [f"task={task}", f"model={model}", f"metrics={metrics}", *SHOP]
    done = workspace.growthlab("train", *words)
    assert done.status == 0, done.err
    again = workspace.growthlab("train", f"rerun={workspace.logged_by(done).info.run_id}")
    assert again.status == 0, again.err
    first, second = workspace.logged_by(done).info.run_id, workspace.logged_by(again).info.run_id
    assert first != second
    assert metrics_of(workspace, first) == metrics_of(workspace, second) != {}


def test_a_rerun_of_a_network_gives_the_same_numbers(workspace: Workspace) -> None:
    children = workspace.children("top_n", workspace.logged_by(workspace.compared("top_n")))
    (child,) = [run for run in children if run.data.tags["model"] == "gru4rec"]
    again = workspace.growthlab("train", f"rerun={child.info.run_id}")
    assert again.status == 0, again.err
    second = workspace.logged_by(again).info.run_id
    assert metrics_of(workspace, child.info.run_id) == metrics_of(workspace, second)


def test_a_rerun_with_other_code_or_data_warns(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    done = workspace.growthlab("train", "model=recommend/popularity", *SHOP, "seed=3")
    run_id = workspace.logged_by(done).info.run_id
    workspace.client.set_tag(run_id, "code_version", "older")
    workspace.client.set_tag(run_id, "data_digest", "f" * 64)
    assert workspace.growthlab("train", f"rerun={run_id}").status == 0
    assert "the run was made by code older, this is tested" in caplog.text
    assert "the data is not that of the run" in caplog.text


def test_a_comparison_cannot_be_rerun_as_one_model(workspace: Workspace) -> None:
    comparison = workspace.logged_by(workspace.compared("churn"))
    parent = comparison.info.run_id
    done = workspace.growthlab("train", f"rerun={parent}")
    children = workspace.children("churn", comparison)
    names = ", ".join(sorted(f"{c.data.tags['model']} {c.info.run_id}" for c in children))
    assert done.mistake == (
        f"rerun={parent} is not a run of one model: name one of its children: {names}"
    )


def test_an_unknown_run_cannot_be_rerun(workspace: Workspace) -> None:
    workspace.compared("churn")
    line = workspace.growthlab("train", "rerun=0123").mistake
    assert line == "rerun=0123 in sqlite:///mlflow.db: Run with id=0123 not found"


def test_a_grid_runs_each_combination(workspace: Workspace) -> None:
    words = ["model=recommend/item_knn", "seed=20,21", "model.neighbours=5,10"]
    done = workspace.growthlab("train", "-m", *words, *SHOP)
    assert done.status == 0, done.err
    ids = [line.split()[1] for line in done.out.splitlines() if line.startswith("run ")]
    params = [workspace.client.get_run(i).data.params for i in ids]
    points = [(p["seed"], p["model.neighbours"]) for p in params]
    assert points == [("20", "5"), ("20", "10"), ("21", "5"), ("21", "10")]


def test_a_mistake_in_one_point_of_a_grid_does_not_stop_the_others(workspace: Workspace) -> None:
    words = ["model=recommend/popularity", "split.cutoff=2035-01-01,2025-04-20"]
    done = workspace.growthlab("train", "-m", *words, *SHOP)
    assert "leaves no validation window" in done.mistake
    assert sum(line.startswith("run ") for line in done.out.splitlines()) == 1


def test_cfg_prints_the_composed_config_and_runs_nothing(fresh: Workspace) -> None:
    done = fresh.growthlab("train", "task=churn", "model.num_leaves=7", "--cfg", "job")
    config = yaml.safe_load(done.out)
    assert config["model"]["_target_"] == "lightgbm.LGBMClassifier"
    assert config["model"]["num_leaves"] == 7
    assert config["task"]["objective"] == "roc_auc"
    assert set(config["metrics"]) >= {"roc_auc", "brier"}
    assert list(fresh.folder.iterdir()) == []


def test_cfg_prints_each_config_of_a_grid(fresh: Workspace) -> None:
    done = fresh.growthlab("train", "--cfg=job", "-m", "seed=range(3)")
    assert [c["seed"] for c in yaml.safe_load_all(done.out)] == [0, 1, 2]


def test_configs_in_the_working_folder_are_found(fresh: Workspace) -> None:
    own = fresh.folder / "conf" / "model" / "recommend" / "near.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(
        "# @package model\n_target_: growthlab.models.recommend.item_knn.ItemKNN\nneighbours: 3\n"
    )
    done = fresh.growthlab("train", "model=recommend/near", "--cfg", "job")
    assert yaml.safe_load(done.out)["model"]["neighbours"] == 3


def test_prepare_prints_and_saves_what_was_dropped(fresh: Workspace) -> None:
    faults = ["data.faults.duplicates=0.05", "data.faults.missing_users=0.02"]
    done = fresh.growthlab("prepare", *SHOP, *faults)
    assert done.status == 0, done.err
    assert "duplicates" in done.out
    saved = fresh.folder / ".growthlab" / "simulated_shop-cleaning.json"
    dropped = {row["rule"]: row["dropped_events"] for row in yaml.safe_load(saved.read_text())}
    assert sum(dropped.values()) == 4952 - 4628
    assert dropped["missing users"] > 0
    assert str(saved.relative_to(fresh.folder)) in done.out


def test_own_tags_are_added_to_the_others(workspace: Workspace) -> None:
    words = ["model=recommend/popularity", "metrics=[ranking/ndcg]", "+tags.question=autumn", *SHOP]
    done = workspace.growthlab("train", *words)
    assert done.status == 0, done.err
    tags = workspace.client.get_run(workspace.logged_by(done).info.run_id).data.tags
    assert (tags["question"], tags["task"]) == ("autumn", "top_n")
