"""Files that are there as a whole or not at all, whenever the process is killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` at the end; an error leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".partial")
    with beside.open("wb") as file:
        yield file
    beside.replace(path)


def write_json(path: Path, values: Any) -> None:
    """Plain values as JSON."""
    with whole_file(path) as file:
        file.write(json.dumps(values).encode())
