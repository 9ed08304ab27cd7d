"""The config as runs log it, and a logged config as a command that can run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from growthlab.config.compose import Command
from growthlab.tasks.entry import Contender, Entry
from growthlab.workbench.workbench import Workbench

KEYS_OF_A_SEARCH = (
    *("budget", "prune", "objectives", "limits", "n_jobs", "study", "storage", "search"),
)
KEYS_NOT_LOGGED = ("rerun", "model", "n_jobs", "storage", "experiments")  # nor a password
KEYS_OF_A_COMPARISON = ("models", "model_settings", "seeds", "origins")
KEYS_NOT_OF_A_RUN = ("rerun", "experiments", *KEYS_OF_A_COMPARISON, *KEYS_OF_A_SEARCH)
LOGGED_GROUPS = ("data", "split", "task")
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
    """A logged config as a ``train`` command, with the store and the cache of `command`.

    Classes that have moved since the run are looked for where they are now.
    """
    config = {**_with_new_targets(logged), **{k: command.config[k] for k in ("tracking", "cache")}}
    chosen = config.pop("chosen")
    return Command(OmegaConf.create(config), dict(chosen), "train")


def plain_config(command: Command) -> dict[str, Any]:
    """The composed config as plain values."""
    plain = OmegaConf.to_container(command.config, resolve=True)
    assert isinstance(plain, dict)
    return {str(k): v for k, v in plain.items()}


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
