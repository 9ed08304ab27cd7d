"""The CPU time of an answer of a bundle, in several rounds: what else the machine does does not count."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from growthlab.bundle.bundle import Bundle

K = 10
N_CUSTOMERS = 60  # that are asked about in each round
N_ROUNDS = 5
LATENCY_SHARES = {"latency_p50_ms": 0.5, "latency_p95_ms": 0.95}
Clock = Callable[[], float]  # seconds of CPU time that this process has used


class Spread(NamedTuple):
    """A measure that was taken several times: the median, the smallest and the largest value."""

    value: float
    low: float
    high: float


def latency_of(
    bundles: Sequence[Bundle], user_ids: np.ndarray, clock: Clock = time.process_time
) -> list[dict[str, Spread]]:
    """Median and 95th percentile of the CPU milliseconds of one answer, for each bundle.

    The time of all threads of this process counts, and none in which another process had the
    processor. Each round asks every bundle about the same customers, one request at a time, so that
    a cache that others empty slows all bundles alike; the spread is that of the rounds. The first
    answers, which load parts, are left out. NaN without customers.
    """
    if not len(user_ids):
        nothing = Spread(math.nan, math.nan, math.nan)
        return [dict.fromkeys(LATENCY_SHARES, nothing) for _ in bundles]
    rounds: list[list[np.ndarray]] = [[] for _ in bundles]
    for number in range(N_ROUNDS + 1):
        for bundle, measured in zip(bundles, rounds, strict=True):
            asked = user_ids[:N_CUSTOMERS] if number else user_ids[:1]
            measured.append(_milliseconds(bundle, asked, clock))
    return [
        {name: _spread(measured[1:], share) for name, share in LATENCY_SHARES.items()}
        for measured in rounds
    ]


def _milliseconds(bundle: Bundle, user_ids: np.ndarray, clock: Clock) -> np.ndarray:
    """The CPU milliseconds of the answer to each customer."""
    bundle, times = bundle.asked_by_data_ids(), []
    for user in user_ids:
        request = bundle.customer_request(str(user))
        started = clock()
        bundle.answer([request], K)  # type: ignore[arg-type]
        times.append(1000 * (clock() - started))
    return np.array(times)


def _spread(rounds: Sequence[np.ndarray], share: float) -> Spread:
    values = [float(np.quantile(times, share)) for times in rounds]
    return Spread(float(np.median(values)), min(values), max(values))
