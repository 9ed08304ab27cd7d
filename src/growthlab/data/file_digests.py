"""Digests of the content of files, which may be remembered by path, size and time."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from growthlab.core.atomic_write import write_json
from growthlab.core.errors import ConfigError, near_matches
from growthlab.data.readers.folder_values import folder_values

logger = logging.getLogger(__name__)

CONTENT, STAT = "content", "stat"
REMEMBERED = "file-digests.json"
STILL_CHANGING_NS = 2_000_000_000  # a file as young as this may change without a new time
Known = dict[str, tuple[int, int, str]]  # path -> size, time of the last change, digest


class FileDigests:
    """SHA-256 of files: each file is read once, and not even that where `path` remembers it."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._remembered = {} if path is None else _read(path)
        self._known: Known = {}

    @classmethod
    def of_cache(cls, cache: Path, cache_key: str) -> Self:
        """The digests for a cache: by ``content``, or by ``stat``, which trusts size and time of a file.

        Raises
        ------
        ConfigError
            `cache_key` is neither.
        """
        if cache_key not in (CONTENT, STAT):
            hint = near_matches(str(cache_key), (CONTENT, STAT))
            raise ConfigError(f"data.cache_key={cache_key}: {hint}")
        return cls(cache / REMEMBERED if cache_key == STAT else None)

    def of(self, path: Path) -> str:
        """The digest of a file as it is now."""
        name, stat = str(path.resolve()), path.stat()
        for known in (self._known, self._remembered):
            size, changed, digest = known.get(name, (-1, -1, ""))
            if (size, changed) == (stat.st_size, stat.st_mtime_ns):
                return digest
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._known[name] = (stat.st_size, stat.st_mtime_ns, digest)
        return digest

    def remember(self) -> None:
        """Write down what was found out, for the next process; files that may still change are left out."""
        now = time.time_ns()
        quiet = {n: k for n, k in self._known.items() if now - k[1] > STILL_CHANGING_NS}
        if self._path is not None and quiet:
            write_json(self._path, {**_read(self._path), **quiet})


def delivered_once(paths: Sequence[Path], *, by_name: bool = False) -> list[Path]:
    """The paths without those whose content another one has, in folders that say the same (`folder_values`).

    With `by_name` files of other names differ, whatever they hold.
    """
    sizes = Counter(path.stat().st_size for path in paths)
    digests, first = FileDigests(), dict[Any, Path]()
    for path in paths:
        key: Any = path
        if sizes[path.stat().st_size] > 1:
            said = tuple(folder_values(path).items())
            key = (digests.of(path), said, path.stem if by_name else "")
        if key in first:
            logger.warning("%s is left out: it is %s, delivered twice", path.name, first[key].name)
        first.setdefault(key, path)
    return list(first.values())


def _read(path: Path) -> Known:
    """What is remembered; nothing where that cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): (int(s), int(t), str(d)) for name, (s, t, d) in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
