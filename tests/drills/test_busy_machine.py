"""From a run to a service next to twenty busy processes: the same verdicts as on a quiet machine."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.drill

N_BUSY = 20
LATENCY = re.compile(r"\| latency p50 ms \| pass \| ([\d.]+) \[")


@pytest.fixture
def busy() -> Iterator[Callable[[], None]]:
    """Start processes that do nothing but compute, until the test ends."""
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        work = "while True: sum(range(1000))"
        processes.extend(subprocess.Popen([sys.executable, "-c", work]) for _ in range(N_BUSY))

    yield start
    for process in processes:
        process.kill()
        process.wait()


def verdict(desk: Any, challenger: str) -> tuple[int, list[tuple[str, ...]], float]:
    """Status of a dry run, the name and result of each check, and the CPU ms of an answer."""
    status = desk.run("promote", "task=top_n", f"challenger={challenger}", "dry_run=true")
    checks = re.findall(r"^\| ([^|]+) \| (pass|FAIL) \|", desk.output, re.MULTILINE)
    (latency,) = LATENCY.findall(desk.output)
    return status, [(re.sub(r" \(.*", "", name), result) for name, result in checks], float(latency)


def test_verdicts_and_the_way_to_a_service_do_not_depend_on_the_load(
    desk: Any,
    shop_words: tuple[str, ...],
    busy: Callable[[], None],
    served: Callable[..., Any],
    tmp_path: Path,
) -> None:
    models = "models=[popularity,personal_frequency,item_knn]"
    assert desk.run("compare", "task=top_n", models, *shop_words) == 0, desk.output
    runs = dict(
        desk.query(
            "SELECT m.value, m.run_uuid FROM tags m JOIN tags k ON k.run_uuid = m.run_uuid "
            "WHERE m.key = 'model' AND k.key = 'kind' AND k.value = 'model'"
        )
    )
    quiet = {model: verdict(desk, run) for model, run in runs.items()}
    assert {status for status, *_ in quiet.values()} == {0, 1}  # one may be first, others not
    busy()
    loaded = {model: verdict(desk, run) for model, run in runs.items()}
    for model, (status, checks, latency) in quiet.items():
        print(f"{model}: CPU ms of an answer {latency} quiet, {loaded[model][2]} loaded")
        assert loaded[model][:2] == (status, checks)
    assert desk.run("export", "task=top_n") == 0, desk.output
    assert "(champion: there was none)" in desk.output
    uri = "model_uri=models:/simulated_shop-top_n@champion"
    live = tmp_path / "live"
    assert desk.run("fetch", uri, f"to={live / 'top_n'}") == 0, desk.output
    service = served(live / "top_n")
    answer = service.client.post("/recommend", json={"user_id": "u000017", "k": 3})
    assert answer.status_code == 200
    assert len(answer.json()["items"]) == 3
