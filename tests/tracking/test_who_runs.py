"""Who began a run, where, with which code and by which command, on every run of every command."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tests.new_stores import CopiedStores

import growthlab
from growthlab.core.running_command import running
from growthlab.tracking.run_clock import new_run
from growthlab.tracking.who_runs import current_command, who_runs

PACKAGE = Path(growthlab.__file__).parent
MAY_CREATE = {
    "tracking/run_clock.py",
    "tracking/outbox_calls.py",
}  # the second sends what the first made


def test_a_run_says_who_began_it_where_with_which_code_and_how(
    tmp_path: Path, copied_stores: CopiedStores
) -> None:
    client = MlflowClient(copied_stores.uri(tmp_path))
    with running(["plan", "tracking.uri=http://me:hush@host:5000", "name=spring sale"]):
        run_id = new_run(client, "0", "a", {"kind": "plan"})
    tags = client.get_run(run_id).data.tags
    assert tags["mlflow.user"].endswith(f"@{socket.gethostname()}")
    assert tags["host"] == socket.gethostname()
    assert tags["code_version"] == "tested"
    assert (
        tags["command"] == "growthlab plan tracking.uri=http://me:***@host:5000 'name=spring sale'"
    )


def test_every_run_of_the_package_is_created_in_one_place() -> None:
    creates = re.compile(r"\bcreate_run\(|\bstart_run\(|mlflow\.run\(")
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if creates.search(path.read_text())
    }
    assert found == MAY_CREATE


def test_a_command_inside_another_is_named_itself() -> None:
    with running(["grow", "data=shop"]):
        with running(["compare", "task=churn"]):
            assert current_command() == "growthlab compare task=churn"
        assert current_command() == "growthlab grow data=shop"


def test_from_python_the_script_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/srv/jobs/nightly.py", "--token=hush"])
    assert who_runs()["command"] == "nightly.py --token=***"
