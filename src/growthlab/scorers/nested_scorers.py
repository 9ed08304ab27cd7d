"""Save and load the scorers inside a scorer, with arrays and files under their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from growthlab.core.array_schema import ArraySchema, Schema
from growthlab.core.errors import BundleError
from growthlab.scorers.base import Savable
from growthlab.scorers.load import NAMES, members_of, parts_below, scorer_class


def nested_schema(*names: str) -> Schema:
    """What the array of names must be; without `names` a member may have any."""
    return {NAMES: ArraySchema(dtypes=("text",), shape=("n_members",), values=names, nonempty=True)}


def nested_arrays(members: Mapping[str, Savable]) -> dict[str, np.ndarray]:
    """The names, and each member's kind and arrays under ``<name>/``."""
    arrays = {NAMES: np.array(tuple(members), dtype=str)}
    for name, member in members.items():
        arrays[f"{name}/kind"] = np.array(member.kind)
        arrays |= {f"{name}/{part}": values for part, values in member.to_arrays().items()}
    return arrays


def files_of_members(members: Mapping[str, Savable]) -> dict[str, bytes]:
    """Each member's files, as ``<name>.<file>``."""
    return {
        f"{name}.{file}": content
        for name, member in members.items()
        for file, content in member.to_files().items()
    }


def load_nested(
    arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes], ability: str
) -> dict[str, Any]:
    """The members that `nested_arrays` and `files_of_members` wrote.

    Raises
    ------
    BundleError
        A member does not have the `ability`, which is ``score`` or ``predict``.
    """
    members = {}
    for name, parts in members_of(arrays).items():
        kind = str(parts.pop("kind"))
        members[name] = scorer_class(kind).load(parts, parts_below(f"{name}.", files))
        if not hasattr(members[name], ability):
            raise BundleError(f"its member {name} is of the kind {kind}, which cannot {ability}")
    return members
