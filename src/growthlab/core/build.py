"""A config node to an object: allow-list and argument check; the only call of hydra's instantiate."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from growthlab.core.errors import ConfigError, near_matches

ALLOWED = ("growthlab.", "sklearn.", "lightgbm.")


def build(node: Mapping[str, Any], **overrides: Any) -> Any:
    """The object that `node` names with ``_target_``, its other keys being arguments.

    A nested node with a ``_target_`` is built first (one level). `overrides` replace or add arguments.

    Raises
    ------
    ConfigError
        A target that is missing or outside the allow-list, an argument that the target does not know,
        or a value that the target refuses; each in one line that says what is possible.
    """
    from hydra.errors import HydraException
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else dict(node)
    assert isinstance(plain, dict)
    nodes = [plain, *(v for v in plain.values() if isinstance(v, dict) and "_target_" in v)]
    for each in nodes:
        _check_arguments(each, _target_of(each))
    try:
        return instantiate(plain, _convert_="all", **overrides)
    except HydraException as error:
        cause = error.__cause__
        if isinstance(cause, (ValueError, TypeError)):
            raise ConfigError(f"{plain['_target_']}: {cause}") from cause
        raise


def _target_of(node: Mapping[Any, Any]) -> Any:
    """The class or function that a node names, if it is allowed."""
    target = node.get("_target_")
    if not isinstance(target, str):
        raise ConfigError(f"a config node has no _target_: its keys are {sorted(map(str, node))}")
    if not target.startswith(ALLOWED):
        allowed = ", ".join(a.rstrip(".") for a in ALLOWED)
        raise ConfigError(f"_target_ {target} is outside the allow-list: possible are {allowed}")
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"_target_ {target} cannot be imported: {error}") from error


def _check_arguments(node: Mapping[Any, Any], target: Any) -> None:
    """Every key is an argument of the target."""
    parameters = inspect.signature(target).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return
    for key in node:
        if not str(key).startswith("_") and key not in parameters:
            raise ConfigError(
                f"{node['_target_']} has no setting {key}: {near_matches(str(key), parameters)}"
            )
