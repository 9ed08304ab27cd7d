"""The search of everything that commands wrote for words that must not be there."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import pandas as pd

ENCODINGS = ("utf-8", "utf-16-le", "utf-32-le")


def traces_below(
    folder: Path, traces: Sequence[str], allowed: AbstractSet[Path] = frozenset()
) -> list[str]:
    """The files below a folder whose names or contents hold a trace (lower case), in any usual encoding."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p not in allowed):
        for content in (str(path.relative_to(folder)).encode(), *_contents(path)):
            lower = content.lower()
            found += [
                f"{path}: {trace}"
                for trace in traces
                if any(trace.encode(encoding) in lower for encoding in ENCODINGS)
            ]
    return found


def _contents(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and what is compressed in it."""
    content = path.read_bytes()
    yield content
    if content[:4] == b"PAR1":
        yield pd.read_parquet(path).to_csv().encode()
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield archive.read(name)
