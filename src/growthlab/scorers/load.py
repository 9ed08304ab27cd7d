"""Load a scorer from its kind and saved parts."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module

import numpy as np

import growthlab.scorers
from growthlab.core.errors import BundleError, near_matches
from growthlab.scorers.base import RowScorer, Scorer


def load_scorer(
    kind: str, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]
) -> Scorer | RowScorer:
    """The scorer of that kind; BundleError for an unknown kind and for a missing part."""
    loaded_class = scorer_class(kind)
    try:
        return loaded_class.load(arrays, files)
    except KeyError as error:
        raise BundleError(
            f"a scorer of the kind {kind!r} needs {error.args[0]!r}, which is missing: "
            "export the model again"
        ) from error


def scorer_class(kind: str) -> type[Scorer] | type[RowScorer]:
    """The class of that kind; imports only as many modules as needed to find it."""
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


def _modules() -> Iterator[str]:
    return (module.name for module in pkgutil.iter_modules(growthlab.scorers.__path__))


def _kinds_in(name: str) -> dict[str, type]:
    module = import_module(f"growthlab.scorers.{name}")
    classes = (value for value in vars(module).values() if isinstance(value, type))
    own = (value for value in classes if value.__module__ == module.__name__)
    kinds = ((vars(value).get("kind"), value) for value in own)
    return {kind: value for kind, value in kinds if isinstance(kind, str)}
