"""``conf/local/default.yaml``: the settings of one's own machine, as they would be typed in a command.

A name of a group with a text chooses in it (``data: online_retail``), everything else is a value, nested or
with dots (``tracking.uri: sqlite:////srv/mlflow.db``). They hold for every command that has them; words of
the command come first. A defaults list, as in other config files, is read as choices.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from growthlab.config.conf_tree import CONF, groups, search_path
from growthlab.config.own_files import LOCAL_SETTINGS, check_content
from growthlab.core.errors import ConfigError, near_matches, quoted
from growthlab.core.plain_yaml import read_plain_yaml

log = logging.getLogger(__name__)

SHOWN = f"conf/{LOCAL_SETTINGS}"
TOP_LEVEL = re.compile(r"^(\w+):", re.MULTILINE)


@dataclass(frozen=True)
class LocalSettings:
    """The choices by group, and the values by dotted key; mappings are nested until a command is known."""

    choices: Mapping[str, str | list[str]] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    def words(self, read: Sequence[str] | frozenset[str], typed: Sequence[str]) -> list[str]:
        """The choices as words, of the groups that a command reads and no typed word chooses in."""
        chosen = {key_of(word) for word in typed}
        return [
            f"{group}={choice if isinstance(choice, str) else _listed(choice)}"
            for group, choice in self.choices.items()
            if group in read and group not in chosen
        ]

    def apply(self, config: DictConfig, own: DictConfig | None, typed: Sequence[str]) -> None:
        """Set the values that the config has, but for those that a typed word sets.

        `own` is the config without words and local settings: its empty mappings take any key.
        """
        keys = {key_of(word) for word in typed} - set(groups())
        for path, value in _leaves(self.values, config, own):
            if any(path == key or path.startswith(f"{key}.") for key in keys):
                continue
            if _has(config, path) or _is_open(own, path):
                OmegaConf.update(config, path, value, merge=False, force_add=True)
            elif not (path.startswith("model.") and "models" in config):
                _say_unused(path, _hint(config, path))


def local_settings() -> LocalSettings:
    """The settings of the file in the working folder, or else beside the package's config; none without.

    Raises
    ------
    ConfigError
        No plain mapping of settings, or a name that no command has.
    """
    for root in reversed(search_path()):
        path = root / LOCAL_SETTINGS
        if path.is_file():
            state = path.stat()
            return _read(path, state.st_mtime_ns, state.st_size)
    return LocalSettings()


def key_of(word: str) -> str:
    """What a word sets: ``data`` for ``data=x``, ``data.path`` for ``+data.path=x``."""
    return word.lstrip("+~").partition("=")[0]


@lru_cache
def _read(path: Path, modified: int, size: int) -> LocalSettings:
    """The settings of a file; the time and size of it tell a changed file."""
    content = read_plain_yaml(path)
    check_content(content, SHOWN)
    choices: dict[str, str | list[str]] = {}
    values: dict[str, Any] = {}
    for entry in (content or {}).get("defaults", []):
        for group, choice in entry.items() if isinstance(entry, dict) else []:
            name = str(group).removeprefix("override ").strip().removeprefix("/")
            if choice is not None:
                choices[name] = choice
    known = {*groups(), *_names_of_commands()}
    for key, value in (content or {}).items():
        name = str(key)
        if name == "defaults":
            continue
        if name.partition(".")[0] not in known:
            raise ConfigError(
                f"{SHOWN}: no command has a setting {quoted(name)}: {near_matches(name, known)}"
            )
        is_choice = isinstance(value, str) or (
            isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
        )
        if name in groups() and is_choice:
            choices[name] = value
        else:
            values[name] = value
    return LocalSettings(choices, values)


@lru_cache
def _names_of_commands() -> frozenset[str]:
    """The settings at the top of the config files of all commands."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(CONF.glob("*.yaml"))]
    names = {name for text in texts for name in TOP_LEVEL.findall(text)}
    return frozenset({*names, "task"} - {"defaults"})


def _listed(choices: Sequence[str]) -> str:
    return f"[{','.join(choices)}]"


def _leaves(
    values: Mapping[str, Any], config: DictConfig, own: DictConfig | None, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Path and value of each setting: a mapping is gone into where the config has one with settings."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        node = OmegaConf.select(config, path, throw_on_missing=False)
        if isinstance(value, dict) and value and OmegaConf.is_dict(node):
            yield from _leaves(value, config, own, f"{path}.")
        else:
            yield path, value


def _has(config: Any, path: str) -> bool:
    """Whether a config has the setting, be its value missing or null."""
    parent, _, name = path.rpartition(".")
    node = OmegaConf.select(config, parent, throw_on_missing=False) if parent else config
    return OmegaConf.is_dict(node) and name in list(node)


def _is_open(own: Any, path: str) -> bool:
    """Whether the setting stands in a mapping that is empty in the config without words."""
    parent = path.rpartition(".")[0]
    if own is None or not parent:
        return False
    node = OmegaConf.select(own, parent, throw_on_missing=False)
    return OmegaConf.is_dict(node) and not len(node)


def _hint(config: Any, path: str) -> str:
    """What else stands where the setting was looked for."""
    parent, _, name = path.rpartition(".")
    node: Any = OmegaConf.select(config, parent, throw_on_missing=False) if parent else None
    names = (
        [str(key) for key in node if not str(key).startswith("_")]
        if OmegaConf.is_dict(node)
        else []
    )
    near = near_matches(name, names, prefix=f"{parent}.")
    return f": {near}" if near.startswith("did") else ""


@lru_cache(maxsize=256)
def _say_unused(path: str, hint: str) -> None:
    """One line in the log, once a process, on a setting that this command does not have."""
    log.info("%s: %s is not a setting of this command%s", SHOWN, path, hint)
