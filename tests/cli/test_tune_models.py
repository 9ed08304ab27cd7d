"""Every model is searched with the same budget, and the winners are compared."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest
from tests.cli.conftest import SHOP, Done, Workspace
from tests.cli.test_interrupts import wait_until
from tests.patience import PATIENCE

from growthlab.config.conf_tree import choices

WORDS = ("tune", "models=[popularity,item_knn,markov,bpr]", *SHOP, "study=even")
WORDS += ("budget.trials=2", "model.trainer.epochs=2", "seeds=2", "metrics=[ranking/ndcg]")


@dataclass(frozen=True)
class Tuned:
    """A search of several models that was killed once: what had finished by then, and how it ended."""

    workspace: Workspace
    before: list[str]
    done: Done


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """Run the same command twice: killed during the refits, then to its end."""
    workspace = Workspace(tmp_path_factory.mktemp("tuned"))
    process = workspace.process(*WORDS)
    wait_until(lambda: "item_knn" in fitted(workspace, "FINISHED"), process)
    process.kill()
    process.communicate(timeout=PATIENCE)
    return Tuned(workspace, fitted(workspace, "FINISHED"), workspace.growthlab(*WORDS))


def fitted(workspace: Workspace, status: str) -> list[str]:
    """The models of comparison runs with that status."""
    if not (workspace.folder / "mlflow.db").exists():
        return []  # a client would create one
    if workspace.client.get_experiment_by_name("simulated_shop/top_n") is None:
        return []
    runs = workspace.runs("top_n", kind="model")
    return [r.data.tags["model"] for r in runs if r.info.status == status]


def test_models_have_the_same_budget_and_are_compared(tuned: Tuned) -> None:
    done, workspace = tuned.done, tuned.workspace
    assert done.status == 0, done.err
    (comparison,) = workspace.runs("top_n", kind="comparison")
    assert comparison.info.status == "FINISHED"
    table = pd.read_csv(workspace.artifact(comparison, "search.csv")).set_index("model")
    assert table["complete"].to_dict() == {
        "popularity": 1,
        "item_knn": 2,
        "markov": 2,
        "bpr": 2,
    }
    assert (table.loc[["item_knn", "markov", "bpr"], "minutes"] >= 0).all()
    assert table.loc["popularity", "remarks"] == "no search space: its own settings"
    assert table.loc["popularity", "best valid"] > 0
    assert "no search space" in done.out

    trials = workspace.runs("top_n", kind="trial")
    per_study = pd.Series([t.data.tags["study"] for t in trials]).value_counts().to_dict()
    assert per_study == {
        "even-popularity": 1,
        "even-item_knn": 2,
        "even-markov": 2,
        "even-bpr": 2,
    }
    children = workspace.runs("top_n", kind="model")
    entries = [r for r in children if r.info.status == "FINISHED"]
    ended = [r.data.tags["model"] for r in entries]
    assert sorted(ended) == ["bpr", "bpr", "item_knn", "markov", "popularity"]  # 2 seeds
    assert set(tuned.before) <= set(ended)

    searches = {r.data.tags["study"]: r for r in workspace.runs("top_n", kind="search")}
    for entry in (r for r in entries if r.data.tags["model"] in ("item_knn", "markov")):
        best = searches[f"even-{entry.data.tags['model']}"]
        chosen = best.data.metrics["valid/ndcg_at_10"]
        assert entry.data.metrics["valid/ndcg_at_10"] == pytest.approx(chosen)
        assert "test/ndcg_at_10" in entry.data.metrics
        assert not any(m.startswith("test/") for m in best.data.metrics)


def test_the_winner_of_each_model_is_an_experiment_file(tuned: Tuned) -> None:
    files = sorted(p.stem for p in (tuned.workspace.folder / "conf" / "experiment").iterdir())
    assert files == ["even-bpr", "even-item_knn", "even-markov"]
    shown = tuned.workspace.growthlab("train", "experiment=even-bpr", "--cfg", "job")
    assert "growthlab.models.recommend.bpr.BPR" in shown.out
    assert "epochs: 2" in shown.out


@pytest.mark.parametrize(
    ("task", "metric"), [("churn", "binary/roc_auc"), ("value", "value/normalised_gini")]
)
def test_every_model_of_a_task_is_searched_and_compared(
    task: str, metric: str, fresh: Workspace
) -> None:
    words = ("tune", f"task={task}", "models=all", *SHOP, f"study=all-{task}", "seeds=1")
    words += ("budget.trials=1", "model.trainer.epochs=1", f"metrics=[{metric}]")
    done = fresh.growthlab(*words)
    assert done.status == 0, done.err
    models = [c.partition("/")[2] for c in choices("model") if c.startswith(f"{task}/")]
    comparison = fresh.runs(task, kind="comparison")[0]
    table = pd.read_csv(fresh.artifact(comparison, "search.csv")).set_index("model")
    assert sorted(table.index) == sorted(models)
    assert (table["complete"] == 1).all()
    assert table["best valid"].notna().all()
    judged = pd.read_csv(fresh.artifact(comparison, "leaderboard.csv"))
    assert sorted(judged["model"]) == sorted(models)
