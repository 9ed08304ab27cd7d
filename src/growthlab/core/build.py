"""Build an object from a config node: classes that fulfil a contract, checked before any is called."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from growthlab.core.contract import (
    class_of_ours,
    is_class_name,
    kinds_of_ours_in_words,
    takes_factories,
    types_named_in,
)
from growthlab.core.errors import ConfigError, GrowthlabError, near_matches, one_line, quoted
from growthlab.core.library_estimators import (
    LIBRARY_KINDS,
    is_library_name,
    is_of_kind,
    kinds_in_words,
    library_class,
    refuse_settings,
)
from growthlab.core.plain_types import argument_types, type_mismatch
from growthlab.core.plain_values import plain_values

TARGET, PARTIAL = "_target_", "_partial_"
DEEPEST = 12  # nodes inside nodes


def build(
    node: Mapping[str, Any], kind: Any, where: str = "", *, ignore: Collection[str] = ()
) -> Any:
    """The object that `node` names with ``_target_``, its other keys being arguments.

    Only a class can be named: one of ours that is defined in the package of `kind` and fulfils it,
    or an estimator of scikit-learn or LightGBM where `kind` names `SklearnClassifier` or
    `SklearnRegressor`. A nested node is built first; what it may name follows from the type of the
    argument that it is given to. Everything is checked before the first object is made.

    Parameters
    ----------
    kind : a class, a Protocol, or a union of them, as in an annotation
    where : the node's key in the config (``model``), for messages; by default that of an OmegaConf node
    ignore : keys of the node that are not arguments

    Raises
    ------
    ConfigError
        A target that is missing or may not be named here, an argument that the target does not
        have or whose type is wrong, or a value that the target rejects; one line says what is
        possible.
    """
    where = where or _key_of(node)
    plain = {key: value for key, value in plain_values(node).items() if key not in ignore}
    return _part(plain, _Place(where, types_named_in(kind))).make()


@dataclass(frozen=True)
class _Place:
    """Where in a config a node stands, and what it may name there."""

    where: str
    kinds: tuple[Any, ...]
    in_library: bool = False  # among the arguments of a library's class
    factories: bool = False
    depth: int = 0

    def at(self, where: str) -> _Place:
        """The same contract at another key."""
        return _Place(where, self.kinds, self.in_library, self.factories, self.depth)

    @property
    def possible(self) -> str:
        """What may be named here, for a message."""
        if self.in_library:
            return "estimators of scikit-learn and LightGBM"
        words = [kinds_of_ours_in_words(self.kinds), kinds_in_words(self.kinds)]
        return ", or ".join(filter(None, words)) or "nothing: this setting takes plain values"


@dataclass(frozen=True)
class _Part:
    """A checked node: a class with its arguments, of which some are parts themselves."""

    target: type
    arguments: Mapping[str, Any]
    is_factory: bool
    place: _Place

    def make(self) -> Any:
        """The object, or with ``_partial_`` a function that makes one."""
        arguments = {key: _made(value) for key, value in self.arguments.items()}
        if self.is_factory:
            return functools.partial(self.target, **arguments)
        try:
            made = self.target(**arguments)
            if hasattr(made, "_parameter_constraints"):
                made._validate_params()  # scikit-learn would look at them only when it fits
            is_library = is_library_name(self.target.__module__)
            fits = not is_library or self.place.in_library or is_of_kind(made, self.place.kinds)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            raise ConfigError(
                _placed(error, self.place.where or _full_name(self.target))
            ) from error
        if not fits:
            raise _not_possible(_full_name(self.target), self.place)
        return made


def _part(node: Mapping[str, Any], place: _Place) -> _Part:
    """The node as a part, with everything below it checked."""
    where = place.where
    if place.depth > DEEPEST:
        raise ConfigError(f"{where}: more than {DEEPEST} nodes stand inside each other")
    if TARGET not in node:
        keys = quoted(repr(sorted(map(str, node))))
        raise ConfigError(f"{where or 'a config node'} has no {TARGET}: its keys are {keys}")
    target = _class_named(node[TARGET], place)
    is_factory = node.get(PARTIAL, False)
    if is_factory is not False and not (is_factory is True and place.factories):
        raise ConfigError(f"{where}.{PARTIAL} is not possible here: name the class alone")
    settings = {str(k): v for k, v in node.items() if k not in (TARGET, PARTIAL)}
    types = _checked_types(target, settings, where)
    arguments = {
        key: _parts_in(
            value, _argument_place(target, types.get(key), f"{where}.{key}", place.depth)
        )
        for key, value in settings.items()
    }
    return _Part(target, arguments, bool(is_factory), place)


def _argument_place(target: type, annotation: Any, where: str, depth: int) -> _Place:
    """What a node may name that is given to an argument."""
    if is_library_name(target.__module__):
        return _Place(where, LIBRARY_KINDS, in_library=True, depth=depth + 1)
    return _Place(
        where, types_named_in(annotation), factories=takes_factories(annotation), depth=depth + 1
    )


def _parts_in(value: Any, place: _Place) -> Any:
    """The value with every node in it as a part, however deep in lists and mappings."""
    if isinstance(value, Mapping):
        if TARGET in value:
            return _part(value, place)
        return {key: _parts_in(v, place.at(f"{place.where}.{key}")) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_parts_in(v, place.at(f"{place.where}[{i}]")) for i, v in enumerate(value)]
    return value


def _made(value: Any) -> Any:
    """The value with an object for every part."""
    if isinstance(value, _Part):
        return value.make()
    if isinstance(value, dict):
        return {key: _made(each) for key, each in value.items()}
    return [_made(each) for each in value] if isinstance(value, list) else value


def _class_named(target: Any, place: _Place) -> type:
    """The class that a node names, if it may be named there."""
    named: type | None = None
    if is_class_name(target):
        takes_library = place.in_library or any(kind in LIBRARY_KINDS for kind in place.kinds)
        if not is_library_name(target):
            named = None if place.in_library else class_of_ours(target, place.kinds)
        elif takes_library:
            named = library_class(target)
    if named is None:
        raise _not_possible(target, place)
    return named


def _not_possible(target: Any, place: _Place) -> ConfigError:
    key = f"{quoted(place.where)}.{TARGET}" if place.where else TARGET
    shown = quoted(target) if is_class_name(target) else quoted(ascii(target))
    return ConfigError(f"{key}={shown} cannot be used here: possible are {place.possible}")


def _checked_types(target: type, settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The types of the arguments; ConfigError unless the settings are arguments of their types."""
    parameters = inspect.signature(target).parameters
    named = [n for n, p in parameters.items() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    types = argument_types(target)
    takes_any = len(named) < len(parameters)
    for key, value in settings.items():
        name = f"{where}.{key}" if where else key
        if key not in named and not takes_any:
            possible = near_matches(key, named)
            missing = f"{_full_name(target)} has no setting {quoted(key)}"
            raise ConfigError(f"{quoted(name)}: {missing}: {possible}")
        wrong = type_mismatch(value, types[key]) if key in types else ""
        if wrong:
            raise ConfigError(f"{quoted(name)} must be {wrong}, got {quoted(repr(value))}")
    if is_library_name(target.__module__):
        refuse_settings(target, settings, named, where)
    return types


def _full_name(target: Callable[..., Any]) -> str:
    return f"{target.__module__}.{target.__qualname__}"


def _key_of(node: Mapping[str, Any]) -> str:
    """The key of an OmegaConf node in its config; empty for a plain mapping."""
    get_full_key = getattr(node, "_get_full_key", None)
    return str(get_full_key(None) or "") if get_full_key is not None else ""


def _placed(error: Exception, where: str) -> str:
    """The error's message, with the config key unless the message names it already.

    A part that calls its setting ``trainer.lr`` and stands at ``model.trainer`` gives ``model.trainer.lr``.
    """
    said = one_line(error)
    root, parent, own = where.partition(".")[0], *where.rpartition(".")[::2]
    if parent and said.startswith(f"{own}."):
        return f"{parent}.{said}"
    return said if isinstance(error, GrowthlabError) and root in said else f"{where}: {said}"
