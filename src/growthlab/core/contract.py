"""What a config node may name: a class of ours that fulfils the type of the setting it stands for."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin

from growthlab.core.library_estimators import LIBRARY_KINDS

ROOT = __name__.partition(".")[0]
CLASS_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+")
LONGEST_NAME = 200


def types_named_in(annotation: Any) -> tuple[Any, ...]:
    """The types of ours, and the kinds of library estimators, in an annotation, however nested.

    >>> from growthlab.core.errors import ConfigError
    >>> [t.__name__ for t in types_named_in(dict[str, ConfigError] | None)]
    ['ConfigError']
    """
    return tuple(dict.fromkeys(_types_in(annotation)))


def takes_factories(annotation: Any) -> bool:
    """Whether an annotation asks for functions that make objects, as members of a hybrid are."""
    origin = get_origin(annotation)
    return origin is Callable or any(takes_factories(each) for each in get_args(annotation))


def class_of_ours(target: str, kinds: tuple[Any, ...]) -> type | None:
    """The class that is defined under that name and fulfils one of `kinds`; None if there is none.

    Nothing is imported unless the name lies in the package of one of the kinds.
    """
    module_name, _, name = target.rpartition(".")
    possible = [k for k in kinds if k not in LIBRARY_KINDS and _lies_in(target, package_of(k))]
    if not possible:
        return None
    try:
        named = getattr(importlib.import_module(module_name), name, None)
    except ImportError:
        return None
    if not inspect.isclass(named) or named.__module__ != module_name or named.__name__ != name:
        return None  # a function, a module, or imported from elsewhere
    if inspect.isabstract(named) or _is_protocol(named):
        return None
    return named if any(fulfils(named, kind) for kind in possible) else None


def is_class_name(target: Any) -> bool:
    """Whether a value is a dotted name of public ASCII parts."""
    is_text = isinstance(target, str) and len(target) <= LONGEST_NAME
    return is_text and CLASS_NAME.fullmatch(target) is not None and "__" not in target


def fulfils(target: type, kind: Any) -> bool:
    """Whether a class is a subclass of `kind`, or has all members of the Protocol `kind`."""
    if not _is_protocol(kind):
        return issubclass(target, kind)
    annotated = {name for each in target.__mro__ for name in inspect.get_annotations(each)}
    return all(hasattr(target, name) or name in annotated for name in members_of(kind))


def package_of(kind: type) -> str:
    """The package that the type lies in, and with it the classes that fulfil it."""
    return kind.__module__.rpartition(".")[0]


def kinds_of_ours_in_words(kinds: tuple[Any, ...]) -> str:
    """The kinds of ours for a message; empty if there are none."""
    ours = [f"{k.__name__} in {package_of(k)}" for k in kinds if k not in LIBRARY_KINDS]
    return f"classes that fulfil {' or '.join(ours)}" if ours else ""


def _types_in(annotation: Any) -> Iterator[Any]:
    if get_args(annotation):
        for each in get_args(annotation):
            yield from _types_in(each)
    elif isinstance(annotation, list):  # the arguments of a Callable
        return
    elif inspect.isclass(annotation) and annotation.__module__.startswith(f"{ROOT}."):
        yield annotation


def _lies_in(target: str, package: str) -> bool:
    return target.startswith(f"{package}.")


def _is_protocol(kind: type) -> bool:
    return bool(vars(kind).get("_is_protocol", False))


def members_of(protocol: type) -> set[str]:
    """The public members of a Protocol and of those it inherits from, and ``__call__``."""
    protocols = [each for each in protocol.__mro__ if _is_protocol(each)]
    names = {n for each in protocols for n in [*inspect.get_annotations(each), *vars(each)]}
    return {n for n in names if not n.startswith("_") or n == "__call__"}
