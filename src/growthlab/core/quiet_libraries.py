"""What compiled libraries print: kept out of the output of commands."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

STANDARD_OUTPUT = 1  # its file descriptor


@contextmanager
def without_library_output() -> Iterator[None]:
    """Discard what compiled code writes to the standard output in the block.

    HiGHS prints remarks of its developers there, whatever its settings. Other threads are silent, too.
    """
    if sys.stdout is not None:
        sys.stdout.flush()
    try:
        kept = os.dup(STANDARD_OUTPUT)
    except OSError:  # closed: nothing can be printed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, STANDARD_OUTPUT)
        yield
    finally:
        _flush_buffers_of_c()
        os.dup2(kept, STANDARD_OUTPUT)
        os.close(kept)
        os.close(nowhere)


def _flush_buffers_of_c() -> None:
    with suppress(OSError, AttributeError):  # no C library that can be asked
        ctypes.CDLL(None).fflush(None)
