"""Files that hold customers: readable by their owner alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def private_files() -> Iterator[None]:
    """Files made in the block, also by libraries, have mode 0600 and folders 0700; so in all threads."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
