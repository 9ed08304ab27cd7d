"""How many threads torch takes on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
