"""What a command prints, with characters that a terminal would obey written out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from growthlab.core.visible_text import visible_text


class VisibleStream:
    """A stream whose texts are written as `visible_text` gives them; lines stay lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text; as many characters as it has count as written."""
        self._stream.write(visible_text(text, keep_lines=True))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def visible_output() -> Iterator[None]:
    """In the block, standard output is a `VisibleStream`."""
    stream = sys.stdout
    sys.stdout = VisibleStream(stream)
    try:
        yield
    finally:
        sys.stdout = stream
