"""The store is made once, whole, whoever comes first; what is about a run says so."""

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

from growthlab.core.errors import ConfigError
from growthlab.tracking.checkpoints import Checkpoints
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.process_identity import is_alive, this_process
from growthlab.tracking.store import Store, code_version

OPEN = (
    "from growthlab.tracking.store import Store; "
    "store = Store('sqlite:///mlflow.db'); "
    "print(store.experiment('shop/top_n'))"
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_processes_that_open_a_fresh_store_at_once_share_one(here: Path) -> None:
    def open_it(_: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", OPEN]
        return subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(open_it, range(3)))
    assert [d.returncode for d in done] == [0, 0, 0], done[0].stderr
    assert len({d.stdout for d in done}) == 1  # one experiment
    with closing(sqlite3.connect(here / "mlflow.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = store.execute("SELECT name FROM experiments ORDER BY name").fetchall()
    assert names == [("Default",), ("shop/top_n",)]


def test_what_a_killed_process_left_of_a_store_is_cleared_away(here: Path) -> None:
    (here / "mlflow.db.123.partial").write_bytes(b"half a store")
    (here / "mlflow.db.123.partial-journal").write_bytes(b"")
    assert Store().experiment("shop/churn")
    assert sorted(p.name for p in here.iterdir()) == ["mlartifacts", "mlflow.db", "mlflow.db.lock"]


def test_artifacts_lie_in_folders_that_people_can_read(here: Path) -> None:
    store = Store()
    experiment = store.client.get_experiment(store.experiment("shop/value"))
    assert experiment.artifact_location == (here / "mlartifacts" / "shop" / "value").as_uri()


def test_a_store_is_the_same_after_the_working_directory_changed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Store()
    number = first.experiment("shop/top_n")
    other = here / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    assert Store().client.get_experiment_by_name("shop/top_n") is None
    again = Store(f"sqlite:///{here}/mlflow.db")
    assert again.experiment("shop/top_n") == number


def test_a_file_that_is_no_store_is_one_line(here: Path) -> None:
    (here / "mlflow.db").write_text("a letter to a friend")
    with pytest.raises(
        ConfigError, match=r"the MLflow store sqlite:///mlflow\.db cannot be opened"
    ):
        _ = Store().client


def test_what_must_be_there_is_asked_for_without_making_it(here: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"rerun=1: there is no MLflow store sqlite:///mlflow\.db"
    ):
        Store().require("rerun=1")
    assert list(here.iterdir()) == []


def test_a_server_is_looked_at_by_its_address_and_a_file_by_a_command() -> None:
    assert Store("http://127.0.0.1:5000").how_to_look == "http://127.0.0.1:5000"
    assert Store().how_to_look == "mlflow ui --backend-store-uri sqlite:///mlflow.db"


def test_the_code_version_may_be_said_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROWTHLAB_CODE_VERSION", "image 7")
    code_version.cache_clear()
    assert code_version() == "image 7"
    monkeypatch.delenv("GROWTHLAB_CODE_VERSION")
    code_version.cache_clear()
    found = code_version()
    code_version.cache_clear()
    assert found.split("+")[0].replace(".", "").isalnum()


def test_this_process_is_alive_and_another_with_its_number_is_not() -> None:
    host, number, started = this_process().rsplit(":", 2)
    assert is_alive(this_process())
    assert int(number) == os.getpid()
    assert not is_alive(f"{host}:{number}:{int(started) - 5}")
    assert not is_alive(f"elsewhere:{number}:{started}")
    assert not is_alive("")
    assert host == socket.gethostname()


def test_a_process_that_ended_is_not_alive() -> None:
    said = "from growthlab.tracking.process_identity import this_process; print(this_process())"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert not is_alive(done.stdout.strip())


def test_a_checkpoint_folder_is_used_by_one_at_a_time(here: Path) -> None:
    first, second = Checkpoints(here / "c"), Checkpoints(here / "c")
    folder = first.claim("question")
    assert folder is not None
    assert second.claim("question") is None
    assert second.claim("another") not in (None, folder)
    second.remove()
    folder.mkdir()
    (folder / "training.npz").write_bytes(b"")
    first.release()
    assert second.claim("question") == folder
    assert (folder / "training.npz").exists()
    second.remove()
    assert not (here / "c").exists()


def test_a_lineage_says_what_a_run_is_about() -> None:
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
