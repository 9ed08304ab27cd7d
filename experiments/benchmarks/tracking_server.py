"""A team's tracking server under load: many children at once, and a server that is away in between.

    python experiments/benchmarks/tracking_server.py [--children 200] [--away 60] [--csv FILE]

Starts the parts of ``make server`` from packages in a temporary folder. Each child is a thread with a
client of its own, as a process of another machine would have: it begins a run, logs 40 parameters and
36 metrics, uploads a page of 200 kB and a bundle of 1 MB in five files, and ends the run. All begin together.
In the last part the server is stopped as soon as half of the children have begun, and started again after
`--away` seconds. At the end every run is counted and read back.
"""

from __future__ import annotations

import argparse
import csv
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from deploy.server_parts import BUCKET, TrackingServer  # noqa: E402

from growthlab.core.endings import end_command  # noqa: E402
from growthlab.tracking.run_clock import end_run, new_run  # noqa: E402
from growthlab.tracking.run_files import artifact_folder, log_metrics, log_params  # noqa: E402
from growthlab.tracking.store import Store  # noqa: E402

N_PARAMS, N_METRICS, N_FILES = 40, 36, 5
PAGE, FILE = 200_000, 200_000  # bytes


def child(store: Store, experiment: str, number: int, begun: Callable[[], None]) -> None:
    """The run of one child."""
    client = store.client
    run_id = new_run(client, experiment, f"child {number}", {"number": str(number)})
    begun()
    log_params(client, run_id, {f"p{k}": k for k in range(N_PARAMS)})
    with artifact_folder(client, run_id) as folder:
        (folder / "page.html").write_bytes(bytes([65 + number % 20]) * PAGE)
        (folder / "bundle").mkdir()
        for k in range(N_FILES):
            (folder / "bundle" / f"{k}.bin").write_bytes(os.urandom(FILE))
    log_metrics(client, run_id, {f"m{k}": number + k for k in range(N_METRICS)})
    end_run(client, run_id, "FINISHED")


def processor_seconds(server: TrackingServer) -> float:
    """What the processes of the server have used so far, those of PostgreSQL included."""
    mine, total = str(server.folder), 0.0
    numbers = [number for number, _ in server.state.values()]
    for process in psutil.process_iter(["pid", "cmdline"]):
        if process.pid in numbers or mine in " ".join(process.info["cmdline"] or []):
            for each in [process, *process.children(recursive=True)]:
                times = each.cpu_times()
                total += times.user + times.system
    return total


def measure(
    server: TrackingServer, n: int, artifacts: str | None, away: float | None
) -> dict[str, object]:
    """One part of the benchmark: seconds, processor seconds, and what is there in the end."""
    name = f"load/{'direct' if artifacts else 'through'}{'' if away is None else '-away'}"
    stores = [Store(server.uri, artifacts) for _ in range(n)]
    experiment = stores[0].experiment(name)
    together, half = threading.Barrier(n + 1), threading.Semaphore(0)
    errors: list[str] = []

    def work(number: int) -> None:
        stores[number].experiment(name)
        together.wait()
        try:
            child(stores[number], experiment, number, half.release)
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}"[:200])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(n)]
    for thread in threads:
        thread.start()
    together.wait()
    before, own, began = processor_seconds(server), time.process_time(), time.perf_counter()
    if away is not None:
        for _ in range(n // 2):
            half.acquire()
        server.stop_part("mlflow")
        time.sleep(away)
        server.start()
    for thread in threads:
        thread.join()
    at_work = time.perf_counter() - began
    end_command()
    client = stores[0].client
    runs = client.search_runs([experiment], max_results=5_000)
    whole = [r for r in runs if len(r.data.metrics) == N_METRICS and len(r.data.params) == N_PARAMS]
    pages = [r for r in runs if len(client.list_artifacts(r.info.run_id, "bundle")) == N_FILES]
    return {
        "files": "direct" if artifacts else "through the server",
        "away_seconds": away or 0,
        "children": n,
        "seconds": round(at_work, 1),
        "seconds_until_all_is_sent": round(time.perf_counter() - began, 1),
        "client_cpu_seconds": round(time.process_time() - own, 1),
        "server_cpu_seconds": "" if away else round(processor_seconds(server) - before, 1),
        "errors": len(errors),
        "runs": len(runs),
        "finished_and_whole": len([r for r in whole if r.info.status == "FINISHED"]),
        "with_all_files": len(pages),
        "first_error": errors[0] if errors else "",
    }


def main() -> None:
    """Measure, print a line a part, and append the lines to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--children", type=int, default=200)
    parser.add_argument("--away", type=float, default=60.0, help="seconds")
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="growthlab-server-"))
    folder.chmod(0o711)
    server = TrackingServer(folder, port=0, s3_port=0)
    try:
        server.start()
        os.environ.update(server.client_environment, GROWTHLAB_OUTBOX=str(folder / "outbox"))
        del os.environ["MLFLOW_TRACKING_URI"]
        direct = f"s3://{BUCKET}/direct"
        for artifacts, away in ((None, None), (direct, None), (None, given.away)):
            row = measure(server, given.children, artifacts, away)
            print(row, flush=True)
            if given.csv:
                is_new = not given.csv.exists()
                with given.csv.open("a", newline="") as file:
                    writer = csv.DictWriter(file, list(row))
                    if is_new:
                        writer.writeheader()
                    writer.writerow(row)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
