"""Seconds and memory of a piece of work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Gauge:
    """What `gauged` measured: `seconds`, and `peak_mb`, the growth of resident memory above the start."""

    seconds = 0.0
    peak_mb = 0.0


@contextmanager
def gauged(interval: float = 0.05) -> Iterator[Gauge]:
    """Measure the block: wall seconds, and peak resident memory sampled every `interval` seconds."""
    import psutil

    process, gauge, done = psutil.Process(), Gauge(), threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        while not done.wait(interval):
            note()

    def note() -> None:
        gauge.peak_mb = max(gauge.peak_mb, (process.memory_info().rss - before) / 2**20)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.perf_counter()
    try:
        yield gauge
    finally:
        gauge.seconds = time.perf_counter() - started
        done.set()
        watcher.join()
        note()
