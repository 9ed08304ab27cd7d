"""The store is created once and whole; processes, checkpoints and lineage of runs."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tests.new_stores import CopiedStores

from growthlab.core.errors import ConfigError
from growthlab.tracking.checkpoints import Checkpoints
from growthlab.tracking.code_version import code_version
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.new_sqlite_store import create_sqlite_store
from growthlab.tracking.process_identity import is_alive, this_process
from growthlab.tracking.store import Store

OPEN_STORE = (
    "from growthlab.tracking.store import Store; "
    "store = Store('sqlite:///mlflow.db'); "
    "print(store.experiment('shop/top_n'))"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_processes_that_open_a_new_store_at_once_share_it(folder: Path) -> None:
    def open_store(_: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", OPEN_STORE]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(open_store, range(2)))
    assert [d.returncode for d in done] == [0, 0], done[0].stderr
    assert len({d.stdout for d in done}) == 1  # one experiment
    with closing(sqlite3.connect(folder / "mlflow.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = store.execute("SELECT name FROM experiments ORDER BY name").fetchall()
    assert names == [("Default",), ("shop/top_n",)]


def test_partial_files_of_a_killed_process_are_removed(folder: Path) -> None:
    left = folder / ".mlflow.db.partial-0123"
    left.mkdir()
    (left / "mlflow.db").write_bytes(b"half a store")
    (left / "mlflow.db-journal").write_bytes(b"")
    assert Store().experiment("shop/churn")
    assert sorted(p.name for p in folder.iterdir()) == [
        "mlartifacts",
        "mlflow.db",
        "mlflow.db.lock",
    ]


def test_artifact_folders_have_the_names_of_data_and_task(folder: Path) -> None:
    store = Store()
    experiment = store.client.get_experiment(store.experiment("shop/value"))
    assert experiment.artifact_location == (folder / "mlartifacts" / "shop" / "value").as_uri()


def test_a_relative_store_belongs_to_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Store()
    number = first.experiment("shop/top_n")
    other = folder / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    assert Store().client.get_experiment_by_name("shop/top_n") is None
    again = Store(f"sqlite:///{folder}/mlflow.db")
    assert again.experiment("shop/top_n") == number


def test_a_file_that_is_not_a_store_is_refused_in_one_line(folder: Path) -> None:
    (folder / "mlflow.db").write_text("a letter to a friend")
    with pytest.raises(
        ConfigError, match=r"the MLflow store sqlite:///mlflow\.db cannot be opened"
    ):
        _ = Store().client


def test_requiring_a_store_does_not_create_it(folder: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"rerun=1: there is no MLflow store sqlite:///mlflow\.db"
    ):
        Store().require_exists("rerun=1")
    assert list(folder.iterdir()) == []


def test_a_server_is_viewed_at_its_address_and_a_file_by_a_command() -> None:
    server = Store("http://me:secret@shop.example:5000/")
    assert (server.address_of_ui, server.command_of_ui) == ("http://shop.example:5000", None)
    assert Store().address_of_ui == "http://127.0.0.1:5000"
    assert Store().command_of_ui == "mlflow ui --backend-store-uri sqlite:///mlflow.db"


def test_the_page_of_mlflow_may_be_served_elsewhere() -> None:
    store = Store(ui="https://runs.example/mlflow/")
    assert (store.address_of_ui, store.command_of_ui) == ("https://runs.example/mlflow", None)
    with pytest.raises(ConfigError, match="is not the address of MLflow"):
        Store(ui="runs.example")


def test_the_code_version_can_be_set_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROWTHLAB_CODE_VERSION", "image 7")
    code_version.cache_clear()
    assert code_version() == "image 7"
    monkeypatch.delenv("GROWTHLAB_CODE_VERSION")
    code_version.cache_clear()
    version = code_version()
    code_version.cache_clear()
    assert version.split("+")[0].replace(".", "").isalnum()


def test_this_process_is_alive_and_others_with_its_number_are_not() -> None:
    host, number, started = this_process().rsplit(":", 2)
    assert is_alive(this_process())
    assert int(number) == os.getpid()
    assert not is_alive(f"{host}:{number}:{int(started) - 5}")
    assert not is_alive(f"elsewhere:{number}:{started}")
    assert not is_alive("")
    assert host == socket.gethostname()


def test_a_process_that_ended_is_not_alive() -> None:
    script = "from growthlab.tracking.process_identity import this_process; print(this_process())"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not is_alive(done.stdout.strip())


def test_a_checkpoint_folder_is_used_by_one_fit_at_a_time(folder: Path) -> None:
    first, second = Checkpoints(folder / "c"), Checkpoints(folder / "c")
    claimed = first.claim("fit")
    assert claimed is not None
    assert second.claim("fit") is None
    assert second.claim("another fit") not in (None, claimed)
    second.remove()
    claimed.mkdir()
    (claimed / "training.npz").write_bytes(b"")
    first.release()
    assert second.claim("fit") == claimed
    assert (claimed / "training.npz").exists()
    second.remove()
    assert not (folder / "c").exists()


def test_a_lineage_gives_experiment_tags_and_data_set() -> None:
    lineage = Lineage(
        data="shop",
        digest="ab" * 32,
        task="churn",
        split="global_time",
        cutoff="2025-05-02",
        source="orders.csv",
        counts={"events": 3},
        more={"filter_seen": "none"},
    )
    assert lineage.experiment == "shop/churn"
    assert lineage.tags()["data_digest"] == "ab" * 32
    assert lineage.tags()["filter_seen"] == "none"
    dataset = lineage.dataset().dataset
    assert (dataset.name, dataset.digest, dataset.profile) == ("shop", "ab" * 18, '{"events": 3}')


def test_the_stores_that_tests_copy_are_as_new_ones(folder: Path) -> None:
    artifacts, copied = str(folder / "mlartifacts"), CopiedStores(folder)
    create_sqlite_store(folder / "real.db", artifacts)
    copied(folder / "copied.db", artifacts)
    columns, defaults = [], []
    for name in ("real.db", "copied.db"):
        with closing(sqlite3.connect(folder / name)) as store:
            tables = [t for (t,) in store.execute("SELECT name FROM sqlite_master ORDER BY name")]
            columns.append({t: store.execute(f"PRAGMA table_info({t})").fetchall() for t in tables})
            version = store.execute("SELECT version_num FROM alembic_version").fetchall()
        default = MlflowClient(f"sqlite:///{folder}/{name}").get_experiment("0")
        defaults.append((version, default.name, default.artifact_location))
    assert len(columns[0]) > 30
    assert columns[0] == columns[1]
    assert defaults[0] == defaults[1]
