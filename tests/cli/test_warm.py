"""Warm starts: a run continues an earlier run when the log has grown."""

from __future__ import annotations

import numpy as np
import pytest
from tests.cli.conftest import Done, Workspace
from tests.cli.test_train import metrics_of

SMALL = ("data.users=150", "data.items=60", "model.trainer.epochs=6", "metrics=[ranking/ndcg]")
GRU = ("model=recommend/gru4rec", *SMALL)


def run_id_of(workspace: Workspace, done: Done) -> str:
    """The id of the run that a command printed."""
    return str(workspace.logged_by(done).info.run_id)


@pytest.fixture(scope="module")
def shorter(workspace: Workspace) -> str:
    """A run on the first 120 of 150 days of a shop."""
    done = workspace.growthlab("train", *GRU, "data.days=120")
    assert done.status == 0, done.err
    return run_id_of(workspace, done)


@pytest.fixture(scope="module")
def warm(workspace: Workspace, shorter: str) -> str:
    """A run on the 150 days that continues the shorter run."""
    done = workspace.growthlab("train", *GRU, "data.days=150", f"warm={shorter}")
    assert done.status == 0, done.err
    return run_id_of(workspace, done)


def values(workspace: Workspace, run_id: str) -> list[float]:
    """The objective on the validation window after each epoch."""
    points = workspace.client.get_metric_history(run_id, "epoch/valid/ndcg_at_10")
    return [p.value for p in sorted(points, key=lambda p: p.step)]


def test_a_warm_start_begins_better_than_a_cold_one(
    workspace: Workspace, shorter: str, warm: str
) -> None:
    cold = run_id_of(workspace, workspace.growthlab("train", *GRU, "data.days=150"))
    assert values(workspace, warm)[0] > values(workspace, cold)[0] + 0.05
    tags = workspace.client.get_run(warm).data.tags
    assert tags["warm_from"] == shorter
    assert "warm_from" not in workspace.client.get_run(cold).data.tags
    # the catalogue grew with the log
    items = [
        len(
            np.load(workspace.artifact(workspace.client.get_run(run), "state/judged.npz"))[
                "item_ids"
            ]
        )
        for run in (shorter, warm)
    ]
    assert items[0] <= items[1]
    listed = workspace.table(workspace.client.get_run(warm), "recommendations.parquet")
    assert np.isfinite(listed["score"]).all()


def test_a_rerun_of_a_warm_run_gives_the_same_numbers(
    workspace: Workspace, shorter: str, warm: str
) -> None:
    again = workspace.growthlab("train", f"rerun={warm}")
    assert again.status == 0, again.err
    second = run_id_of(workspace, again)
    assert metrics_of(workspace, second) == metrics_of(workspace, warm) != {}
    assert workspace.client.get_run(second).data.tags["warm_from"] == shorter


def test_a_model_that_cannot_continue_names_those_that_can(
    workspace: Workspace, shorter: str
) -> None:
    line = workspace.growthlab("train", "model=recommend/ease", f"warm={shorter}").mistake
    assert line.startswith(f"warm={shorter}: ease is computed anew from every log")
    assert "als, bpr, caser, gru4rec" in line


def test_a_run_of_another_model_is_refused(workspace: Workspace, shorter: str) -> None:
    line = workspace.growthlab("train", "model=recommend/caser", f"warm={shorter}").mistake
    expected = f"warm={shorter} is a run of gru4rec, and this is caser: model=recommend/gru4rec"
    assert line == expected


def test_a_comparison_cannot_continue_a_run(workspace: Workspace, shorter: str) -> None:
    line = workspace.growthlab("compare", "models=[gru4rec]", *GRU[1:], f"warm={shorter}").mistake
    assert line == f"warm={shorter} is about one run of one model: growthlab train warm={shorter}"


def test_a_model_of_another_width_is_refused(workspace: Workspace, shorter: str) -> None:
    words = [*GRU, "data.days=150", "model.width=16", f"warm={shorter}"]
    line = workspace.growthlab("train", *words).mistake
    assert "its items.weight is of the shape (32,), here it is (16,)" in line


def test_a_run_that_has_seen_the_test_window_is_refused(workspace: Workspace, shorter: str) -> None:
    line = workspace.growthlab("train", *GRU, "data.days=110", f"warm={shorter}").mistake
    assert line.startswith("warm: that run has learned from events before 2025-")
    assert "and the validation window of this one begins at 2025-" in line


def test_a_run_of_a_split_without_a_cutoff_is_refused(workspace: Workspace, shorter: str) -> None:
    words = [*GRU, "data.days=150", "split=leave_last_out", f"warm={shorter}"]
    line = workspace.growthlab("train", *words).mistake
    assert line.startswith("warm: the split of that run has a clock and this one has no clock")


def test_without_a_cutoff_only_a_run_of_the_same_split_can_be_continued(
    workspace: Workspace,
) -> None:
    words = ["train", "model=recommend/bpr", *SMALL, "data.days=150", "split=leave_last_out"]
    run_id = run_id_of(workspace, workspace.growthlab(*words))
    line = workspace.growthlab(*words, "split.cold_share=0.1", f"warm={run_id}").mistake
    assert line.startswith(f"warm={run_id} has split.cold_share=0.0, and this one has 0.1: ")
    assert workspace.growthlab(*words, f"warm={run_id}").status == 0


def test_a_run_without_a_state_is_refused(workspace: Workspace, shorter: str) -> None:
    words = ["model=recommend/popularity", "metrics=[ranking/ndcg]", *SMALL[:2]]
    other = run_id_of(workspace, workspace.growthlab("train", *words))
    workspace.client.set_tag(other, "model_class", "growthlab.models.recommend.gru4rec.GRU4Rec")
    line = workspace.growthlab("train", *GRU, f"warm={other}").mistake
    assert line == f"warm={other} left no state to continue from: it did not finish, or is too old"


def test_an_unknown_run_is_refused(workspace: Workspace, shorter: str) -> None:
    line = workspace.growthlab("train", *GRU, "warm=0123").mistake
    assert line == "warm=0123 in sqlite:///mlflow.db: Run with id=0123 not found"
