"""A study on PostgreSQL, on a server that the tests start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import optuna
import pytest
from tests.cli.conftest import SHOP, Workspace
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.postgresql import postgresql_server

from growthlab.search.study_store import StudyStore

WORDS = ("tune", "model=recommend/markov", *SHOP, "metrics=[ranking/ndcg]", "experiments=null")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a database on a new server."""
    with postgresql_server() as port:
        yield f"postgresql+psycopg://tester:secret@127.0.0.1:{port}/postgres"


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
