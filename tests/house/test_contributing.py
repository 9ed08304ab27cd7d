"""The examples of CONTRIBUTING.md: written where the text says, and run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> dict[str, str]:
    """File name -> content of every example in the document."""
    return dict(BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text()))


@pytest.fixture(scope="module")
def extended(tree: Path) -> Path:
    """The copied tree with the examples in it, and a sample for the data set."""
    for name, text in examples().items():
        path = tree / name.replace("src/growthlab/conf", "conf")
        assert not path.exists(), f"{name} is there already: adding must not edit"
        path.write_text(text)
    samples = tree / "tests" / "data" / "samples"
    (samples / "receipts.yaml").write_text("path: receipts.jsonl\n")
    (samples / "receipts.jsonl").write_text(
        '{"card": "c1", "at": "2025-03-01T08:12:00", "goods": ["tea", "milk"]}\n'
        '{"card": "c2", "at": "2025-03-02T09:30:00", "goods": ["tea"]}\n'
    )
    return tree


@pytest.fixture(scope="module")
def receipts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Receipts of 60 cards over 100 days: every card buys of one half of 24 goods."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("receipts") / "receipts.jsonl"
    lines = []
    for card in range(60):
        for day in np.sort(random.choice(100, 12, replace=False)).tolist():
            goods = 12 * (card % 2) + random.choice(12, 2, replace=False)
            at = datetime(2025, 1, 1) + timedelta(days=day, minutes=card)
            receipt = {"card": f"c{card}", "at": at.isoformat(), "goods": [f"g{g}" for g in goods]}
            lines.append(json.dumps(receipt))
    path.write_text("\n".join(lines))
    return path


def run(extended: Path, *words: str) -> str:
    """What a Python command prints, run beside the copied tree with the copied package."""
    work = extended / "work"
    work.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, *words],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(extended / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def growthlab(extended: Path, *words: str) -> str:
    """What a growthlab command prints."""
    return run(extended, "-m", "growthlab.cli.main", *words)


def test_every_kind_of_addition_has_an_example() -> None:
    places = {str(Path(name).parent) for name in examples()}
    assert places == {
        "src/growthlab/models/recommend",
        "conf/model/recommend",
        "conf/model/churn",
        "src/growthlab/data",
        "conf/data",
        "src/growthlab/metrics/ranking",
        "conf/metrics/ranking",
        "src/growthlab/cli",
        "conf",
        "conf/search/recommend",
    }


def test_the_model_the_data_set_and_the_metric_take_part_in_a_comparison(
    extended: Path, receipts: Path
) -> None:
    shown = growthlab(
        extended,
        "compare",
        "data=receipts",
        f"data.path={receipts}",
        "models=[popularity,co_occurrence]",
        "metrics=[ranking/ndcg,ranking/r_precision]",
    )
    assert "co_occurrence" in shown
    assert "r precision" in shown  # a column of the leaderboard
    client = MlflowClient(f"sqlite:///{extended / 'work' / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "receipts/top_n"]
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'model'")
    values = {r.data.tags["model"]: r.data.metrics["test/r_precision"] for r in runs}
    assert values["co_occurrence"] > values["popularity"]  # the halves are what it can learn


def test_the_search_space_is_searched(extended: Path, receipts: Path) -> None:
    shown = growthlab(
        extended,
        "tune",
        "model=recommend/co_occurrence",
        "data=receipts",
        f"data.path={receipts}",
        "budget.trials=2",
        "task.objective=r_precision",
        "metrics=[ranking/r_precision]",
    )
    assert "best of 2 trials" in shown
    assert "model.min_users=" in shown


def test_a_scikit_learn_model_needs_the_yaml_alone(extended: Path) -> None:
    tiny = ("data.users=150", "data.items=60", "data.days=120")
    shown = growthlab(extended, "train", "task=churn", "model=churn/extra_trees", *tiny)
    assert "extra_trees, seed 0: fitted" in shown


def test_the_command_runs_and_the_help_lists_it(extended: Path, receipts: Path) -> None:
    shown = growthlab(extended, "gaps", "data=receipts", f"data.path={receipts}")
    # 60 cards with 12 days of purchases each have 11 gaps each
    assert shown.count("of 660 gaps: ") == 4
    assert "gaps       Report how many days pass" in growthlab(extended, "--help")
    settings = growthlab(extended, "gaps", "--help")
    assert "quantiles: [0.25" in settings
    assert "receipts" in settings


@pytest.mark.parametrize(
    ("tests", "name"),
    [
        ("models/test_contract.py", "co_occurrence"),
        ("data/test_source_contract.py", "receipts"),
        ("metrics/test_config.py", "r_precision"),
        ("cli/test_help.py", "gaps"),
    ],
)
def test_the_contract_tests_find_the_addition(extended: Path, tests: str, name: str) -> None:
    quick = ("-q", "-p", "no:cacheprovider", "--rootdir", str(extended), "-k", name)
    assert " passed" in run(extended, "-m", "pytest", str(extended / "tests" / tests), *quick)
