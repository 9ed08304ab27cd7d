"""The model of a config: the settings of its class, and apart from them what a fit of it needs."""

from __future__ import annotations

from typing import Any

from growthlab.core.errors import ConfigError, near_matches, quoted
from growthlab.core.plain_types import argument_types, type_mismatch
from growthlab.core.plain_values import plain_values
from growthlab.tasks.executor import Resources

RESOURCES = "resources"


def model_node(config: Any) -> dict[str, Any]:
    """The settings of the model of a config, which its class takes."""
    return {key: value for key, value in plain_values(config.model).items() if key != RESOURCES}


def model_resources(config: Any) -> Resources:
    """What a fit of the model is given where several run at once: its ``resources``, if it has any.

    Raises
    ------
    ConfigError
        An unknown resource, or one that is no number.
    """
    given = plain_values(config.model).get(RESOURCES) or {}
    types = argument_types(Resources)
    if not isinstance(given, dict):
        raise ConfigError(f"model.resources={quoted(str(given))}: give some of {', '.join(types)}")
    for name, value in given.items():
        if name not in types:
            raise ConfigError(f"model.resources.{quoted(name)}: {near_matches(name, types)}")
        if wrong := type_mismatch(value, types[name]):
            raise ConfigError(f"model.resources.{name} must be {wrong}, got {quoted(repr(value))}")
    return Resources(**given)
