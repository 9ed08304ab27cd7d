"""What every growthlab process sets before its first heavy import."""

from __future__ import annotations

import gc
import logging
import os

from growthlab.core.credentials import without_hidden
from growthlab.core.visible_text import visible_text


class VisibleFormatter(logging.Formatter):
    """A line of the log may quote the data: characters that a terminal would obey are written out.

    It may quote another program too: what is to be hidden is not shown.
    """

    def format(self, record: logging.LogRecord) -> str:
        """See `visible_text`; lines stay lines, as a traceback has several."""
        return visible_text(without_hidden(super().format(record)), keep_lines=True)


def prepare_process(level: int = logging.INFO) -> None:
    """Silence third parties, and send our log from `level` on to standard error.

    Thousands of modules stay loaded to the end; searching them for garbage again and again would
    take a part of a short run.
    """
    gc.set_threshold(50_000, 50, 100)
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve busy cores
    handler = logging.StreamHandler()
    handler.setFormatter(VisibleFormatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("growthlab").setLevel(level)
