"""Configs as plain values: nothing in them is looked up or evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from growthlab.core.errors import ConfigError

INTERPOLATION = "${"


def plain_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config, OmegaConf's or plain, as dicts, lists and values, none of which is an interpolation.

    Raises
    ------
    ConfigError
        A text with ``${``, which OmegaConf would replace by a value from elsewhere, such as the
        environment.
    """
    from omegaconf import OmegaConf

    if OmegaConf.is_config(config):
        container: Any = OmegaConf.to_container(config, resolve=False)
        refuse_interpolations(container)
    else:
        container = config
    return {str(key): value for key, value in container.items()}


def refuse_interpolations(value: Any) -> None:
    """Raise a `ConfigError` for the first text with ``${`` in a value, its keys included."""
    for where, text in _texts(value, ""):
        if INTERPOLATION in text:
            shown = ascii(text)[1:-1][:60]
            raise ConfigError(
                f"{where}={shown} is looked up elsewhere, which a config may not do: "
                "write the value itself"
            )


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every text in a value, with its key."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            place = f"{where}.{key}" if where else str(key)
            yield place, str(key)
            yield from _texts(child, place)
    elif isinstance(value, (list, tuple)):
        for i, child in enumerate(value):
            yield from _texts(child, f"{where}[{i}]")
    elif isinstance(value, str):
        yield where, value
