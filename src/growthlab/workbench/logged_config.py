"""The config as runs log it, and a logged config as a command that can run again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from growthlab.config import mistakes
from growthlab.config.compose import Command
from growthlab.core.credentials import without_passwords
from growthlab.core.errors import ConfigError, one_line, quoted
from growthlab.core.plain_values import plain_values
from growthlab.core.plain_yaml import read_plain_yaml
from growthlab.tasks.entry import Contender, Entry
from growthlab.workbench.workbench import Workbench

KEYS_OF_A_SEARCH = (
    *("budget", "prune", "objectives", "limits", "n_jobs", "study", "storage", "search"),
)
KEYS_OF_THE_MACHINES = ("cluster",)  # no address, and the same run wherever it is computed
ENGINE = "engine"  # of data: as the machines
KEYS_NOT_LOGGED = (
    *("rerun", "model", "n_jobs", "storage", "experiments", "output", "pictures"),  # nor a password
    *KEYS_OF_THE_MACHINES,
)
KEYS_OF_A_COMPARISON = ("models", "model_settings", "seeds", "origins")
KEYS_NOT_OF_A_RUN = (
    *("rerun", "experiments", "output", "pictures"),
    *(*KEYS_OF_THE_MACHINES, *KEYS_OF_A_COMPARISON, *KEYS_OF_A_SEARCH),
)
# runs of earlier versions have none
KEYS_ADDED_SINCE = ("intervals", "memory_gb", "privacy")
LOGGED_GROUPS = ("data", "split", "task")
CHOICE = re.compile(r"\w[\w-]*(/\w[\w-]*)?")
MOVED_TARGETS = {"growthlab.features.item_content.": "growthlab.features.term_content."}


def command_config(bench: Workbench, contenders: Sequence[Contender]) -> dict[str, Any]:
    """The config of a whole command, with the settings of every contender."""
    config = {k: v for k, v in plain_config(bench.command).items() if k not in KEYS_NOT_LOGGED}
    models = {c.name: dict(c.settings) for c in contenders}
    return {**config, "models": models, "chosen": _logged_choices(bench.command)}


def entry_config(bench: Workbench, entry: Entry) -> dict[str, Any]:
    """The config of one entry of a comparison, which `command_from_logged` can run again."""
    config = {k: v for k, v in plain_config(bench.command).items() if k not in KEYS_NOT_OF_A_RUN}
    cutoff = bench.folds[entry.origin].cutoff
    if entry.origin and cutoff is not None:
        config["split"] = {**config["split"], "cutoff": str(cutoff)}
    chosen = _logged_choices(bench.command)
    chosen["model"] = f"{bench.task.models}/{entry.contender.name}"
    settings = {"model": dict(entry.contender.settings), "seed": entry.seed}
    return {**config, **settings, "chosen": chosen}


def command_from_logged(logged: Mapping[str, Any], command: Command) -> Command:
    """A logged config as a ``train`` command, with the store, the cache and the memory of `command`.

    Classes that have moved since the run are looked for where they are now.
    """
    own = ("tracking", "cache", "memory_gb", *KEYS_OF_THE_MACHINES)
    here = {key: command.config[key] for key in own if key in command.config}
    config = {**_with_new_targets(logged), **here}
    engine = command.config.get("data", {}).get(ENGINE)
    if engine is not None:
        config["data"] = {**config["data"], ENGINE: engine}
    chosen = config.pop("chosen")
    return Command(OmegaConf.create(config), dict(chosen), "train")


def checked_logged_config(path: Path, default: Command) -> dict[str, Any]:
    """The config that a run logged as a file, which somebody else may have written.

    `default` is the command without words, whose kinds of settings the logged ones must have. What
    the config names is checked where it is built.

    Raises
    ------
    ConfigError
        More than plain values (see `read_plain_yaml`), or a part that is missing or of another kind.
    """
    logged = read_plain_yaml(path)
    if not isinstance(logged, dict):
        raise ConfigError(f"{path.name} holds no settings")
    chosen = logged.get("chosen")
    for group in (*LOGGED_GROUPS, "model"):
        if not isinstance(logged.get(group), dict):
            raise ConfigError(f"{path.name} has no settings of {group}")
        choice = chosen.get(group) if isinstance(chosen, dict) else None
        if not isinstance(choice, str) or not CHOICE.fullmatch(choice):
            raise ConfigError(f"{path.name}: chosen.{group} is {quoted(repr(choice))}, not a name")
    for key in map(str, default.config):
        if key not in logged and key not in (*KEYS_NOT_OF_A_RUN, *KEYS_ADDED_SINCE):
            raise ConfigError(f"{path.name} has no {key}")
    try:
        config = OmegaConf.create(logged)
        mistakes.refuse_missing(config)
        there = OmegaConf.masked_copy(
            default.config, [str(k) for k in default.config if k in logged]
        )
        mistakes.refuse_wrong_types(config, there)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{path.name}: {quoted(one_line(error), 200)}") from error
    return logged


def plain_config(command: Command) -> dict[str, Any]:
    """The composed config as plain values, without a password of the store and the engine of the data."""
    config = plain_values(command.config)
    if "data" in config:
        config["data"] = {name: value for name, value in config["data"].items() if name != ENGINE}
    if "tracking" in config:
        config["tracking"] = {
            name: without_passwords(value) if isinstance(value, str) else value
            for name, value in config["tracking"].items()
        }
    return config


def _logged_choices(command: Command) -> dict[str, str]:
    return {group: command.chosen[group] for group in LOGGED_GROUPS}


def _with_new_targets(value: Any) -> Any:
    """The same value with every ``_target_`` of `MOVED_TARGETS` under its present name."""
    if isinstance(value, Mapping):
        return {key: _with_new_targets(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_with_new_targets(child) for child in value]
    if isinstance(value, str):
        for old, new in MOVED_TARGETS.items():
            value = new + value.removeprefix(old) if value.startswith(old) else value
    return value
