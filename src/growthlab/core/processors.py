"""The threads of our own work: how many, and blocks of work divided among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

Block = TypeVar("Block")
Result = TypeVar("Result")

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


def _one_blas_thread() -> AbstractContextManager[object]:
    """In the block, a product of numpy takes one thread: its own threads would collide with ours."""
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:  # the plain install, which serves few blocks at a time
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits
