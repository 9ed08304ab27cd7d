"""The service under load, beside ``mlflow models serve`` of the same model: latency and throughput.

    python experiments/benchmarks/serving.py [--seconds 60] [--only small,large] [--csv FILE]

Needs `wrk` (Debian: apt-get install wrk), which sends the requests from outside, and an otherwise
idle machine: the load, both services and nothing else share its processors. Made bundles: item_knn
of 10,000 items with 100 neighbours each, and als of 1,000,000 items with 64 factors and an
approximate index; 20,000 known customers with 20 purchases each.

At a constant rate a request is sent when it is due, whether or not those before are answered. The
throughput is that of 32 connections that ask again once answered, in turns with the other service.
Requests a second of processor time (of the server's processes) say the same on a busy machine.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from scipy.sparse import csr_matrix

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Provenance
from growthlab.core.histories import Catalogue, Histories
from growthlab.export.build_item_index import add_index
from growthlab.export.write_bundle import write_recommender
from growthlab.scorers.folded_factors import FoldedFactors
from growthlab.scorers.item_weights import ItemWeights
from growthlab.scorers.ridge import Ridge
from growthlab.tasks.top_n import TopN

LOAD = Path(__file__).with_suffix(".lua")
SMALL, LARGE = 10_000, 1_000_000  # items
N_USERS, N_EVENTS = 20_000, 20  # customers, purchases of each
NEIGHBOURS, WIDTH = 100, 64
RATE, RATE_LARGE = 200, 10  # requests a second
CONNECTIONS = 32  # of the throughput
# of a constant rate: more than are ever under way, and each is used before it is closed as idle
OPEN_CONNECTIONS, OPEN_LARGE = 256, 32
ROUNDS = 2
COLUMNS = (
    "case", "service", "rate", "requests_s", "cpu_requests_s", "p50_ms", "p90_ms", "p99_ms",
    "p999_ms", "max_ms", "refused_share", "broken", "note",
)  # fmt: skip


@dataclass
class Server:
    """A service in processes of its own."""

    name: str
    port: int
    process: psutil.Process
    ready_seconds: float

    def cpu(self) -> float:
        """Seconds of processor time so far, with its workers'."""
        every = [self.process, *self.process.children(recursive=True)]
        return sum(sum(p.cpu_times()[:2]) for p in every)

    def load(self, seconds: float, rate: float, connections: int, *headers: str) -> dict[str, Any]:
        """What wrk says of `seconds` of requests at `rate` a second, 0 being as fast as may be."""
        before, address = self.cpu(), f"http://127.0.0.1:{self.port}"
        wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "30s"]
        done = subprocess.run(
            [*wrk, "-s", str(LOAD), address, "--", str(rate), self.name, str(N_USERS), *headers],
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found | {"cpu": self.cpu() - before}


def main() -> None:
    """Measure, print the table, write it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="of each measurement")
    parser.add_argument("--only", default="small,overload,unkept,large", help="cases, by comma")
    parser.add_argument("--csv", type=Path, default=Path(__file__).with_suffix(".csv"))
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    rows: list[dict[str, Any]] = []
    cases = {"small": small, "overload": overload, "unkept": unkept, "large": large}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GROWTHLAB_KEY_FILE"] = str(Path(folder) / "pseudonym.key")
        for name in given.only.split(","):
            rows += cases[name](Path(folder), given.seconds)
    with given.csv.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    show(rows)


def small(folder: Path, seconds: float) -> list[dict[str, Any]]:
    """10,000 items: both services at 200 requests a second, and as fast as they can in turns."""
    bundle = bundle_of(folder, SMALL)
    rows = []
    with growthlab(folder, bundle) as ours, mlflow(folder, bundle) as theirs:
        both = (ours, theirs)
        for server in both:
            server.load(5, 0, CONNECTIONS)  # warm
        for server in both:
            found = server.load(seconds, RATE, OPEN_CONNECTIONS)
            note = f"ready after {server.ready_seconds:.2f} s"
            rows.append(row("10,000 items", server.name, RATE, [found], note))
        runs: dict[str, list[dict[str, Any]]] = {server.name: [] for server in both}
        for _ in range(ROUNDS):
            for server in both:
                runs[server.name].append(server.load(seconds / ROUNDS, 0, CONNECTIONS))
        rows += [row("10,000 items", name, "all it can", found) for name, found in runs.items()]
    for column in ("requests_s", "cpu_requests_s"):
        rows[-2]["note"] += f" {column} {rows[-2][column] / rows[-1][column]:.1f} x mlflow;"
    return rows


def overload(folder: Path, seconds: float) -> list[dict[str, Any]]:
    """10,000 items at twice what the service sustains: some are refused, the others answered in time."""
    with growthlab(folder, bundle_of(folder, SMALL)) as ours:
        ours.load(5, 0, CONNECTIONS)
        found = ours.load(max(seconds / 4, 3), 0, CONNECTIONS)
        most = found["requests"] / found["seconds"]
        twice, before = round(2 * most), Answered.of(ours)
        run = ours.load(seconds / 2, twice, OPEN_CONNECTIONS)
        n = run["requests"] - run["refused"]
        note = (
            f"it sustains {most:.0f}; answered {n / run['seconds']:.0f} a second, "
            f"{Answered.of(ours).share_since(before):.2%} of them within 0.1 s"
        )
        return [row("10,000 items, twice its load", ours.name, twice, [run], note)]


def unkept(folder: Path, seconds: float) -> list[dict[str, Any]]:
    """10,000 items, asked by clients that open a connection for each request."""
    with growthlab(folder, bundle_of(folder, SMALL)) as ours:
        ours.load(5, 0, CONNECTIONS)
        run = ours.load(seconds / 4, 0, CONNECTIONS, "Connection: close")
        return [row("10,000 items, no connection kept", ours.name, "all it can", [run])]


def large(folder: Path, seconds: float) -> list[dict[str, Any]]:
    """1,000,000 items at 10 requests a second."""
    bundle = bundle_of(folder, LARGE)
    index = Bundle.load(bundle, verify=False).manifest.index
    recall = f"recall@10 {index['recall_at_10']:.3f}" if index else "exact"
    with growthlab(folder, bundle) as ours:
        ours.load(5, RATE_LARGE, OPEN_LARGE)
        found = ours.load(seconds, RATE_LARGE, OPEN_LARGE)
        note = f"{recall}; ready after {ours.ready_seconds:.2f} s"
        return [row("1,000,000 items", ours.name, RATE_LARGE, [found], note)]


def bundle_of(folder: Path, n_items: int) -> Path:
    """The bundle of a made shop, written once."""
    bundle = folder / f"bundle-{n_items}"
    if bundle.exists():
        return bundle
    rng = np.random.default_rng(0)
    items = np.array([f"i{j:07d}" for j in range(n_items)])
    users = np.array([f"u{j:06d}" for j in range(N_USERS)])
    rows = np.repeat(np.arange(N_USERS), N_EVENTS)
    bought = (n_items * rng.beta(0.6, 3, len(rows))).astype(int)  # some items sell much more
    past = Histories.from_events(Catalogue(items), users, rows, bought, np.arange(len(rows)))
    name, scorer = (
        ("item_knn", knn(n_items, rng)) if n_items == SMALL else ("als", als(n_items, rng))
    )
    about = Provenance(
        task="top_n",
        answer=TopN.answer,
        model=name,
        data="made",
        data_digest="0" * 64,
        split="global_time",
        filter_seen="purchased",
    )
    sold = np.bincount(bought, minlength=n_items)
    write_recommender(bundle, scorer, about, histories=past, fallback=sold)
    if n_items == LARGE:
        add_index(Bundle.load(bundle), above=SMALL)
    return bundle


def knn(n_items: int, rng: np.random.Generator) -> ItemWeights:
    """As many neighbours for every item."""
    columns = np.sort(rng.integers(0, n_items, (n_items, NEIGHBOURS)), axis=1).ravel()
    values = rng.random(len(columns), dtype=np.float32)
    starts = np.arange(0, len(columns) + 1, NEIGHBOURS)
    weights = csr_matrix((values, columns, starts), shape=(n_items, n_items))
    weights.sum_duplicates()
    return ItemWeights(weights)


def als(n_items: int, rng: np.random.Generator) -> FoldedFactors:
    """Factors about some hundred tastes, as those of real items lie in groups."""
    tastes = rng.standard_normal((500, WIDTH), dtype=np.float32)
    factors = tastes[rng.integers(0, len(tastes), n_items)]
    factors += 0.5 * rng.standard_normal((n_items, WIDTH), dtype=np.float32)
    return FoldedFactors(factors, Ridge(l2=1.0, unseen=0.1, frequency=0.0))


@contextmanager
def growthlab(folder: Path, bundle: Path) -> Iterator[Server]:
    """Our service of the bundle."""
    with server(
        "growthlab", folder, ["-m", "growthlab.serving", f"bundle={bundle}"], "/ready"
    ) as ours:
        yield ours


@contextmanager
def mlflow(folder: Path, bundle: Path) -> Iterator[Server]:
    """``mlflow models serve`` of the same bundle as a pyfunc."""
    from mlflow import MlflowClient

    from growthlab.registry.pyfunc import log_pyfunc

    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(uri)
    experiment = client.create_experiment("serving", artifact_location=(folder / "runs").as_uri())
    info = log_pyfunc(bundle, uri=uri, run_id=client.create_run(experiment).info.run_id)
    os.environ["MLFLOW_TRACKING_URI"] = uri
    words = ["-m", "mlflow", "models", "serve", "-m", info.model_uri, "--env-manager", "local"]
    with server("mlflow", folder, words, "/ping") as theirs:
        yield theirs


@contextmanager
def server(name: str, folder: Path, words: list[str], ping: str) -> Iterator[Server]:
    """A server on a free port from its start until it is stopped; it has answered `ping`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    last = ["-p", str(port)] if name == "mlflow" else [f"port={port}"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # mlflow starts uvicorn by name
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    started = time.perf_counter()
    with (folder / f"{name}.txt").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, *words, *last],
            env=os.environ | {"PATH": path} | threads,
            stdout=said,
            stderr=said,
        )
    try:
        while not answers(f"http://127.0.0.1:{port}{ping}"):
            if process.poll() is not None or time.perf_counter() - started > 300:
                raise SystemExit((folder / f"{name}.txt").read_text())
            time.sleep(0.02)
        yield Server(name, port, psutil.Process(process.pid), time.perf_counter() - started)
    finally:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.terminate()
            process.terminate()
            process.wait(30)


def answers(url: str) -> bool:
    """Whether a server is there and well."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Answered(NamedTuple):
    """Requests for lists that were let in so far, by the service's own count: quick ones, and all."""

    quick: int
    all: int

    @classmethod
    def of(cls, ours: Server) -> Answered:
        """As the service tells now; quick is within 0.1 s."""
        with urllib.request.urlopen(f"http://127.0.0.1:{ours.port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        found = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        name = 'growthlab_request_seconds_bucket{path="/recommend",le='
        return cls(*(int(found[f'{name}"{limit}"}}']) for limit in ("0.1", "+Inf")))

    def share_since(self, before: Answered) -> float:
        """The share of quick ones among those since `before`."""
        return (self.quick - before.quick) / (self.all - before.all)


def row(
    case: str, service: str, rate: float | str, runs: list[dict[str, Any]], note: str = ""
) -> dict[str, Any]:
    """A line of the table; of several runs their sums, and the worst of their latencies."""
    requests, seconds, cpu = (sum(r[n] for r in runs) for n in ("requests", "seconds", "cpu"))
    worst = {f"{n}_ms": max(r[n] for r in runs) for n in ("p50", "p90", "p99", "p999", "max")}
    return {
        "case": case,
        "service": service,
        "rate": rate,
        "requests_s": round(requests / seconds, 1),
        "cpu_requests_s": round(requests / cpu, 1),
        **{n: round(v, 2) for n, v in worst.items()},
        "refused_share": round(sum(r["refused"] for r in runs) / requests, 4),
        "broken": sum(r["broken"] for r in runs),
        "note": note,
    }


def show(rows: list[dict[str, Any]]) -> None:
    """The rows as a table in Markdown."""
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + " --- |" * len(COLUMNS))
    for each in rows:
        print("| " + " | ".join(str(each[c]) for c in COLUMNS) + " |")


if __name__ == "__main__":
    main()
