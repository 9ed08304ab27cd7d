"""Bundles whose contents were changed and whose checksums were renewed, as an attacker would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from growthlab.bundle.manifest import MANIFEST, checksums_of, manifest_text

Change = Callable[[Any], Any]


def renew(folder: Path, **values: Any) -> None:
    """The manifest with the checksums of the files that are there now, and with other values."""
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    content |= {"files": checksums_of(folder)} | values
    (folder / MANIFEST).write_text(manifest_text(content), encoding="utf-8")


def arrays_in(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def change_array(folder: Path, file: str, name: str, change: Change) -> None:
    """Put what `change` makes of an array in its place (None: nothing), and renew the checksums."""
    arrays = arrays_in(folder / file)
    changed = change(arrays.pop(name).copy())
    if changed is not None:
        arrays[name] = np.asarray(changed)
    np.savez(folder / file, **arrays)  # type: ignore[arg-type]
    renew(folder)


def with_value(place: int, value: Any) -> Change:
    """Another value at a place of the flattened array."""

    def change(array: np.ndarray) -> np.ndarray:
        array.reshape(-1)[place] = value
        return array

    return change


def change_text(folder: Path, file: str, change: Change) -> None:
    """Put what `change` makes of a file's text in its place, and renew the checksums."""
    text = (folder / file).read_text(encoding="utf-8")
    (folder / file).write_text(change(text), encoding="utf-8")
    renew(folder)


def change_trees(folder: Path, file: str, change: Change) -> None:
    """The same for LightGBM's text, with ``tree_sizes`` as they are after the change."""

    def renewed(text: str) -> str:
        changed: str = change(text)
        head, sizes, rest = changed.partition("\ntree_sizes=")
        if not sizes:
            return changed
        trees = rest[rest.index("\n") + 2 :].partition("end of trees")[0].split("Tree=")[1:]
        lengths = " ".join(str(len(f"Tree={tree}")) for tree in trees)
        return f"{head}{sizes}{lengths}{rest[rest.index(chr(10)) :]}"

    change_text(folder, file, renewed)
