"""How long tests wait for what must happen: so long that no load of a machine makes them give up."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 600  # seconds; whatever takes longer hangs


def wait_until(true: Callable[[], object], interval: float = 0.02) -> None:
    """Return once `true()` is true; fail if it never is.

    What is waited for needs the processor more than the question does: that gets a fifth of it at most.
    """
    end = time.monotonic() + PATIENCE
    while True:
        asked = time.monotonic()
        if true():
            return
        answered = time.monotonic()
        assert answered < end, "it did not happen"
        time.sleep(max(interval, 4 * (answered - asked)))
