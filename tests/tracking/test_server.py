"""A tracking server instead of the local store, named by its address."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tests.patience import PATIENCE
from tests.ports import free_port

from growthlab.cli.main import main

SHOP = ("data.users=150", "data.items=60", "data.days=150")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real tracking server with one worker."""
    folder = tmp_path_factory.mktemp("server")
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db"]
    command += ["--artifacts-destination", str(folder / "kept")]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    log = (folder / "log.txt").open("w")
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **quiet, "PATH": path}, stdout=log, stderr=log
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert process.poll() is None, (folder / "log.txt").read_text()
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health"):
                break
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)
        log.close()


def test_runs_bundles_and_registry_are_on_the_server(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", str(tmp_path / "key"))
    words = ["tracking=server", f"tracking.uri={server}", "metrics=[ranking/ndcg]"]
    with contextlib.chdir(tmp_path):
        assert main(["compare", "models=[popularity]", *SHOP, *words]) == 0
        assert f"look: {server}" in capsys.readouterr().out
        assert main(["export", *words]) == 0
    client = MlflowClient(server, server)
    champion = client.get_model_version_by_alias("simulated_shop-top_n", "champion")
    assert champion.tags["model"] == "popularity"
    assert (tmp_path / "bundles" / "simulated_shop-top_n" / "manifest.json").exists()
    assert not (tmp_path / "mlflow.db").exists()
    assert not (tmp_path / "mlruns").exists()
