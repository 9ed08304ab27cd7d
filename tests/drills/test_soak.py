"""A service under constant load: its memory stays constant, its answers are fast and correct."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.drill

# GROWTHLAB_SOAK_REQUESTS=720000 is an hour's worth at 200 a second
N_REQUESTS = int(os.environ.get("GROWTHLAB_SOAK_REQUESTS", "30000"))
WARM_UP = 0.25  # share of the requests, until every kind of request was answered many times
MOST_GROWTH_MB = 20
N_CLIENTS = 3


def requests(seed: int, items: list[str]) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Path, body and expected status: users, histories of any length, features, and mistakes."""
    rng = random.Random(seed)
    for number in itertools.count():
        history = rng.choices(items, k=rng.choice([1, 5, 20, 200]))
        yield from (
            ("/recommend", {"user_id": f"u{number % 997}", "k": rng.randint(1, 50)}, 200),
            ("/recommend", {"history": history, "k": 10}, 200),
            ("/recommend", {"history": history, "exclude": history[:3]}, 200),
            ("/churn", {"user_id": f"u{number % 997}"}, 200),
            ("/churn", {"features": {"days_since_last": rng.uniform(0, 400)}}, 200),
            ("/value", {"user_id": f"new-{number}"}, 200),
            ("/similar", {"item": rng.choice(items), "rules": {"deny": history[:2]}}, 200),
            ("/recommend", {"basket": history[:3], "personalised": number % 2 == 0}, 200),
            ("/batch", {"recommend": [{"user_id": f"u{number % 997}"}] * 4, "churn": [{}]}, 200),
            ("/value", {"no such field": number}, 422),
        )


def soak(service: Any, seed: int, items: list[str], n: int) -> list[float]:
    """Send `n` requests, and return the seconds that each took."""
    took = []
    for path, body, expected in itertools.islice(requests(seed, items), n):
        started = time.perf_counter()
        answer = service.client.post(path, json=body)
        took.append(time.perf_counter() - started)
        assert answer.status_code == expected, answer.text
    return took


def test_memory_stays_constant_under_load(
    bundles: dict[str, Path],
    served: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    service = served(*bundles.values())
    with np.load(bundles["top_n"] / "catalogue.npz", allow_pickle=False) as arrays:
        items = [str(i) for i in arrays["item_ids"]]

    def together(n: float, first: int) -> tuple[np.ndarray, float]:
        each = int(n / N_CLIENTS)
        with ThreadPoolExecutor(N_CLIENTS) as pool:
            seeds = range(first, first + N_CLIENTS)
            took = list(pool.map(lambda seed: soak(service, seed, items, each), seeds))
        return np.concatenate(took), service.process.memory_info().rss / 2**20

    _, before = together(WARM_UP * N_REQUESTS, 0)
    took, after = together((1 - WARM_UP) * N_REQUESTS, N_CLIENTS)
    p50, p99 = 1000 * np.quantile(took, [0.5, 0.99])
    with capsys.disabled():
        print(
            f"\n{len(took)} requests by {N_CLIENTS} clients: p50 {p50:.1f} ms, p99 {p99:.1f} ms; "
            f"memory {before:.1f} MB after warm-up, {after:.1f} MB at the end"
        )
    assert service.is_healthy()
    assert after - before < MOST_GROWTH_MB
