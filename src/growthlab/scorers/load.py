"""Load a scorer from its kind and saved parts."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np

import growthlab.scorers
from growthlab.core.array_schema import ArraySchema, Schema, check_arrays
from growthlab.core.errors import BundleError, near_matches
from growthlab.scorers.base import RowScorer, Scorer

NAMES = "members"  # the array that names the scorers inside a scorer
MOST = 50  # such members
DEEPEST = 3  # members within members
_OF_ROWS = ("btyd", "calibrated", "curve", "hurdle", "lightgbm", "linear", "onnx")
# the kinds of bundles that were written before scorers of rows were named so
EARLIER_KINDS = {f"{name}_rows": f"{name}_row_scorer" for name in _OF_ROWS}
KIND: Schema = {"kind": ArraySchema(dtypes=("text",))}


def load_scorer(
    kind: str,
    arrays: Mapping[str, np.ndarray],
    files: Mapping[str, bytes],
    sizes: Mapping[str, int] | None = None,
) -> Scorer | RowScorer:
    """The scorer of that kind.

    `sizes` are those that its arrays must agree with, such as ``n_items``.

    Raises
    ------
    BundleError
        An unknown kind, a missing part, or one that is not as the scorer's schema says.
    """
    loaded_class = scorer_class(kind)
    check_scorer_arrays(kind, arrays, sizes or {})
    try:
        return loaded_class.load(arrays, files)
    except KeyError as error:
        raise BundleError(
            f"a scorer of the kind {kind!r} needs {error.args[0]!r}, which is missing: "
            "export the model again"
        ) from error


def check_scorer_arrays(
    kind: str, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int], depth: int = 0
) -> None:
    """Check the arrays of a scorer and of its members; see `load_scorer` for the errors."""
    if depth > DEEPEST:
        raise BundleError(f"scorers within scorers go {DEEPEST} deep at most")
    checked_class, members = scorer_class(kind), members_of(arrays)
    if NAMES not in checked_class.schema:
        members = {}
    own = {n: v for n, v in arrays.items() if not n.startswith(tuple(f"{m}/" for m in members))}
    check_arrays(checked_class.schema, own, dict(sizes), f"a scorer of the kind {kind!r}")
    for name, parts in members.items():
        owner = f"its member {name}"
        check_arrays(KIND, {n: v for n, v in parts.items() if n == "kind"}, {}, owner)
        kind_of_member = str(parts.pop("kind"))
        try:
            check_scorer_arrays(kind_of_member, parts, sizes, depth + 1)
        except BundleError as error:
            raise BundleError(f"{owner}: {error}") from error


def scorer_class(kind: str) -> type[Scorer] | type[RowScorer]:
    """The class of that kind; imports only as many modules as needed to find it."""
    kind = EARLIER_KINDS.get(kind, kind)
    for module in sorted(
        _modules(), key=lambda name: name != kind
    ):  # usually the module of that name
        named = _kinds_in(module).get(kind)
        if named is not None:
            return named
    raise BundleError(
        f"there is no scorer of the kind {kind!r}: {near_matches(kind, scorer_kinds())}"
    )


def scorer_kinds() -> list[str]:
    """Every kind that can be loaded, sorted."""
    return sorted(kind for module in _modules() for kind in _kinds_in(module))


def members_of(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of each member by its name, without the name before theirs.

    Raises
    ------
    BundleError
        A name is empty, there twice, or the beginning of a path; or there are too many.
    """
    names = arrays[NAMES].ravel().tolist() if NAMES in arrays else []
    if len(set(names)) < len(names) or len(names) > MOST:
        raise BundleError(f"members must be at most {MOST} distinct names, got {len(names)}")
    if any(not name or "/" in name for name in names):
        raise BundleError("a member must have a name without a slash")
    return {name: parts_below(f"{name}/", arrays) for name in names}


def parts_below(prefix: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    """The parts whose names start with `prefix`, without it."""
    return {n.removeprefix(prefix): p for n, p in parts.items() if n.startswith(prefix)}


def _modules() -> Iterator[str]:
    return (module.name for module in pkgutil.iter_modules(growthlab.scorers.__path__))


def _kinds_in(name: str) -> dict[str, type]:
    module = import_module(f"growthlab.scorers.{name}")
    classes = (value for value in vars(module).values() if isinstance(value, type))
    own = (value for value in classes if value.__module__ == module.__name__)
    kinds = ((vars(value).get("kind"), value) for value in own)
    return {kind: value for kind, value in kinds if isinstance(kind, str)}
