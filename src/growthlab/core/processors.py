"""How many threads our own work may use."""

from __future__ import annotations

import os


def n_threads() -> int:
    """``OMP_NUM_THREADS`` where that is a number of threads, as for BLAS and torch; else the processors."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) > 0 else os.cpu_count() or 1
