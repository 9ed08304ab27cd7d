"""Save and load the scorers inside a scorer, with arrays and files under their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from growthlab.scorers.base import Savable
from growthlab.scorers.load import load_scorer

NAMES = "members"


def nested_arrays(members: Mapping[str, Savable]) -> dict[str, np.ndarray]:
    """The names, and each member's kind and arrays under ``<name>/``."""
    arrays = {NAMES: np.array(tuple(members), dtype=str)}
    for name, member in members.items():
        arrays[f"{name}/kind"] = np.array(member.kind)
        arrays |= {f"{name}/{part}": values for part, values in member.to_arrays().items()}
    return arrays


def nested_files(members: Mapping[str, Savable]) -> dict[str, bytes]:
    """Each member's files, as ``<name>.<file>``."""
    return {
        f"{name}.{file}": content
        for name, member in members.items()
        for file, content in member.to_files().items()
    }


def load_nested(arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> dict[str, Any]:
    """The members that `nested_arrays` and `nested_files` wrote."""
    members = {}
    for name in arrays[NAMES].tolist():
        parts = _below(f"{name}/", arrays)
        kind = str(parts.pop("kind"))
        members[name] = load_scorer(kind, parts, _below(f"{name}.", files))
    return members


def _below(prefix: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    """The parts whose names start with `prefix`, without it."""
    return {n.removeprefix(prefix): p for n, p in parts.items() if n.startswith(prefix)}
