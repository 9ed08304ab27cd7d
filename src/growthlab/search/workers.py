"""Several processes work on one study; a killed one loses its trial and is replaced."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, ClassVar, Protocol

from growthlab.core.endings import end_command
from growthlab.core.errors import GrowthlabError, one_line
from growthlab.core.interrupts import interruptible
from growthlab.core.owned_folder import scratch_folder
from growthlab.core.process import prepare_process
from growthlab.core.processors import THREAD_VARIABLES
from growthlab.core.storage_faults import ServerGoneError
from growthlab.tasks.executor import ANY_RESOURCES, Resources
from growthlab.tracking.process_identity import process_of

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5  # between two checks of the workers
GRACE_SECONDS = 20.0  # for a worker to record its end


@dataclass(frozen=True)
class Worker:
    """What a worker process runs: a module's function, and its arguments, which are pickled."""

    function: Callable[..., None]
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Crew:
    """The `size` processes that work on one study, until it has no more trials for them.

    One that dies, for example for lack of memory, is replaced: `on_death` gets the process, as
    `process_of` names it, and the reason, marks its trials as failed and returns their number. `on_change`
    is called whenever the study may have changed. Elsewhere a process is given `resources`, as a fit of
    the model is; `on_device` says whether it can use a GPU.
    """

    worker: Worker
    size: int
    on_death: Callable[[str, str], int]
    on_change: Callable[[], None]
    resources: Resources = ANY_RESOURCES
    on_device: bool = False


Ends = Generator[tuple[int, Exception | None], None, None]  # of crews; closed, it ends the others


class StudyWorkers(Protocol):
    """Runs the processes that work on studies, on this machine or elsewhere."""

    @property
    def elsewhere(self) -> bool:
        """Whether they run elsewhere even if it is one, and several studies beside each other."""
        ...

    def n_workers(self, n_jobs: int) -> int:
        """How many processes work on a study for the setting ``n_jobs``."""
        ...

    def run_crews(self, crews: Sequence[Crew]) -> Ends:
        """Run the processes; the place of a crew as soon as its study has ended.

        With it comes the error of a crew that ended before it ran any trial: the others go on.
        """
        ...


class LocalProcesses:
    """Processes of this machine, for one study after the other."""

    elsewhere: ClassVar[bool] = False

    def n_workers(self, n_jobs: int) -> int:
        """As many as are asked for."""
        return n_jobs

    def run_crews(self, crews: Sequence[Crew]) -> Ends:
        """See `StudyWorkers.run_crews`; each process gets its share of the cores."""
        for place, crew in enumerate(crews):
            try:
                _run_crew(crew)
            except GrowthlabError as error:
                yield place, error
            else:
                yield place, None


def _run_crew(crew: Crew) -> None:
    """Run the processes of one study.

    Raises
    ------
    GrowthlabError
        They ended before they ran any trial.
    """
    started: dict[int, tuple[Any, str]] = {}
    n_without_trial = 0

    def start() -> None:
        process = multiprocessing.get_context("spawn").Process(target=_work, args=(crew.worker,))
        with _share_of_cores(crew.size):
            process.start()
        started[process.sentinel] = (process, process_of(process.pid or 0))

    try:
        for _ in range(crew.size):
            start()
        while started:
            wait(list(started), timeout=POLL_SECONDS)
            for sentinel in [n for n, (p, _) in started.items() if p.exitcode is not None]:
                process, tag = started.pop(sentinel)
                process.join()
                if process.exitcode == 0:
                    continue
                n_without_trial += not crew.on_death(tag, _reason(process.exitcode))
                if n_without_trial > crew.size:
                    raise GrowthlabError(
                        "the workers ended before they ran any trial: n_jobs=1 shows the error"
                    )
                start()
            crew.on_change()
    finally:
        _end_processes([process for process, _ in started.values()])


def _work(worker: Worker) -> None:
    """The main function of a worker process."""
    prepare_process()
    logging.getLogger("growthlab").setLevel(logging.WARNING)
    logging.getLogger("growthlab.search.search_loop").setLevel(logging.INFO)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with interruptible(), scratch_folder():
        try:
            worker.function(*worker.arguments)
            with suppress(
                ServerGoneError
            ):  # it has been said; the command that began it sends the rest
                end_command()
        except KeyboardInterrupt:
            sys.exit(130)
        except GrowthlabError as error:
            log.error("%s", one_line(error))
            sys.exit(2)


def _end_with_parent() -> None:
    """Interrupt this process as soon as its parent has ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _reason(status: int) -> str:
    """How a process ended, by its exit status."""
    if status < 0:
        name = signal.Signals(-status).name
        return f"its process was killed by {name}" + (
            ", perhaps for lack of memory" if status == -9 else ""
        )
    return f"its process ended with status {status}"


def _end_processes(processes: Sequence[Any]) -> None:
    """Terminate the workers, and kill those that do not end in time."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(GRACE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


@contextmanager
def _share_of_cores(n_jobs: int) -> Iterator[None]:
    """Processes started in the block use their share of the cores, unless the user set a number."""
    share = str(max(1, (os.cpu_count() or 1) // n_jobs))
    unset = [name for name in THREAD_VARIABLES if name not in os.environ]
    os.environ.update(dict.fromkeys(unset, share))
    try:
        yield
    finally:
        for name in unset:
            del os.environ[name]
