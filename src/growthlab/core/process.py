"""What every growthlab process sets before its first heavy import."""

from __future__ import annotations

import gc
import logging
import os


def prepare_process() -> None:
    """Silence third parties, and send the log to standard error.

    Thousands of modules stay loaded to the end; searching them for garbage again and again would
    take a part of a short run.
    """
    gc.set_threshold(50_000, 50, 100)
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve busy cores
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("growthlab").setLevel(logging.INFO)
