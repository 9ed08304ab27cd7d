"""How many threads torch takes on a CPU, and parts of a batch side by side in threads of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar

import torch

from growthlab.core.processors import n_threads

Part = TypeVar("Part")
Result = TypeVar("Result")


@contextmanager
def torch_threads(threads: int | None) -> Iterator[None]:
    """Limit torch to so many threads inside; None changes nothing."""
    before = torch.get_num_threads()
    if threads is not None and threads < before:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def row_parts(n_rows: int) -> list[slice]:
    """Even parts of the rows of a batch, one a thread."""
    n_parts = max(1, min(n_threads(), n_rows))
    borders = [n_rows * part // n_parts for part in range(n_parts + 1)]
    return [slice(*pair) for pair in pairwise(borders)]


def side_by_side(work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """`work` of each part, a thread each, within which torch has one thread.

    Threads that share a product wait for each other after every one; these wait at the end only.
    """
    with torch_threads(1), ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(work, parts))
