"""The worst requests of every kind that fit into the limit: what each costs the service."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tests.drills.costly_bodies import (
    MOST_BYTES,
    N_ITEMS,
    Shop,
    cases_of,
    numbered,
    on_the_wire,
)

pytestmark = pytest.mark.drill

MOST_CPU_SECONDS, MOST_MB, MOST_READY_MS = 0.25, 64, 100
MOST_GROWTH_MB = 128  # after all of them: what was freed may still be held
TRIES = 3  # the processors are shared: the best counts
NEIGHBOURS, N_USERS = 100, 2_000
MOST_ANSWER_BYTES = 2**20
PATHS = ("/recommend", "/similar", "/churn", "/value", "/batch", "/feedback")
OPERATIONS = ("/health", "/ready", "/metrics", "/version", "/openapi.json", "/docs", "/nowhere")


@pytest.fixture(scope="module")
def shop_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,000 items with 100 neighbours each, and 20,000 names of categories."""
    from scipy.sparse import csr_matrix

    from growthlab.bundle.manifest import Provenance
    from growthlab.core.histories import Catalogue, Histories
    from growthlab.export.write_bundle import write_recommender
    from growthlab.scorers.item_weights import ItemWeights
    from growthlab.tasks.top_n import TopN

    rng = np.random.default_rng(0)
    names = np.array(Shop().items)
    catalogue = Catalogue(
        names,
        category=np.array([f"s{j:06d} > c{j:06d}" for j in range(N_ITEMS)]),
        price=rng.random(N_ITEMS, dtype=np.float32),
        in_stock=np.ones(N_ITEMS, dtype=bool),
    )
    columns = np.sort(rng.integers(0, N_ITEMS, (N_ITEMS, NEIGHBOURS)), axis=1).ravel()
    starts = np.arange(0, len(columns) + 1, NEIGHBOURS)
    values = rng.random(len(columns), dtype=np.float32)
    weights = csr_matrix((values, columns, starts), shape=(N_ITEMS, N_ITEMS))
    weights.sum_duplicates()
    rows = np.repeat(np.arange(N_USERS), 20)
    bought = rng.integers(0, N_ITEMS, len(rows))
    users = np.array([f"u{j:06d}" for j in range(N_USERS)])
    past = Histories.from_events(catalogue, users, rows, bought, np.arange(len(rows)))
    about = Provenance(
        task="top_n",
        answer=TopN.answer,
        model="item_knn",
        data="made",
        data_digest="0" * 64,
        split="global_time",
        filter_seen="purchased",
    )
    folder = tmp_path_factory.mktemp("costly") / "top_n"
    sold = np.bincount(bought, minlength=N_ITEMS)
    return write_recommender(folder, ItemWeights(weights), about, histories=past, fallback=sold)


@dataclass
class Cost:
    """What a request cost the service."""

    path: str
    about: str
    n_bytes: int
    status: int = 0
    answer_bytes: int = 0
    cpu_seconds: float = np.inf
    mb: float = np.inf
    ready_ms: float = np.inf

    def better(self, other: Cost) -> Cost:
        """The lower of both costs."""
        return Cost(
            self.path,
            self.about,
            self.n_bytes,
            other.status,
            other.answer_bytes,
            min(self.cpu_seconds, other.cpu_seconds),
            min(self.mb, other.mb),
            min(self.ready_ms, other.ready_ms),
        )

    @property
    def is_fine(self) -> bool:
        """Whether it is within the bounds."""
        return (
            self.cpu_seconds < MOST_CPU_SECONDS
            and self.mb < MOST_MB
            and self.ready_ms < MOST_READY_MS
        )

    def line(self) -> str:
        """A row of the table."""
        return (
            f"| {self.path} | {self.about} | {self.n_bytes:,} | {self.status} "
            f"| {self.answer_bytes:,} | {self.cpu_seconds:.2f} | {self.mb:.1f} | {self.ready_ms:.0f} |"
        )


