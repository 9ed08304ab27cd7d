"""A store that another process has locked is waited for, with one line, up to a bound."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from growthlab.core.storage_faults import storage_fault
from growthlab.search.study_store import StudyStore
from growthlab.tracking import patient_sqlite
from growthlab.tracking.patient_sqlite import wait_for_locked
from growthlab.tracking.store import Store

MODES = ("EXCLUSIVE", "IMMEDIATE")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A new store."""
    store = Store(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "artifacts"))
    assert store.experiment("shop/churn")
    return store


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound of a second, and a line at once."""
    monkeypatch.setattr(patient_sqlite, "PATIENCE", 1.0)
    monkeypatch.setattr(patient_sqlite, "ANNOUNCED_AFTER", 0.0)


@contextmanager
def locked(path: Path, mode: str) -> Iterator[Callable[[], None]]:
    """Lock a database as another process would; the function releases it."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        if mode == "READ":  # a reader in the middle of its rows: nobody can commit
            rows = other.execute("SELECT name FROM sqlite_master")
            rows.fetchone()
            release = rows.close
        else:
            other.execute(f"BEGIN {mode}")
            release = other.rollback
        yield release
        release()


def waiting_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if "is locked by" in r.getMessage()]


@pytest.mark.parametrize("mode", [*MODES, "READ"])
def test_a_locked_store_is_waited_for_with_one_line(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    run = store.client.create_run(store.experiment("shop/churn"))
    wait, announced = 2 * patient_sqlite.POLL_SECONDS, patient_sqlite.ANNOUNCED_AFTER
    patient_sqlite.ANNOUNCED_AFTER = 0.0
    caplog.set_level(logging.WARNING)
    try:
        with locked(tmp_path / "mlflow.db", mode) as release:
            threading.Timer(wait, release).start()
            store.client.set_tag(run.info.run_id, "kind", "model")
            store.client.log_metric(run.info.run_id, "epochs", 3)
    finally:
        patient_sqlite.ANNOUNCED_AFTER = announced
    run = store.client.get_run(run.info.run_id)
    assert run.data.tags["kind"] == "model"
    assert run.data.metrics == {"epochs": 3.0}
    assert waiting_lines(caplog) == [
        f"{tmp_path / 'mlflow.db'} is locked by another process: waiting up to 5 minutes"
    ]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("mode", MODES)
def test_a_lock_beyond_the_bound_is_one_line_that_says_what_to_do(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    run_id = store.client.create_run(store.experiment("shop/churn")).info.run_id
    with locked(tmp_path / "mlflow.db", mode):
        for _ in range(2):  # the second is not waited for again
            with pytest.raises(Exception, match="locked") as caught:
                store.client.set_tag(run_id, "kind", "model")
            line = storage_fault(caught.value)
            assert line is not None
            assert line.startswith(f"{tmp_path / 'mlflow.db'} has been locked by another process")
            assert "(fuser " in line
            assert line.endswith("run the same command again; what it had finished is kept")
    assert capsys.readouterr().err == ""  # nothing of MLflow's own
    store.client.set_tag(run_id, "kind", "model")
    assert store.client.get_run(run_id).data.tags["kind"] == "model"


@pytest.mark.usefixtures("impatient")
def test_a_store_that_is_locked_when_it_is_opened_is_no_wrong_setting(
    store: Store, tmp_path: Path
) -> None:
    with (
        locked(tmp_path / "mlflow.db", "EXCLUSIVE"),
        pytest.raises(Exception, match="locked") as caught,
    ):
        _ = Store(f"sqlite:///{tmp_path}/mlflow.db").experiment("shop/value")
    assert "has been locked by another process" in (storage_fault(caught.value) or "")


@pytest.mark.parametrize("mode", [*MODES, "READ"])
def test_a_locked_storage_of_studies_is_waited_for(tmp_path: Path, mode: str) -> None:
    import optuna

    path = tmp_path / "studies.db"
    studies = StudyStore(f"sqlite:///{path}", tmp_path / "studies.journal")
    study = optuna.create_study(storage=studies.storage, study_name="drill")
    with locked(path, mode) as release:
        threading.Timer(2 * patient_sqlite.POLL_SECONDS, release).start()
        trial = study.ask()
        study.tell(trial, 0.5)
    assert [t.value for t in study.trials] == [0.5]
    studies.close()


def test_rows_that_met_a_lock_are_written_once(tmp_path: Path) -> None:
    path = tmp_path / "rows.db"
    wait_for_locked(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE rows (n INTEGER PRIMARY KEY)"))
    with locked(path, "EXCLUSIVE") as release, engine.connect() as connection:
        threading.Timer(2 * patient_sqlite.POLL_SECONDS, release).start()
        rows = [{"n": n} for n in range(10_000)]
        connection.execute(text("INSERT INTO rows VALUES (:n)"), rows)
        connection.commit()
        assert connection.execute(text("SELECT count(*) FROM rows")).scalar() == 10_000
    engine.dispose()


def test_databases_of_others_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    wait_for_locked(tmp_path / "ours.db")
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 0})
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE rows (n INTEGER)"))
    with (
        locked(path, "EXCLUSIVE"),
        pytest.raises(OperationalError, match="database is locked"),
        engine.connect() as connection,
    ):
        connection.execute(text("INSERT INTO rows VALUES (1)"))
    engine.dispose()
