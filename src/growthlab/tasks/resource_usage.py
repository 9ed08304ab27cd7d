"""Seconds, CPU time and peak memory of a block of code."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class ResourceUsage:
    """What a block of code used.

    `seconds` of the wall clock; `cpu_seconds` of all threads and ended child processes, which other
    processes on the machine do not add to; `peak_mb`, the growth of resident memory above that at the
    start.
    """

    seconds = 0.0
    cpu_seconds = 0.0
    peak_mb = 0.0


@contextmanager
def measure_usage(interval: float = 0.05) -> Iterator[ResourceUsage]:
    """Measure the block; memory is sampled every `interval` seconds."""
    import psutil

    process, usage, done = psutil.Process(), ResourceUsage(), threading.Event()
    before = process.memory_info().rss

    def sample_until_done() -> None:
        while not done.wait(interval):
            sample()

    def sample() -> None:
        usage.peak_mb = max(usage.peak_mb, (process.memory_info().rss - before) / 2**20)

    sampler = threading.Thread(target=sample_until_done, daemon=True)
    sampler.start()
    started, cpu_started = time.perf_counter(), _cpu_seconds()
    try:
        yield usage
    finally:
        usage.seconds = time.perf_counter() - started
        usage.cpu_seconds = _cpu_seconds() - cpu_started
        done.set()
        sampler.join()
        sample()


def _cpu_seconds() -> float:
    """The CPU time that this process and its ended child processes have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
