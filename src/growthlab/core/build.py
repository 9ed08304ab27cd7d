"""Build an object from a config node: allow-list and argument checks around hydra's instantiate."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from growthlab.core.errors import ConfigError, GrowthlabError, near_matches, one_line
from growthlab.core.plain_types import argument_types, type_mismatch

ALLOWED = ("growthlab.", "sklearn.", "lightgbm.")


def build(node: Mapping[str, Any], where: str = "", *, ignore: Collection[str] = ()) -> Any:
    """The object that `node` names with ``_target_``, its other keys being arguments.

    A nested node with a ``_target_`` is built first. `where` is the node's key in the config
    (``model``), for error messages; by default that of an OmegaConf node. `ignore` are keys of the
    node that are not arguments.

    Raises
    ------
    ConfigError
        A target that is missing or outside the allow-list, an argument that the target does not
        have or whose type is wrong, or a value that the target rejects; one line says what is
        possible.
    """
    from hydra.errors import HydraException
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    plain = dict(node)
    if OmegaConf.is_config(node):
        where = where or str(node._get_full_key(None) or "")  # type: ignore[attr-defined]
        container = OmegaConf.to_container(node, resolve=True)
        assert isinstance(container, dict)
        plain = {str(key): value for key, value in container.items()}
    plain = {key: value for key, value in plain.items() if key not in ignore}
    _check_arguments(plain, _target_of(plain, where), where)
    for place, each in _nodes_under(plain, where):
        _check_arguments(each, _target_of(each, place), place)
    try:
        built = instantiate(plain, _convert_="all")
        if hasattr(built, "_parameter_constraints"):
            built._validate_params()  # scikit-learn would look at them only when it fits
    except HydraException as error:
        cause = error.__cause__
        if isinstance(cause, (ValueError, TypeError)):
            raise ConfigError(_placed(cause, where or plain["_target_"])) from cause
        raise
    except (ValueError, TypeError) as error:
        raise ConfigError(_placed(error, where or plain["_target_"])) from error
    return built


def _placed(error: Exception, where: str) -> str:
    """The error's message, with the config key unless the message names it already."""
    said = one_line(error)
    root = where.partition(".")[0]
    return said if isinstance(error, GrowthlabError) and root in said else f"{where}: {said}"


def _nodes_under(value: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every nested node with a target, however deep, with its key."""
    if isinstance(value, Mapping):
        children = [(f"{where}.{key}" if where else str(key), v) for key, v in value.items()]
    elif isinstance(value, (list, tuple)):
        children = [(f"{where}[{i}]", v) for i, v in enumerate(value)]
    else:
        return
    for place, child in children:
        if isinstance(child, Mapping) and "_target_" in child:
            yield place, child
        yield from _nodes_under(child, place)


def _target_of(node: Mapping[str, Any], where: str) -> Any:
    """The class that a node names, if it is allowed."""
    target = node.get("_target_")
    if not isinstance(target, str):
        keys = sorted(map(str, node))
        raise ConfigError(f"{where or 'a config node'} has no _target_: its keys are {keys}")
    if not target.startswith(ALLOWED):
        allowed = ", ".join(a.rstrip(".") for a in ALLOWED)
        raise ConfigError(f"_target_ {target} is outside the allow-list: possible are {allowed}")
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"_target_ {target} cannot be imported: {error}") from error


def _check_arguments(node: Mapping[str, Any], target: Any, where: str) -> None:
    """ConfigError unless every key is an argument of the target, and every value has its type."""
    parameters = inspect.signature(target).parameters
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    types = argument_types(target)
    for key, value in node.items():
        name = f"{where}.{key}" if where else str(key)
        if str(key).startswith("_"):
            continue
        if key not in parameters and not open_ended:
            possible = near_matches(str(key), parameters)
            raise ConfigError(f"{name}: {node['_target_']} has no setting {key}: {possible}")
        wrong = type_mismatch(value, types[key]) if key in types else ""
        if wrong:
            raise ConfigError(f"{name} must be {wrong}, got {value!r}")
