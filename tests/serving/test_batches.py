"""Requests that are answered together: what shares a call, what is refused, whose mistake is whose."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from growthlab.core.errors import BundleError
from growthlab.serving.batcher import LARGEST_BATCH, Batcher
from growthlab.serving.refusals import Overloaded

QUICK, SLOW = 0.0001, 1.0  # seconds a request: in the loop, in a thread


class Work:
    """Answers a request with its double, and remembers the calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[int], list[int]]] = []
        self.threads: set[str] = set()

    def __call__(self, requests: list[int], ks: list[int]) -> list[int]:
        self.calls.append((requests, ks))
        self.threads.add(threading.current_thread().name)
        if any(r < 0 for r in requests):
            raise BundleError("below zero")
        return [2 * r for r in requests]


def batcher(work: Any, seconds: float = QUICK, waiting: int = 100, wait: float = 1000) -> Batcher:
    return Batcher(work, seconds, waiting, wait)


@pytest.mark.parametrize("seconds", [QUICK, SLOW])
def test_requests_of_one_moment_share_a_call(seconds: float) -> None:
    work = Work()

    async def ask() -> list[int]:
        model = batcher(work, seconds)
        futures = [f for r in (1, 2, 3) for f in model.ask([(r, 10)])]
        answers = await asyncio.gather(*futures)
        model.close()
        return answers

    assert asyncio.run(ask()) == [2, 4, 6]
    assert sorted(r for requests, _ in work.calls for r in requests) == [1, 2, 3]
    assert len(work.calls) == 1
    (thread,) = work.threads
    assert (thread == "MainThread") == (seconds == QUICK)


def test_only_requests_of_about_the_same_k_share_a_call() -> None:
    work = Work()

    async def ask() -> list[int]:
        model = batcher(work, SLOW)
        many = [(r, 5 + r % 4 if r % 2 else 100) for r in range(LARGEST_BATCH + 8)]
        answers = await asyncio.gather(*model.ask(many))
        model.close()
        return answers

    assert asyncio.run(ask()) == [2 * r for r in range(LARGEST_BATCH + 8)]
    # 12 of k = 6 or 8, 12 of k = 100, 16 at a time: 12 and 4, 8
    assert [len(requests) for requests, _ in work.calls] == [12, 4, 8]
    for requests, ks in work.calls:
        assert ks == [5 + r % 4 if r % 2 else 100 for r in requests]
        assert len({k > 50 for k in ks}) == 1


@pytest.mark.parametrize(("seconds", "in_loop"), [(QUICK, 16), (0.0025, 8), (SLOW, 0)])
def test_as_many_share_a_call_in_the_event_loop_as_take_five_milliseconds(
    seconds: float, in_loop: int
) -> None:
    async def thread_of(n: int) -> str:
        work = Work()
        model = batcher(work, seconds)
        await asyncio.gather(*model.ask([(1, 1)] * n))
        model.close()
        (name,) = work.threads
        return name

    if in_loop:
        assert asyncio.run(thread_of(in_loop)) == "MainThread"
    if in_loop < LARGEST_BATCH:
        assert asyncio.run(thread_of(in_loop + 1)) != "MainThread"


def test_a_call_that_would_keep_the_event_loop_too_long_is_made_in_a_thread() -> None:
    model = batcher(Work())

    async def threads_of(n: int) -> set[str]:
        work = Work()
        model._work = work
        await asyncio.gather(*model.ask([(1, 1)] * n))
        assert sum(len(requests) for requests, _ in work.calls) == n
        return {"loop" if name == "MainThread" else "thread" for name in work.threads}

    async def ask() -> None:
        assert await threads_of(16) == {"loop"}
        model._measure(16, 0.020, 0.020)  # a call of 16 took 20 ms
        model._measure(8, 0.020, 0.020)
        assert await threads_of(5) == {"thread"}  # which was quick
        assert await threads_of(10) == {"loop"}
        model._measure(16, 0.020, 0.001)  # another process had its turn
        assert await threads_of(16) == {"loop"}
        for _ in range(8):
            model._measure(1, 0.1, 0.1)
        assert await threads_of(1) == {"loop"}  # a quick model's single requests always

    asyncio.run(ask())
    model.close()


def test_a_bad_request_fails_alone() -> None:
    async def ask() -> list[Any]:
        futures = batcher(Work()).ask([(1, 1), (-1, 1), (3, 1)])
        return await asyncio.gather(*futures, return_exceptions=True)

    first, mistake, last = asyncio.run(ask())
    assert (first, last) == (2, 6)
    assert isinstance(mistake, BundleError)


def test_a_model_that_lags_takes_no_more_than_it_can_answer_in_time() -> None:
    async def ask(waiting: int, wait: float) -> list[int]:
        model = batcher(Work(), QUICK, waiting, wait)
        taken = [model.ask([(1, 1)])]
        for _ in range(9):
            try:
                taken.append(model.ask([(1, 1)]))
            except Overloaded:
                break
        return await asyncio.gather(*(f for futures in taken for f in futures))

    assert len(asyncio.run(ask(waiting=4, wait=1000))) == 4
    # k that wait take k * 0.0001 s: the fifth would wait longer than 0.00035 s
    assert len(asyncio.run(ask(waiting=100, wait=0.00035))) == 4


def test_an_idle_model_takes_a_large_batch_whole() -> None:
    async def ask() -> int:
        return len(await asyncio.gather(*batcher(Work(), waiting=4).ask([(1, 1)] * 50)))

    assert asyncio.run(ask()) == 50


def test_who_has_gone_is_not_answered() -> None:
    work = Work()

    async def ask() -> int:
        model = batcher(work)
        gone, stays = model.ask([(1, 1), (2, 1)])
        gone.cancel()
        return int(await stays)

    assert asyncio.run(ask()) == 4
    assert work.calls == [([2], [1])]


@pytest.mark.parametrize("seconds", [QUICK, SLOW])
def test_what_waits_when_a_model_is_replaced_is_still_answered(seconds: float) -> None:
    async def ask() -> list[int]:
        model = batcher(Work(), seconds)
        futures = model.ask([(r, 1) for r in range(3 * LARGEST_BATCH)])
        await asyncio.sleep(0)
        model.close()
        return await asyncio.gather(*futures)

    assert asyncio.run(ask()) == [2 * r for r in range(3 * LARGEST_BATCH)]
