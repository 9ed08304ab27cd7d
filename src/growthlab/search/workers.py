"""Several processes that work on one study; one that is killed costs its trial and is replaced."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from growthlab.core.errors import GrowthlabError, one_line
from growthlab.core.interrupts import interruptible
from growthlab.tracking.processes import process_of

if TYPE_CHECKING:
    from growthlab.search.model_search import ModelSearch

log = logging.getLogger(__name__)

GLANCE = 0.5  # seconds between two looks at the study
FAREWELL = 20.0  # seconds for a worker to write down its end
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_workers(search: ModelSearch, on_change: Callable[[], None]) -> None:
    """Have ``n_jobs`` processes work on the study until it wants no more trials.

    They are told the words of the command, and read the prepared data; each gets its share of the
    cores. A worker that is killed (for lack of memory, say) has failed its trial.

    Raises
    ------
    GrowthlabError
        The workers end before they try anything.
    """
    found, n_jobs = search.found, search.config.n_jobs
    words, model = search.setting.found.given, found.chosen["model"]
    started: dict[int, tuple[Any, str]] = {}
    in_vain = 0

    def start() -> None:
        process = multiprocessing.get_context("spawn").Process(target=_work, args=(words, model))
        with _share_of_cores(n_jobs):
            process.start()
        started[process.sentinel] = (process, process_of(process.pid or 0))

    try:
        for _ in range(min(n_jobs, search.config.budget.trials)):
            start()
        while started:
            wait(list(started), timeout=GLANCE)
            for sentinel in [n for n, (p, _) in started.items() if p.exitcode is not None]:
                process, tag = started.pop(sentinel)
                process.join()
                if process.exitcode == 0:
                    continue
                n_failed = search.study.fail(tag, _why(process.exitcode))
                search.recorder.mend()
                in_vain += not n_failed
                if in_vain > n_jobs:
                    raise GrowthlabError(
                        "the workers end before they try anything: n_jobs=1 says why"
                    )
                start()
            on_change()
    finally:
        _end([process for process, _ in started.values()])


def _work(words: Sequence[str], model: str) -> None:
    """A worker: the same search as that of the command, without its words at the end."""
    from growthlab.cli.main import _prepare_process
    from growthlab.cli.setting import Setting
    from growthlab.config.compose import compose
    from growthlab.search.model_search import search_of, study_store

    _prepare_process()
    logging.getLogger("growthlab").setLevel(logging.WARNING)
    logging.getLogger("growthlab.search.search_loop").setLevel(logging.INFO)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with interruptible():
        try:
            setting = Setting(compose("tune", words))
            with closing(study_store(setting.config)) as store:
                search_of(setting, store, model).loop().run()
        except KeyboardInterrupt:
            sys.exit(130)
        except GrowthlabError as error:
            log.error("%s", one_line(error))
            sys.exit(2)


def _end_with_parent() -> None:
    """Interrupt this process as soon as the one that started it is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _why(status: int) -> str:
    """How a process ended that should not have."""
    if status < 0:
        name = signal.Signals(-status).name
        return f"its process was killed by {name}" + (
            ", perhaps for lack of memory" if status == -9 else ""
        )
    return f"its process ended with status {status}"


def _end(processes: Sequence[Any]) -> None:
    """End workers in order; what does not end is killed."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(FAREWELL)
        if process.is_alive():
            process.kill()
            process.join()


@contextmanager
def _share_of_cores(n_jobs: int) -> Iterator[None]:
    """Inside, processes are started that take their share of the cores, unless the user said more."""
    share = str(max(1, (os.cpu_count() or 1) // n_jobs))
    ours = {name: share for name in THREADS if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]
