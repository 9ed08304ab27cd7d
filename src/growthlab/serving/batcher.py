"""Requests that come together are answered together: one call of the model for all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

from growthlab.core.errors import GrowthlabError

LARGEST_BATCH = 16
QUICK_SECONDS = 0.003  # a request that takes less is answered without a change of thread
MEMORY = 0.9  # of the running mean of the seconds a request

Work = Callable[[list[Any], int], Sequence[Any]]  # requests and k -> an answer each


class Overloaded(Exception):
    """More is waiting than can be answered in time."""


class Batcher:
    """Hands waiting requests to `work`, up to `LARGEST_BATCH` in one call.

    No request waits for others to come: what arrives while a batch is worked on is the next one. A
    quick model works in the event loop, as a change of thread would cost more than its answer; a
    slow one in a thread of its own, so that the loop goes on.

    Parameters
    ----------
    seconds : what one request takes, as measured
    max_waiting, max_wait_seconds : beyond these a request is refused with `Overloaded`
    """

    def __init__(
        self, work: Work, seconds: float, max_waiting: int, max_wait_seconds: float
    ) -> None:
        self._work = work
        self._seconds = seconds
        self._max_waiting = max_waiting
        self._max_wait = max_wait_seconds
        self._waiting: list[tuple[int, Any, asyncio.Future[Any]]] = []
        self._busy = False
        self._closing = False
        quick = seconds <= QUICK_SECONDS
        self._thread = None if quick else ThreadPoolExecutor(1, thread_name_prefix="model")

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def require_room(self, n: int) -> None:
        """Raise `Overloaded` where `n` more would have to wait too long; idle, it takes any number."""
        before = len(self._waiting)
        too_many = before + n > self._max_waiting
        if before and (too_many or before * self._seconds > self._max_wait):
            raise Overloaded

    def ask(self, requests: Sequence[tuple[Any, int]]) -> list[asyncio.Future[Any]]:
        """A future answer for each of the requests with their `k`, which are taken all or none.

        Raises
        ------
        Overloaded
            See `require_room`.
        """
        self.require_room(len(requests))
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in requests]
        self._waiting += [(k, r, f) for (r, k), f in zip(requests, futures, strict=True)]
        if not self._busy:
            self._busy = True
            loop.call_soon(self._go)
        return futures

    def close(self) -> None:
        """Let the thread end, once it has answered what waits."""
        self._closing = True
        if self._thread is not None and not self._busy:
            self._thread.shutdown(wait=False)

    def _go(self) -> None:
        """Work on what waits now; called again until nothing does."""
        self._waiting = [w for w in self._waiting if not w[2].done()]  # whose client has gone
        batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
        if not batch:
            self._busy = False
            if self._closing:
                self.close()
            return
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._give(batch, self._answered(batch))
            loop.call_soon(self._go)
            return

        def done(answers: asyncio.Future[list[Any]]) -> None:
            self._give(batch, answers.result())
            self._go()

        loop.run_in_executor(self._thread, self._answered, batch).add_done_callback(done)

    def _give(self, batch: list[tuple[int, Any, asyncio.Future[Any]]], answers: list[Any]) -> None:
        for (_, _, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _answered(self, batch: list[tuple[int, Any, asyncio.Future[Any]]]) -> list[Any]:
        """An answer or an error each; requests of the same `k` share a call."""
        started = time.perf_counter()
        answers: list[Any] = [None] * len(batch)
        places = sorted(range(len(batch)), key=lambda place: batch[place][0])
        for k, group in groupby(places, key=lambda place: batch[place][0]):
            some = list(group)
            found = self._together([batch[p][1] for p in some], k)
            for place, answer in zip(some, found, strict=True):
                answers[place] = answer
        each = (time.perf_counter() - started) / len(batch)
        self._seconds = MEMORY * self._seconds + (1 - MEMORY) * each
        return answers

    def _together(self, requests: list[Any], k: int) -> Sequence[Any]:
        """The answers of one call; where it fails, of a call each: one mistake is nobody else's."""
        try:
            return self._work(requests, k)
        except Exception as error:
            if len(requests) > 1:
                return [self._together([request], k)[0] for request in requests]
            if not isinstance(error, GrowthlabError):
                error.add_note("in the answer to a request")
            return [error]
