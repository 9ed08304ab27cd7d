"""The number of threads that our own work may use."""

from __future__ import annotations

import os


def n_threads() -> int:
    """``OMP_NUM_THREADS`` if set to a number, as for BLAS and torch; else the number of processors."""
    setting = os.environ.get("OMP_NUM_THREADS", "")
    return int(setting) if setting.isdigit() and int(setting) > 0 else os.cpu_count() or 1