class ReadyWatch:
    """Asks ``/ready`` again and again on a connection of its own, and keeps the longest wait."""

    def __init__(self, port: int) -> None:
        self.longest = 0.0
        self._port = port
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._ended.wait(0.003):
            started = time.perf_counter()
            connection.request("GET", "/ready")
            assert connection.getresponse().read() == b'{"ready":true}'
            self.longest = max(self.longest, time.perf_counter() - started)
        connection.close()

    def stop(self) -> float:
        """The longest wait in milliseconds."""
        self._ended.set()
        self._thread.join()
        return 1000 * self.longest


def send_raw(port: int, sent: bytes) -> tuple[int, int]:
    """Status and size of the answers until the service closes the connection or says no more."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        with suppress(ConnectionError):  # closed while we were sending: it has answered before
            connection.sendall(sent)
        try:
            while part := connection.recv(65_536):
                said += part
        except (ConnectionError, TimeoutError):
            pass
    return int(said.split()[1]) if said else 0, len(said)


def send(port: int, method: str, path: str, body: bytes) -> tuple[int, int]:
    """Status and size of the answer; 0 where the connection was closed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, len(answer.read())
    except (ConnectionError, http.client.HTTPException):
        return 0, 0
    finally:
        connection.close()


def measured(
    process: psutil.Process, port: int, method: str, path: str, about: str, body: bytes
) -> Cost:
    """The cost of a request; without a method, of bytes on a connection.

    It is tried again where another process may have had a part in it.
    """
    cost = Cost(f"{method} {path}", about, len(body))
    for _ in range(TRIES):
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # resets the peak
        memory, cpu = process.memory_info().rss, sum(process.cpu_times()[:2])
        watch = ReadyWatch(port)
        status, size = send(port, method, path, body) if method else send_raw(port, body)
        time.sleep(0.02)
        ready_ms = watch.stop()
        seconds = sum(process.cpu_times()[:2]) - cpu
        cost = cost.better(
            Cost(path, about, 0, status, size, seconds, peak(process) - memory / 2**20, ready_ms)
        )
        if cost.is_fine:
            break
    return cost


def peak(process: psutil.Process) -> float:
    """The most memory that a process held, in MB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def test_no_request_costs_more_than_it_is_worth(
    shop_bundle: Path,
    bundle_of: Callable[..., Path],
    served: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    churn, value = bundle_of("churn", "churn/lightgbm"), bundle_of("value", "value/bg_nbd")
    service = served(shop_bundle, churn, value)
    port = service.client.base_url.port
    document = service.client.get("/openapi.json").json()
    parts, shop, costs = document["components"]["schemas"], Shop(), []
    for path in 5 * PATHS:
        send(port, "POST", path, b"{}")
    base = service.process.memory_info().rss / 2**20

    def measure(*request: Any) -> None:
        costs.append(measured(service.process, port, *request))
        with capsys.disabled():
            print(costs[-1].line(), flush=True)

    with capsys.disabled():
        print("\n| path | request | bytes | status | answer | CPU s | MB | /ready ms |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for path in PATHS:
        content = document["paths"][path]["post"]["requestBody"]["content"]
        schema = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
        fields = list(parts[schema]["properties"])
        for about, body in cases_of(path, fields, shop):
            assert len(body) <= MOST_BYTES, about
            measure("POST", path, about, body)
    for path in OPERATIONS:
        for method in ("GET", "POST"):
            body = numbered(b"{", b'"f%d":0', b"}") if method == "POST" else b""
            measure(method, path, "any", body)
    for about, sent in on_the_wire():
        measure("", "", about, sent)
    grown = service.process.memory_info().rss / 2**20 - base
    with capsys.disabled():
        print(f"{len(costs)} requests; the memory held grew by {grown:.0f} MB")
    assert service.is_healthy()
    assert grown < MOST_GROWTH_MB
    assert [cost.line() for cost in costs if not cost.is_fine] == []
    answered = [cost for cost in costs if cost.path.strip()]
    assert [c.line() for c in answered if c.status not in (200, 202, 404, 405, 422)] == []
    large = [
        c for c in costs if c.answer_bytes > MOST_ANSWER_BYTES and not c.path.endswith("/batch")
    ]
    assert [cost.line() for cost in large] == []  # the k of a batch may ask for more
