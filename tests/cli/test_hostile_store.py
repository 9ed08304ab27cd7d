"""What comes out of a store that somebody else can write to: checked, and never followed silently."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.cli.conftest import ORDERS, SHOP, Workspace

SCRIPT = "sklearn.utils._testing.assert_run_python_script_without_output"
CODE = "open('marker', 'w').write('code was run')"
RUNS = {"_target_": SCRIPT, "source_code": CODE}
LOGISTIC = {"_target_": "sklearn.linear_model.LogisticRegression"}
PIPELINE = {"_target_": "sklearn.pipeline.Pipeline"}
# dotted key -> what a stranger wrote there
CHANGES: list[dict[str, Any]] = [
    {"model": RUNS},
    {"model": {"_target_": "os.system", "command": "touch marker"}},
    {"model": {**PIPELINE, "steps": [["a", RUNS], ["b", LOGISTIC]]}},
    {"model": {**PIPELINE, "steps": [["b", LOGISTIC]], "memory": "elsewhere"}},
    {"model": {"_target_": "lightgbm.LGBMClassifier", "forcedsplits_filename": "/etc/passwd"}},
    {"model.C": RUNS},
    {"model.class_weight": [[RUNS]]},
    {"task": RUNS},
    {"task._target_": "growthlab.cli.main.main"},
    {"split": RUNS},
    {"data": RUNS},
    {"data._target_": "urllib.request.urlretrieve"},
    {"data.cleaning": RUNS},
    {"data.cleaning._target_": "growthlab.data.cdnow.CDNOW"},
    {"metrics": {"roc_auc": RUNS}},
    {"metrics.roc_auc._target_": "builtins.exec"},
    {"seed": "${oc.env:HOME}"},
    {"tags": {"secret": "${oc.env:PATH}"}},
    {"model.C": "${oc.decode:1}"},
    {"seed": [1]},
    {"seed": "many"},
    {"device": "cuda; rm -rf /"},
    {"data": None},
    {"model": "logistic"},
    {"chosen": None},
    {"chosen.model": "churn/../../../x"},
    {"chosen.data": "a/b/c"},
    {"chosen.task": 7},
    {"cache": "${oc.env:HOME}"},
    {"seed": None},
    {"data.days": "???"},
    {"metrics": {"a": 5}},
    {"metrics": "a"},
    {"tags": {None: 1}},
    {"seed": 10**30},
]


@pytest.fixture(scope="module")
def logged(workspace: Workspace) -> tuple[str, Path, str]:
    """A run of a model, the file of its logged config, and what that holds."""
    done = workspace.growthlab("train", "task=churn", "model=churn/logistic", *SHOP)
    assert done.status == 0, done.err
    run = workspace.logged_by(done)
    path = workspace.artifact(run, "config.yaml")
    return run.info.run_id, path, path.read_text()


@pytest.fixture
def config(logged: tuple[str, Path, str]) -> Iterator[tuple[str, Path]]:
    """The run and its config file, which is put back afterwards."""
    run_id, path, text = logged
    yield run_id, path
    path.write_text(text)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: ascii(change)[:60])
def test_a_logged_config_is_data(
    workspace: Workspace, config: tuple[str, Path], change: dict[str, Any]
) -> None:
    run_id, path = config
    content = yaml.safe_load(path.read_text())
    for key, value in change.items():
        node, *rest = key.split(".")
        parent = content
        for part in rest:
            parent, node = parent[node], part
        parent[node] = value
    path.write_text(yaml.safe_dump(content))
    done = workspace.growthlab("train", f"rerun={run_id}")
    assert len(done.mistake) < 1_000
    assert not (workspace.folder / "marker").exists()


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch marker']",
        "a: &a [x]\nb: [*a, *a, *a]",
        "",
        "just a text",
        "{" * 100,
        "x: " + "y" * 300_000,
        "\x00\x01",
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_a_logged_config_is_plain_yaml(
    workspace: Workspace, config: tuple[str, Path], text: str
) -> None:
    run_id, path = config
    path.write_text(text)
    line = workspace.growthlab("train", f"rerun={run_id}").mistake
    assert line.startswith(f"the logged config of run {run_id}: ")
    assert not (workspace.folder / "marker").exists()


def test_a_rerun_says_which_files_it_reads(
    orders: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    done = orders.growthlab("train", *ORDERS, "model=recommend/popularity")
    assert done.status == 0, done.err
    run_id = orders.logged_by(done).info.run_id
    with caplog.at_level("INFO"):
        assert orders.growthlab("train", f"rerun={run_id}").status == 0
    assert f"rerun={run_id} reads data.path=orders.csv" in caplog.text


def test_a_rerun_writes_nothing_outside_the_working_folder(
    workspace: Workspace, config: tuple[str, Path], tmp_path: Path
) -> None:
    run_id, path = config
    content = yaml.safe_load(path.read_text())
    content["data"] = {
        "_target_": "growthlab.data.online_retail.OnlineRetail",
        "downloads": f"{tmp_path}/theirs",
    }
    path.write_text(yaml.safe_dump(content))
    line = workspace.growthlab("train", f"rerun={run_id}").mistake
    assert f"would write to data.downloads={tmp_path}/theirs, outside this folder" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://x/y", "data:,x", "/etc/passwd"])
def test_an_address_is_one_of_the_web(workspace: Workspace, address: str) -> None:
    words = ("data=online_retail", f"data.url='{address}'")
    assert "must begin with https://" in workspace.growthlab("prepare", *words).mistake


def test_artifacts_that_a_store_puts_elsewhere_are_not_written(
    workspace: Workspace, tmp_path: Path
) -> None:
    words = ("model=recommend/popularity", "data.users=80", "data.items=40", "data.days=130")
    store = (f"tracking.uri=sqlite:///{tmp_path}/theirs.db", f"tracking.artifacts={tmp_path}/kept")
    done = workspace.growthlab("train", *words, *store)
    assert done.status == 0, done.err
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as theirs:
        theirs.execute(
            "UPDATE experiments SET artifact_location = ?", (f"file://{tmp_path}-outside",)
        )
        theirs.commit()
    line = workspace.growthlab("train", *words, *store).mistake
    assert f"keeps its artifacts in file://{tmp_path}-outside, outside" in line
    assert not Path(f"{tmp_path}-outside").exists()


@pytest.mark.parametrize("tag", ["../../theirs", "/elsewhere", "a/b", "a\\\\b"])
def test_a_tag_of_a_run_names_no_folder_elsewhere(
    workspace: Workspace, logged: tuple[str, Path, str], tag: str
) -> None:
    run_id, *_ = logged
    workspace.client.set_tag(run_id, "data", tag)
    line = workspace.growthlab("export", "task=churn", f"run={run_id}", "register=false").mistake
    assert line.startswith("the run's tags name no folder")
    workspace.client.set_tag(run_id, "data", "simulated_shop")


@pytest.mark.parametrize("content", ["objects", "nan", "text", "cut", "empty"])
def test_a_learned_state_is_arrays_of_numbers(workspace: Workspace, content: str) -> None:
    words = ("task=top_n", "model=recommend/bpr", "model.trainer.epochs=1", *SHOP)
    done = workspace.growthlab("train", *words)
    assert done.status == 0, done.err
    run = workspace.logged_by(done)
    path = workspace.artifact(run, "state/judged.npz")
    with np.load(path) as stored:
        arrays = dict(stored)
    name = next(n for n in arrays if n.startswith("weights/"))
    hostile: dict[str, Any] = {
        "objects": np.array([RUNS], dtype=object),
        "nan": np.full_like(arrays[name], np.nan),
        "text": np.array(["a", "b"]),
    }
    if content in hostile:
        np.savez(path, **{**arrays, name: hostile[content]})
    else:
        path.write_bytes(path.read_bytes()[: 100 if content == "cut" else 0])
    line = workspace.growthlab("train", *words, f"warm={run.info.run_id}").mistake
    assert line.startswith("the learned state judged.npz")
