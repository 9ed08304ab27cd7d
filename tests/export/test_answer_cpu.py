"""The CPU time of an answer: by a clock that the test turns, in rounds, with their spread."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from growthlab.bundle.bundle import Bundle
from growthlab.export.answer_cpu import N_ROUNDS, latency_of


class Asked:
    """A bundle whose answers cost what the test says, on a clock of its own."""

    def __init__(self, clock: list[float], costs: Iterator[float]) -> None:
        self.clock, self.costs, self.users = clock, costs, []

    def asked_by_data_ids(self) -> Asked:
        """Users stand for themselves."""
        return self

    def customer_request(self, user: str) -> str:
        """The user stands for the request."""
        return user

    def answer(self, requests: list[str], k: int) -> None:
        """Turn the clock by the milliseconds of the next answer."""
        self.users += requests
        self.clock[0] += next(self.costs) / 1000


def asked_bundles(*costs: list[float]) -> tuple[list[Any], Any]:
    """Bundles with these costs of their answers in milliseconds, and their clock."""
    clock = [0.0]
    return [Asked(clock, iter(each)) for each in costs], lambda: clock[0]


def test_the_value_is_the_median_of_the_rounds_and_the_spread_their_range() -> None:
    first = [99.0]  # the first answer loads parts
    rounds = [2.0, 4.0, 3.0, 2.5, 9.0]
    (bundle,), clock = asked_bundles(first + [ms for ms in rounds for _ in range(3)])
    (latency,) = latency_of([bundle], np.array(["a", "b", "c"]), clock)
    assert latency["latency_p50_ms"] == pytest.approx((3.0, 2.0, 9.0))
    assert bundle.users == ["a", *["a", "b", "c"] * N_ROUNDS]


def test_two_bundles_are_asked_in_turn() -> None:
    order: list[str] = []
    (one, other), clock = asked_bundles([1.0] * 6, [2.0] * 6)
    for name, bundle in (("one", one), ("other", other)):
        bundle.customer_request = lambda user, name=name: order.append(name) or user
    first, second = latency_of([one, other], np.array(["a"]), clock)
    assert order == ["one", "other"] * (1 + N_ROUNDS)
    assert first["latency_p50_ms"].value == pytest.approx(1.0)
    assert second["latency_p95_ms"].value == pytest.approx(2.0)


def test_without_customers_latency_is_not_known(folder: Path) -> None:
    (latency,) = latency_of([Bundle.load(folder)], np.array([], dtype=str))
    assert all(math.isnan(value) for spread in latency.values() for value in spread)
