"""The threads of our own work: how many, and blocks of work divided among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

Block = TypeVar("Block")
Result = TypeVar("Result")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
FEW_BLOCKS = 8  # up to this many, threads cost more than they save


def n_threads() -> int:
    """``OMP_NUM_THREADS`` if set to a number, as for BLAS and torch; else the number of processors."""
    setting = os.environ.get("OMP_NUM_THREADS", "")
    return int(setting) if setting.isdigit() and int(setting) > 0 else os.cpu_count() or 1


def in_threads(work: Callable[[Block], Result], blocks: Sequence[Block]) -> list[Result]:
    """`work` of each block, in their order; many blocks in threads, for work without the GIL."""
    if len(blocks) <= FEW_BLOCKS:
        return [work(block) for block in blocks]
    with _one_blas_thread(), ThreadPoolExecutor(n_threads()) as pool:
        return list(pool.map(work, blocks))


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """In the block, libraries that are loaded and those to come take so many threads; so do ours."""
    from threadpoolctl import threadpool_limits

    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        with threadpool_limits(threads):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _one_blas_thread() -> AbstractContextManager[object]:
    """In the block, a product of numpy takes one thread: its own threads would collide with ours."""
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:  # the plain install, which serves few blocks at a time
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits
