"""Mistakes in the words of a command: one line that says what is wrong and what is possible."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from growthlab.config.conf_tree import choices, groups
from growthlab.core.errors import ConfigError, near_matches, one_line, quoted
from growthlab.core.plain_types import type_mismatch

MINIMUM = {"seed": 0, "seeds": 1, "origins": 1, "k": 1, "port": 0, "budget.trials": 1}
MINIMUM |= {"intervals.resamples": 0, "n_jobs": 1, "prune.trials": 0, "prune.epochs": 0}
MAY_BE_NULL = ("tags", "prune")  # of the settings that are mappings
DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


def mistake_in_choices(words: Sequence[str], groups_read: Collection[str]) -> str:
    """The mistake in the first word that is not ``key=value`` or makes an unknown choice; else ""."""
    for word in words:
        key, equals, value = word.lstrip("+~").partition("=")
        if not key or (not equals and not word.startswith("~")):
            return unreadable_word(word)
        group = config_group_of(word)
        chooses = not word.startswith("~") and (group in groups_read or "@" in key)
        for choice in _chosen(value) if chooses else []:
            if group not in {*groups(), *groups_read}:
                return f"{word}: no group {group}: {near_matches(group, groups())}"
            if not choices(group):
                return f"{word}: there is no {group} yet"
            if choice not in choices(group):
                without = f"; ~{key} leaves it out" if choice == "null" and "@" in key else ""
                return f"{key}={choice}: {near_matches(choice, choices(group))}{without}"
    return ""


def mistake_in_keys(words: Sequence[str], config: Any, groups_read: Collection[str]) -> str:
    """The mistake in the first word whose key the config does not have, or that is a grid; else ""."""
    for word in words:
        if config_group_of(word) in groups_read or word.startswith(("+", "~")):
            continue
        key, _, value = word.partition("=")
        group, at, package = key.partition("@")
        if chooses_inner_part(word, config):
            continue
        if package.startswith("model.members."):
            return (
                f"{word}: settings of a member can be given, but its parts cannot be chosen: "
                "choose them in a model file of your own, and name that in model.members"
            )
        within = _packages(group, config) if not at and choices(group) else []
        if within:
            return f"unknown setting {word}: did you mean {group}@{within[0]}={value}?"
        node, parts = config, (package or key).split(".")
        for depth, part in enumerate(parts):
            # a missing value counts as present
            if not OmegaConf.is_dict(node) or part not in list(node):
                given, key = ".".join(parts[: depth + 1]), ".".join(parts)
                own_groups = [g for g in groups_read if not g.startswith("hydra/")]
                names = _names(node, own_groups if not depth else ())
                prefix = "".join(f"{p}." for p in parts[:depth])
                if OmegaConf.is_dict(node) and "_target_" in node and not names:
                    what = str(node["_target_"]).rpartition(".")[2]
                    return f"unknown setting {given}: {what} has no settings"
                if OmegaConf.is_dict(node) and not names:
                    return f"unknown setting {given}: +{word} adds it"
                near = near_matches(part, names, prefix=prefix)
                other = "" if near.startswith("did") else _elsewhere(parts[-1], config)
                return f"unknown setting {given}: {_elsewhere(key, config) or other or near}"
            node = node._get_node(part) if OmegaConf.is_missing(node, part) else node[part]
        if _is_grid(word):
            return grid_word(word)
    return ""


def refuse_hydra(key: str) -> None:
    """Raise a `ConfigError` for a setting of Hydra's own, which composes the config and runs nothing here."""
    if key == "hydra" or key.startswith(("hydra.", "hydra/")):
        raise ConfigError(
            f"{key} is a setting of Hydra, which only composes the config here: commands write to output, "
            "cache, reports and tracking.uri, as their help says"
        )


def refuse_choices_outside(chosen: Mapping[str, str]) -> None:
    """Raise a `ConfigError` for a choice that is no file of the config tree, such as ``../../x``."""
    for key, choice in chosen.items():
        group = key.partition("@")[0]
        if not group.startswith("hydra/") and ".." in choice.split("/"):
            near = near_matches(choice, choices(group))
            raise ConfigError(f"{key}={quoted(choice)} lies outside the config tree: {near}")


def refuse_parts_without_settings(config: Any, chosen: Collection[str]) -> None:
    """Raise a `ConfigError` where a part that is chosen from a group is no mapping of settings."""
    for group in chosen:
        if group in config and OmegaConf.is_missing(config, group):
            continue
        if group in config and config[group] is not None and not OmegaConf.is_dict(config[group]):
            raise ConfigError(
                f"{group}={quoted(str(config[group]))}: {group} is a part with settings"
            )


def has_setting(node: Any, path: str) -> bool:
    """Whether a config has a value at the dotted path."""
    for part in path.split("."):
        # a missing value counts as present
        if not OmegaConf.is_dict(node) or part not in list(node):
            return False
        node = node[part]
    return True


def chooses_inner_part(word: str, config: Any) -> bool:
    """Whether a word chooses a part of an existing node, such as ``loss@model.loss=gbce``."""
    key, _, _ = word.partition("=")
    return "@" in key and has_setting(config, key.partition("@")[2])


def config_group_of(word: str) -> str:
    """``model`` for ``model=...`` and ``+model@package=...``; for other words their key."""
    return word.lstrip("+~").partition("=")[0].partition("@")[0]


def unreadable_word(word: str) -> str:
    """The line for a word that is not ``key=value``."""
    return f"cannot read {word!r}: settings have the form key=value"


def grid_word(word: str) -> str:
    """The line for a word with several values."""
    key, _, value = word.partition("=")
    one = f"{key}='{value}'"
    return f'{word} is a grid: add -m, or type "{one}" for one value with a comma in it'


def refuse_one_model(words: Sequence[str]) -> None:
    """Raise a `ConfigError` for ``model=...`` in a command on several models."""
    for word in words:
        key, _, value = word.partition("=")
        if key == "model":
            name = value.rpartition("/")[2]
            raise ConfigError(f"{word}: a comparison takes models=[{name}], or train {word}")


def refuse_missing(config: Any) -> None:
    """Raise a `ConfigError` for a mandatory value that is not given."""
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise ConfigError(f"{missing[0]} is required: add {missing[0]}=...")


def refuse_wrong_types(config: Any, base: Any) -> None:
    """Raise a `ConfigError` where a setting of the command has a type other than its default's."""
    for key, default in _leaves(base):
        kind = type(default)
        if (
            kind not in (int, bool)
            or not has_setting(config, key)
            or "_target_" in _node(config, key)
        ):
            continue
        value = OmegaConf.select(config, key)
        wrong = type_mismatch(value, kind)
        if wrong:
            raise ConfigError(f"{key} must be {wrong}, got {quoted(repr(value))}")
        if value < MINIMUM.get(key, value):
            raise ConfigError(f"{key} must be at least {MINIMUM[key]}, got {value}")
    for key in base:
        default, value = OmegaConf.select(base, key), OmegaConf.select(config, key)
        may_be_null = value is None and key in MAY_BE_NULL
        if OmegaConf.is_dict(default) and not OmegaConf.is_dict(value) and not may_be_null:
            names = [f"{key}.{name}=..." for name in default] or [f"+{key}.NAME=..."]
            raise ConfigError(f"{key}={value} is a group of settings: give {', '.join(names)}")
    device = config.get("device", "auto")
    if not isinstance(device, str) or not DEVICE.fullmatch(device):
        raise ConfigError(f"device={device}: possible: auto, cpu, cuda, cuda:0")


def short_hydra_message(error: Exception) -> str:
    """Hydra's message without its links and paths."""
    if isinstance(error, MissingMandatoryValue):
        return f"a required value is missing: {error}"
    text = one_line(error)
    return text.partition(" See https://hydra")[0].partition(" Config search path:")[0]


def _node(config: Any, key: str) -> Any:
    """The mapping that contains the dotted key."""
    return OmegaConf.select(config, key.rpartition(".")[0]) if "." in key else config


def _chosen(value: str) -> list[str]:
    """The choices in the value of a group: one, or a list of them."""
    return [one.strip() for one in value.strip("[]").split(",")] if value != "[]" else []


def _is_grid(word: str) -> bool:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return bool(OverridesParser.create().parse_override(word).is_sweep_override())
    except HydraException:
        return False


def _elsewhere(key: str, config: Any) -> str:
    """A hint at settings of the same name elsewhere in the config; empty if there are none."""
    same = [path for path, _ in _leaves(config) if path.endswith(f".{key}")]
    return f"did you mean {' or '.join(same[:3])}?" if same else ""


def _packages(group: str, config: Any) -> list[str]:
    """The paths of nodes with that name: ``model.loss`` for ``loss``."""
    nodes = {path.rpartition(".")[0] for path, _ in _leaves(config)}
    return sorted(n for n in nodes if n.endswith(f".{group}"))


def _names(node: Any, more: Collection[str]) -> list[str]:
    """The names in a node, followed by `more`."""
    own = [str(k) for k in node if not str(k).startswith("_")] if OmegaConf.is_dict(node) else []
    return [*own, *more]


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of everything in a config that is not a mapping."""
    for key in node:
        path = f"{prefix}{key}"
        if OmegaConf.is_missing(node, key):
            yield path, None
        elif OmegaConf.is_dict(node[key]):
            yield from _leaves(node[key], f"{path}.")
        else:
            yield path, node[key]


def unknown_model_setting(word: str, nodes: Sequence[Any]) -> str:
    """The line for ``model.<setting>=...`` where none of the models has such a setting."""
    key = word.lstrip("~").partition("=")[0].partition(".")[2]
    paths = {path for node in nodes for path, _ in _leaves(node) if path != "_target_"}
    same = sorted(p for p in paths if p.endswith(f".{key.rpartition('.')[2]}"))
    near = near_matches(key, paths, prefix="model.")
    possible = f"did you mean model.{same[0]}?" if same else near
    what = "the model has no" if len(nodes) == 1 else "none of the models has a"
    return f"{what} setting {key}: {possible}"
