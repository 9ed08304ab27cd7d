"""Where each value of a command's config comes from: a word, one's own settings, or the file of a choice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from growthlab.config.compose import Command
from growthlab.config.conf_tree import CONF, choices, groups, search_path
from growthlab.config.defaults_list import defaults_of
from growthlab.config.local_settings import SHOWN, key_of, local_settings
from growthlab.config.model_settings import flatten_settings
from growthlab.core.plain_values import plain_values
from growthlab.core.plain_yaml import read_plain_yaml


class ValueOrigin(NamedTuple):
    """A setting, its value as it is typed, and where that comes from."""

    key: str
    value: str
    origin: str


def value_origins(command: Command) -> Iterator[ValueOrigin]:
    """Every value of a composed command with its origin, in the order of the config."""
    files = _files(command)
    experiment = _keys_of_experiment(command)
    local = frozenset(_flat(local_settings().values))
    for key, value in flatten_settings(plain_values(command.config)).items():
        if not key.endswith("_target_"):
            yield ValueOrigin(key, value, _origin(key, command, files, experiment, local))


def _origin(
    key: str,
    command: Command,
    files: dict[str, str],
    experiment: frozenset[str],
    local: frozenset[str],
) -> str:
    words = [w for w in command.words if key_of(w) not in groups() and _sets(key_of(w), key)]
    if words:
        return f"typed: {words[-1]}"
    if _among(key, local):
        return SHOWN
    if _among(key, experiment):
        return f"experiment={command.chosen['experiment']}"
    place = max((p for p in files if _sets(p, key)), key=len, default="")
    if place:
        return files[place]
    group, _, rest = key.partition(".")
    return _file_of_one(group, rest.partition(".")[0]) or _command_file(command.name, group)


def _file_of_one(group: str, name: str) -> str:
    """The file of one of several choices in a group, such as a metric, by its name in the config."""
    found = [choice for choice in choices(group) if choice.rpartition("/")[2] == name]
    return _file(group, found[0]) if name and len(found) == 1 else ""


def _sets(word: str, key: str) -> bool:
    """Whether what a word names is the setting or contains it."""
    return key == word or key.startswith(f"{word}.")


def _among(key: str, keys: frozenset[str]) -> bool:
    return any(_sets(one, key) for one in keys)


def _files(command: Command) -> dict[str, str]:
    """The file of each part that is chosen from a group, by the part's place in the config."""
    files: dict[str, str] = {}
    for group, choice in command.chosen.items():
        name, _, package = group.partition("@")
        if name.startswith("hydra") or name in ("experiment", "local"):
            continue
        if path := _file(name, choice):
            files[package or name] = path
    return files


def _file(group: str, choice: str) -> str:
    """The file of a choice as it is shown: in one's own folder, or in the package."""
    for root in reversed(search_path()):
        if (root / group / f"{choice}.yaml").is_file():
            return f"{'' if root == CONF else 'own '}conf/{group}/{choice}.yaml"
    return ""


def _command_file(command: str, key: str) -> str:
    """The file of the command, or the one that it builds on, that has a setting at its top."""
    path = CONF / f"{command}.yaml"
    text = path.read_text(encoding="utf-8")
    if any(line.startswith(f"{key}:") for line in text.splitlines()):
        return f"conf/{command}.yaml"
    for default in defaults_of(path):
        if not default.is_group and (CONF / f"{default.name}.yaml").exists():
            found = _command_file(default.name, key)
            if found:
                return found
    return ""


def _keys_of_experiment(command: Command) -> frozenset[str]:
    """The settings that the experiment's file has."""
    choice = command.chosen.get("experiment")
    for root in reversed(search_path()):
        path = root / "experiment" / f"{choice}.yaml"
        if choice and path.is_file():
            return frozenset(_flat(read_plain_yaml(path)))
    return frozenset()


def _flat(content: Any) -> list[str]:
    """The dotted keys of plain settings, without a defaults list."""
    settings = {str(k): v for k, v in (content or {}).items() if k != "defaults"}
    return list(flatten_settings(settings))
