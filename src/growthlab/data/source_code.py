"""The code that makes the data of a source, as a digest: a change in it makes its caches stale."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "growthlab.data"


@cache
def code_digest(source: type) -> str:
    """SHA-256 of the modules of `source` and its base classes, and of their imports.

    Of the imports only those from `growthlab.data` count, with all that they import from there in
    turn. A class without a file, such as one of a notebook, counts by its base classes alone.
    """
    digest = hashlib.sha256()
    for path in sorted(code_files(source), key=lambda path: path.name):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def code_files(source: type) -> set[Path]:
    """The files whose text `code_digest` is made from."""
    waiting = [path for base in source.__mro__ if (path := _file_of_class(base))]
    files: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in files:
            files.add(path)
            waiting += _imported_files(path)
    return files


def _file_of_class(source: type) -> Path | None:
    """The file of a class; None for a class of the standard library, or without a file."""
    if source.__module__.partition(".")[0] in sys.stdlib_module_names:
        return None
    try:
        return Path(inspect.getfile(source)).resolve()
    except (OSError, TypeError):
        return None


def _imported_files(path: Path) -> Iterator[Path]:
    """The files of the modules that a file imports from `PACKAGE`, anywhere in its text."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            yield from _file_of_module(name)


@cache
def _file_of_module(name: str) -> tuple[Path, ...]:
    """The file of a module of `PACKAGE`; empty for any other name."""
    if not name.startswith(f"{PACKAGE}."):
        return ()
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # a class or a function of a module
        return ()
    return (Path(spec.origin).resolve(),) if spec and spec.origin else ()
