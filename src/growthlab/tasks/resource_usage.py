"""Seconds and peak memory of a block of code."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class ResourceUsage:
    """Wall `seconds`, and `peak_mb`, the growth of resident memory above that at the start."""

    seconds = 0.0
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
    started = time.perf_counter()
    try:
        yield usage
    finally:
        usage.seconds = time.perf_counter() - started
        done.set()
        sampler.join()
        sample()
