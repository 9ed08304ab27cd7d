"""How soon MLflow's page shows the runs of an experiment, from the links that commands print.

Usage: python experiments/benchmarks/runs_page.py [--runs 500] [--times 5] [--keep FOLDER]

One comparison of four models is run; its runs, with their metrics, settings and tags, are logged again
until the experiment has as many as asked for. MLflow's page is started, and each saved view is opened in
headless Chromium several times, each in a browser of its own: seconds until the table shows a row, on
the clock, and of all processors by the server and the browser.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import RunData

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from tests.chromium import Chromium, find_chromium  # noqa: E402

from growthlab.tracking.run_clock import end_run, new_run  # noqa: E402
from growthlab.tracking.run_files import log_metrics, log_params  # noqa: E402
from growthlab.tracking.saved_views import COMPARISONS, MODELS, NEWEST  # noqa: E402
from growthlab.tracking.store import Store  # noqa: E402

PARENT = "mlflow.parentRunId"
OWN_TAGS = ("mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.runName", PARENT)
SETTINGS = ("models=[popularity,personal_frequency,item_knn,markov]", "data.users=300")
ROWS = "document.querySelectorAll('.ag-center-cols-container .ag-row .ag-cell').length"
PATIENCE = 600


def main() -> None:
    """Make the store where it is missing, and measure each view."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument(
        "--keep", type=Path, help="work in this folder; a store there is used again"
    )
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="runs-page-"))
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    if not Path("mlflow.db").exists():
        words = [sys.executable, "-m", "growthlab", "compare", *SETTINGS]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = Store().client
    (experiment,) = client.search_experiments(filter_string="name = 'simulated_shop/top_n'")
    number = experiment.experiment_id
    log_again(number, options.runs)
    runs = client.search_runs([number], max_results=1)[0]
    print(f"{len(runs.data.metrics)} metrics, {len(runs.data.params)} settings in a child's run")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = serve(port)
    try:
        for view in (COMPARISONS, NEWEST, MODELS):
            place = f"runs?viewStateShareKey={view}&workflowType=machine_learning"
            address = f"http://127.0.0.1:{port}/#/experiments/{number}/{place}"
            report(view, [opened(address, server) for _ in range(options.times)])
    finally:
        for process in (*server.children(recursive=True), server):
            process.terminate()


def log_again(experiment: str, n_runs: int) -> None:
    """Log the first comparison again, parent and children, until there are so many runs."""
    client = Store().client
    first = client.search_runs([experiment], order_by=["start_time ASC"], max_results=5)
    n_there = len(client.search_runs([experiment], max_results=n_runs))
    while n_there < n_runs:
        parent = ""
        for run in first[: n_runs - n_there]:
            data = run.data
            tags = {k: v for k, v in data.tags.items() if not k.startswith(OWN_TAGS)}
            above = {PARENT: parent} if PARENT in data.tags else {}
            name = data.tags["mlflow.runName"]
            run_id = new_run(client, experiment, name, {**tags, **above})
            parent = parent if above else run_id
            log_all(client, run_id, data)
            end_run(client, run_id, "FINISHED")
            n_there += 1
    print(f"{n_there} runs")


def log_all(client: MlflowClient, run_id: str, data: RunData) -> None:
    """The metrics and settings of another run."""
    log_metrics(client, run_id, data.metrics)
    log_params(client, run_id, data.params)


def serve(port: int) -> psutil.Popen:
    """MLflow's page on the store of this folder, once it answers."""
    words = (*("-m", "mlflow", "ui", "--backend-store-uri"), "sqlite:///mlflow.db", "--port")
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with Path("server.log").open("w") as log:
        server = psutil.Popen(
            [sys.executable, *words, str(port)], env={**os.environ, **quiet}, stdout=log, stderr=log
        )
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.1)
    raise RuntimeError(Path("server.log").read_text())


def opened(address: str, server: psutil.Process) -> tuple[float, float, int]:
    """Seconds until the table has a row, processor seconds, and how many rows the window then shows."""
    with Chromium(find_chromium(), patience=PATIENCE) as browser:
        browser.resize(1280, 860)
        used = psutil.Process()
        before, began = cpu_seconds(server) + cpu_seconds(used), time.perf_counter()
        browser.open(address)
        browser.wait_for(ROWS)
        seconds = time.perf_counter() - began
        spent = cpu_seconds(server) + cpu_seconds(used) - before
        rows = "document.querySelectorAll('.ag-center-cols-container .ag-row').length"
        return seconds, spent, browser.evaluate(rows)


def cpu_seconds(process: psutil.Process) -> float:
    """What a process and its descendants have used so far."""
    every = [process, *process.children(recursive=True)]
    times = [each.cpu_times() for each in every]
    return sum(t.user + t.system for t in times)


def report(view: str, opens: Sequence[tuple[float, float, int]]) -> None:
    """A line of the view: median, fastest and slowest."""
    seconds, spent, rows = zip(*opens, strict=True)
    print(
        f"{view}: {statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f}), "
        f"{statistics.median(spent):.1f} processor seconds, {max(rows)} rows seen",
        flush=True,
    )


if __name__ == "__main__":
    main()
