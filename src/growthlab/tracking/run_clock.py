"""The times of runs: those of the system's clock, but never backwards, whatever that clock does."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from growthlab.core.storage_faults import ServerGoneError
from growthlab.tracking.server_faults import without_waiting
from growthlab.tracking.who_runs import who_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


class RunClock:
    """A clock that goes on from where it was when the system's clock is set back.

    So no run ends before it began, and the newest comparison is the last one.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._latest, self._read = time.time(), time.monotonic()

    def seconds(self) -> float:
        """Seconds since 1970, UTC."""
        with self._guard:
            read = time.monotonic()
            self._latest = max(time.time(), self._latest + read - self._read)
            self._read = read
            return self._latest

    def milliseconds(self) -> int:
        """Milliseconds since 1970, UTC."""
        return int(self.seconds() * 1000)

    def continue_after(self, milliseconds: int | None) -> None:
        """Show later times than this one, at which a process with a faster clock did something."""
        with self._guard:
            self._latest = max(self._latest, ((milliseconds or 0) + 1) / 1000)


CLOCK = RunClock()


def new_run(client: MlflowClient, experiment: str, name: str, tags: Mapping[str, str]) -> str:
    """Create a run that is newer than all others of the experiment, and return its id.

    Beside `tags` it has those of `who_runs`.
    """
    with suppress(ServerGoneError), without_waiting():  # the run is begun without the server, too
        newest = client.search_runs([experiment], order_by=["start_time DESC"], max_results=1)
        for run in newest:
            CLOCK.continue_after(run.info.start_time)
    start = CLOCK.milliseconds()
    run = client.create_run(
        experiment, start_time=start, run_name=name, tags={**who_runs(), **tags}
    )
    return str(run.info.run_id)


def end_run(client: MlflowClient, run: Run | str, status: str) -> None:
    """End a run, not before it began; one that this process did not begin is given as a whole."""
    if isinstance(run, str):
        run_id = run
    else:
        run_id = str(run.info.run_id)
        CLOCK.continue_after(run.info.start_time)
    client.set_terminated(run_id, status, end_time=CLOCK.milliseconds())
