"""Requests that wait at the same time are answered together, by one call of the model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

from growthlab.core.errors import AnswerError, GrowthlabError
from growthlab.serving.refusals import Overloaded

LARGEST_BATCH = 16
QUICK_SECONDS = 0.003  # a request that takes less is answered in the event loop
LOOP_SECONDS = 0.005  # for which a call may keep the event loop
CHEAPER_TOGETHER = 4  # what a request costs alone, in requests of a call of many
BUSY = 3  # times as much processor time does the same work take on a busy machine
MEMORY = 0.9  # weight of the past in the running mean of the seconds a request

Work = Callable[[list[Any], list[int]], Sequence[Any]]  # requests and their k -> an answer each


class Batcher:
    """Hands waiting requests to `work`, up to `LARGEST_BATCH` in one call.

    No request waits for others to arrive: those that arrive during a batch form the next one. A quick
    model answers in the event loop, where a change of thread would cost more than the answer; a slow
    one, and a call of so many requests that it takes over `LOOP_SECONDS`, answers in its own thread, so
    that the loop is not blocked.

    Parameters
    ----------
    seconds : measured time of one request
    max_waiting, max_wait_seconds : beyond these a request is refused with `Overloaded`
    """

    def __init__(
        self, work: Work, seconds: float, max_waiting: int, max_wait_seconds: float
    ) -> None:
        self._work = work
        self._seconds = seconds
        # requests in one call that keep the loop for no longer than `LOOP_SECONDS`; 0: none ever
        together = int(LOOP_SECONDS * CHEAPER_TOGETHER / max(seconds, 1e-6))
        self._in_loop = min(together, LARGEST_BATCH) if seconds <= QUICK_SECONDS else 0
        self._max_waiting = max_waiting
        self._max_wait = max_wait_seconds
        self._waiting: list[tuple[int, Any, asyncio.Future[Any]]] = []
        self._busy = False
        self._closing = False
        # its thread begins with its first call
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def require_room(self, n: int) -> None:
        """Raise `Overloaded` where `n` more would wait too long; with none waiting, any number is taken."""
        before = len(self._waiting)
        too_many = before + n > self._max_waiting
        if before and (too_many or before * self._seconds > self._max_wait):
            raise Overloaded

    def ask(self, requests: Sequence[tuple[Any, int]]) -> list[asyncio.Future[Any]]:
        """A future answer for each request with its `k`; either all are taken or none.

        Raises
        ------
        Overloaded
            See `require_room`.
        """
        self.require_room(len(requests))
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in requests]
        waiting = [(k, r, f) for (r, k), f in zip(requests, futures, strict=True)]
        # of about the same k one after the other, so that they share a call
        self._waiting += sorted(waiting, key=_group) if len(waiting) > 1 else waiting
        if not self._busy:
            self._busy = True
            loop.call_soon(self._next_batch)
        return futures

    def close(self) -> None:
        """End the thread once it has answered the waiting requests."""
        self._closing = True
        if not self._busy:
            self._thread.shutdown(wait=False)

    def _next_batch(self) -> None:
        """Answer the requests that wait now; it calls itself again until none does."""
        self._waiting = [w for w in self._waiting if not w[2].done()]  # the client left
        batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
        if not batch:
            self._busy = False
            if self._closing:
                self.close()
            return
        loop = asyncio.get_running_loop()
        if len(batch) <= self._in_loop:
            self._deliver(batch, self._answers(batch))
            loop.call_soon(self._next_batch)
            return

        def done(answers: asyncio.Future[list[Any]]) -> None:
            self._deliver(batch, answers.result())
            self._next_batch()

        loop.run_in_executor(self._thread, self._answers, batch).add_done_callback(done)

    def _measure(self, n: int, seconds: float, cpu_seconds: float) -> None:
        """Learn from a call of `n` requests how long others wait, and how many the loop may answer."""
        self._seconds = MEMORY * self._seconds + (1 - MEMORY) * seconds / n
        if not self._in_loop:
            return
        # not the clock: another process may have had its turn
        if cpu_seconds > BUSY * LOOP_SECONDS:
            self._in_loop = max(1, min(self._in_loop, n // 2))
        elif cpu_seconds < LOOP_SECONDS / 2:
            self._in_loop = max(self._in_loop, min(2 * n, LARGEST_BATCH))

    def _deliver(
        self, batch: list[tuple[int, Any, asyncio.Future[Any]]], answers: list[Any]
    ) -> None:
        for (_, _, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _answers(self, batch: list[tuple[int, Any, asyncio.Future[Any]]]) -> list[Any]:
        """An answer or an error each; requests of about the same `k` share a call."""
        started, cpu_started = time.perf_counter(), time.thread_time()
        answers: list[Any] = [None] * len(batch)
        places = sorted(range(len(batch)), key=lambda place: _group(batch[place]))
        for _, group in groupby(places, key=lambda place: _group(batch[place])):
            of_group = list(group)
            of_call = self._work_or_errors(
                [batch[p][1] for p in of_group], [batch[p][0] for p in of_group]
            )
            for place, answer in zip(of_group, of_call, strict=True):
                answers[place] = answer
        took = time.perf_counter() - started
        self._measure(len(batch), took, time.thread_time() - cpu_started)
        return answers

    def _work_or_errors(self, requests: list[Any], ks: list[int]) -> Sequence[Any]:
        """The answers of one call; if it fails, one call each, so that one bad request fails alone."""
        try:
            return self._work(requests, ks)
        except Exception as error:
            if len(requests) > 1:
                pairs = zip(requests, ks, strict=True)
                return [self._work_or_errors([request], [k])[0] for request, k in pairs]
            if isinstance(error, GrowthlabError) and not isinstance(error, AnswerError):
                error.__traceback__ = None  # it would keep all arrays of the failed call
            else:
                error.add_note("in the answer to a request")
            return [error]


def _group(waiting: tuple[int, Any, asyncio.Future[Any]]) -> int:
    """Requests whose `k` differ by less than a factor of two may share a call."""
    return max(waiting[0] - 1, 0).bit_length()
