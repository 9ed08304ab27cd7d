"""Whether a value from a config file has the type that an argument is annotated with."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    type(None): "null",
}


def argument_types(target: Any) -> dict[str, Any]:
    """Argument -> annotation; arguments whose annotation cannot be read are left out."""
    if dataclasses.is_dataclass(target):
        classes = reversed(target.__mro__)  # type: ignore[union-attr]
        owners = [(vars(sys.modules[c.__module__]), inspect.get_annotations(c)) for c in classes]
    else:
        function = target.__init__ if inspect.isclass(target) else target
        annotations = getattr(function, "__annotations__", {})
        owners = [(getattr(function, "__globals__", {}), annotations)]
    annotated: dict[str, Any] = {}
    for namespace, annotations in owners:
        for name, annotation in annotations.items():
            with contextlib.suppress(NameError, TypeError, AttributeError, SyntaxError):
                one = types.SimpleNamespace(__annotations__={name: annotation})
                annotated.update(get_type_hints(one, globalns=namespace))
    return annotated


def type_mismatch(value: Any, annotation: Any) -> str:
    """What the value should have been (``a whole number``); empty if it fits, or cannot be checked.

    Numbers, booleans, texts, null, literals, and lists and mappings of them are checked. A whole
    number counts as a number; there is no other conversion.
    """
    return "" if _fits(value, annotation) else _in_words(annotation)


def _fits(value: Any, annotation: Any) -> bool:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return any(_fits(value, a) for a in arguments)
    if origin is Literal:
        return value in arguments
    if origin in (list, tuple, set, frozenset):
        each = arguments[0] if arguments else Any
        return isinstance(value, (list, tuple)) and all(_fits(v, each) for v in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping)
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return isinstance(value, (list, tuple))
    if dataclasses.is_dataclass(annotation):
        return isinstance(value, Mapping)
    if annotation in (bool, str, type(None)):
        return isinstance(value, annotation)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if annotation is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return True


def _in_words(annotation: Any) -> str:
    """The type in words, such as ``a whole number or null``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_in_words(a) for a in arguments))
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a mapping {name: value}"
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return "a list such as [a, b]"
    if dataclasses.is_dataclass(annotation):
        return "settings with names of their own"
    return WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))
