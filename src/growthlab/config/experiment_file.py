"""The winner of a search as a config file of differences, for ``growthlab train experiment=NAME``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from growthlab.config.compose import Command, compose, compose_choice
from growthlab.config.conf_tree import search_path
from growthlab.core.atomic_write import atomic_file
from growthlab.core.errors import ConfigError

SAVED_GROUPS = ("data", "split", "task", "model")
KEYS_NOT_SAVED = (
    "tracking",
    "cache",
    "cluster",
    "device",
    "rerun",
    "metrics",
    "tags",
)  # of the machine or the run

NO_METRICS = "metrics=[]"  # they are not saved, and are most of what is composed


def save_experiment(folder: Path, name: str, winner: Command, remarks: str) -> Path:
    """Write ``folder/name.yaml``: the chosen groups, and every setting that differs from them.

    Raises
    ------
    ConfigError
        The folder cannot be written.
    """
    default = compose("train", [NO_METRICS])
    chosen = {g: winner.chosen[g] for g in SAVED_GROUPS}
    words = [f"{g}={choice}" for g, choice in chosen.items()]
    family = chosen["model"].partition("/")[0]
    inner = _inner_groups(winner.chosen, compose("train", [*words, NO_METRICS]).chosen)
    words += [f"{g}={choice}" for g, choice in inner.items()]
    base = _settings(compose("train", [*words, NO_METRICS]).config, family)
    settings = {k: v for k, v in _settings(winner.config, family).items() if k in base}
    overridden = {g: c for g, c in chosen.items() if g == "model" or c != default.chosen[g]} | inner
    content = {
        "defaults": [{f"override /{g}": choice} for g, choice in overridden.items()],
        **differences(settings, base),
    }
    text = f"# @package _global_\n# {remarks}\n{yaml.safe_dump(content, sort_keys=False)}"
    path = folder / f"{name}.yaml"
    try:
        with atomic_file(path) as file:
            file.write(text.encode())
    except OSError as error:
        why = f"experiments={folder} cannot be written ({error.strerror})"
        raise ConfigError(f"{why}: choose another folder, or null") from error
    return path


def is_on_search_path(path: Path) -> bool:
    """Whether ``experiment=NAME`` finds the file from the working folder."""
    return any((root / "experiment").resolve() == path.parent.resolve() for root in search_path())


def differences(settings: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that differ from `base` or are not in it.

    >>> differences({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 5, "d": 3}})
    {'b': {'c': 2}}
    """
    changed: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), Mapping):
            inner = differences(value, base[key])
            if inner:
                changed[key] = inner
        elif key not in base or base[key] != value:
            changed[key] = value
    return changed


def _inner_groups(chosen: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    """Choices inside a group, such as ``loss@model.loss``, that differ from those of `base`.

    They are saved as choices, as the settings of two choices must not be mixed.
    """
    return {g: choice for g, choice in chosen.items() if "@" in g and base.get(g) != choice}


def _settings(config: Any, family: str) -> dict[str, Any]:
    """The settings to save; the members of a hybrid model as a list with their changed settings."""
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    model: Any = plain["model"]
    if "members" in model:
        model["members"] = [_member(name, own, family) for name, own in model["members"].items()]
    return {str(k): v for k, v in plain.items() if k not in KEYS_NOT_SAVED}


def _member(name: str, settings: Mapping[str, Any], family: str) -> Any:
    """The name of a member, with its settings that differ from its config file, if any."""
    config = compose_choice(f"model={family}/{name}")
    own = {k: v for k, v in settings.items() if k != "_partial_"}
    if "members" in own:
        own["members"] = [_member(n, inner, family) for n, inner in own["members"].items()]
    changed = differences(own, _settings(config, family)["model"])
    return {name: changed} if changed else name
