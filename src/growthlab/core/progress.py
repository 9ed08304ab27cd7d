"""One style of progress bar, silent when standard error is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def progress(steps: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """The same steps, with a bar on standard error that shows `label`, the share done and the time left."""
    if not sys.stderr.isatty():
        yield from steps
        return
    from tqdm import tqdm

    yield from tqdm(steps, desc=label, total=total, leave=False, dynamic_ncols=True)
