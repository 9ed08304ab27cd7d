"""Progress bars in one style; none where standard error is no terminal, or the log is quiet."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


def progress(steps: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """The same steps, with a bar on standard error that shows `label`, the share done and the time left."""
    if not _is_shown():
        yield from steps
        return
    from tqdm import tqdm

    yield from tqdm(steps, desc=label, total=total, leave=False, dynamic_ncols=True)


def _is_shown() -> bool:
    return sys.stderr.isatty() and logging.getLogger("growthlab").isEnabledFor(logging.INFO)


@contextmanager
def bar(label: str, total: int) -> Iterator[Callable[[int, str], None]]:
    """A bar for work done elsewhere: call the yielded function with the total done and a note to show."""
    if not _is_shown():
        yield lambda done, note: None
        return
    from tqdm import tqdm

    shape = "{desc}: {n_fmt}/{total_fmt} |{bar}| {elapsed}{postfix}"
    with tqdm(desc=label, total=total, leave=False, dynamic_ncols=True, bar_format=shape) as drawn:

        def update(done: int, note: str) -> None:
            drawn.n = min(done, total)
            drawn.set_postfix_str(note)

        yield update
