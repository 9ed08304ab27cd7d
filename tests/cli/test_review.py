"""The page of a comparison, and of runs that were logged before."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from mlflow.entities import Run
from PIL import Image
from tests.cli.conftest import MODELS, SHOP, Workspace
from tests.pages.page_reader import read_page

TASKS = tuple(MODELS)
ALWAYS = ("Verdict", "Differences", "Segments", "Since the last comparison", "Data", "Cost")
MOST_BYTES = 3 * 2**20


def children(workspace: Workspace, task: str) -> dict[str, Run]:
    """The runs of the comparison of cheap models, by model."""
    parent = workspace.logged_by(workspace.compared(task))
    return {r.data.tags["model"]: r for r in workspace.children(task, parent)}


@pytest.mark.parametrize("task", TASKS)
def test_a_comparison_has_a_page_on_its_run_and_in_reports(workspace: Workspace, task: str) -> None:
    done = workspace.compared(task)
    assert f"page: reports/simulated_shop/comparison-{task}.html" in done.out
    html = workspace.artifact(workspace.logged_by(done), "comparison.html").read_text()
    path = workspace.folder / "reports" / "simulated_shop" / f"comparison-{task}.html"
    assert path.read_text().startswith("<!DOCTYPE html>")  # of the last comparison in this folder
    texts = read_page(html).texts
    assert [chapter for chapter in ALWAYS if chapter not in texts] == []
    assert "Errors" in texts
    assert len(html.encode()) < MOST_BYTES


def test_the_page_shows_lists_side_by_side(workspace: Workspace) -> None:
    parent = workspace.logged_by(workspace.compared("top_n"))
    texts = read_page(workspace.artifact(parent, "comparison.html").read_text()).texts
    assert any(text.startswith("\N{CHECK MARK} ") for text in texts)


@pytest.mark.parametrize(("task", "model"), [("top_n", "item_knn"), ("churn", "logistic")])
def test_the_page_calls_nobody_by_name(workspace: Workspace, task: str, model: str) -> None:
    parent, run = workspace.logged_by(workspace.compared(task)), children(workspace, task)[model]
    table = "recommendations.parquet" if task == "top_n" else "predictions.parquet"
    ids = workspace.table(run, table)["user_id"].astype(str)
    assert ids.str.fullmatch(r"u\d{6}").all()  # such as no other word of the page
    html = workspace.artifact(parent, "comparison.html").read_text()
    assert not set(ids) & set(re.findall(r"u\d{6}", html))


def test_two_runs_are_compared_as_they_were_in_their_comparison(workspace: Workspace) -> None:
    runs = children(workspace, "churn")
    first, second = (runs[name].info.run_id for name in ("recency_rule", "logistic"))
    done = workspace.growthlab("review", f"runs=[{first},{second[:8]}]")
    assert done.status == 0, done.err
    assert f"vs {'recency_rule'}" in done.out
    value = runs["logistic"].data.metrics["test/roc_auc"]
    assert f"{value:.4f} [" in done.out
    page = workspace.folder / "reports" / "simulated_shop" / "review-churn.html"
    read_page(page.read_text())


def test_lists_of_another_tool_are_judged_like_those_of_a_run(workspace: Workspace) -> None:
    run = children(workspace, "top_n")["item_knn"]
    lists = workspace.table(run, "recommendations.parquet")
    theirs = lists[["user_id", "item_id", "rank"]].astype({"user_id": str, "item_id": str})
    theirs.sample(frac=1, random_state=0).to_parquet(workspace.folder / "theirs.parquet")
    (workspace.folder / "photos").mkdir()
    for item in theirs["item_id"].unique():
        Image.new("RGB", (60, 60), "red").save(workspace.folder / "photos" / f"{item}.png")
    words = (f"runs=[{run.info.run_id}]", "lists=theirs.parquet", "pictures=photos")
    done = workspace.growthlab("review", *words)
    assert done.status == 0, done.err
    page = workspace.folder / "reports" / "simulated_shop" / "review-top_n.html"
    assert any(name == "src" for name, _ in read_page(page.read_text()).attributes)
    rows = [line for line in done.out.splitlines() if line[:1].isdigit()]
    own, other = (next(row for row in rows if f" {n} " in row) for n in ("item_knn", "theirs"))
    value = f"{run.data.metrics['test/ndcg_at_10']:.4f} ["
    assert value in own
    assert value in other


def write(folder: Path, name: str, table: pd.DataFrame) -> None:
    table.to_csv(folder / name, index=False)


def test_mistakes_are_one_line(workspace: Workspace) -> None:
    churn, top_n = children(workspace, "churn"), children(workspace, "top_n")
    one, other = churn["logistic"].info.run_id, top_n["item_knn"].info.run_id
    write(workspace.folder, "half.csv", pd.DataFrame({"user_id": ["a"], "item_id": ["b"]}))
    bad = pd.DataFrame({"user_id": ["a"], "item_id": ["b"], "rank": ["first"]})
    write(workspace.folder, "words.csv", bad)
    mistakes = {
        f"runs=[{one}]": "name 2 runs or more, each once",
        f"runs=[{one},{one}]": "name 2 runs or more, each once",
        f"runs=[{one},{other}]": "has task top_n, and",
        f"runs=[{one}] lists=half.csv": "task=churn has no lists",
        f"runs=[{other}] lists=none.csv": "there is no such file",
        f"runs=[{other}] lists=half.csv": "has no column rank",
        f"runs=[{other}] lists=words.csv": "rank must be a number",
    }
    for words, why in mistakes.items():
        assert why in workspace.growthlab("review", *words.split()).mistake


def test_the_page_says_what_changed_since_the_last_comparison(workspace: Workspace) -> None:
    workspace.compared("value")
    again = workspace.growthlab(
        "compare", "task=value", f"models={MODELS['value']}", *SHOP, "task.snapshots=3"
    )
    assert again.status == 0, again.err
    page = workspace.artifact(workspace.logged_by(again), "comparison.html").read_text()
    texts = " ".join(read_page(page).texts)
    assert "task.snapshots 4 then, 3 now" in texts
    assert "winner then" in texts
