"""Command-line words to one composed config; every mistake in them is one clear line."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from growthlab.cli.conf_tree import CONF, choices, groups, search_path
from growthlab.core.errors import ConfigError, near_matches


@dataclass(frozen=True)
class Composed:
    """A command's config, and what was chosen in each group (``data`` -> ``online_retail``)."""

    config: DictConfig
    chosen: dict[str, str]
    command: str = ""
    overrides: tuple[str, ...] = ()

    def choosing(self, group: str, choice: str) -> Composed:
        """The same command with another choice in one group."""
        others = [o for o in self.overrides if not o.startswith(f"{group}=")]
        return composed(self.command, [*others, f"{group}={choice}"])

    def name(self, group: str) -> str:
        """The last part of the choice in a group: ``item_knn`` for ``recommend/item_knn``."""
        return self.chosen.get(group, "").rpartition("/")[2]


def composed(command: str, overrides: Sequence[str]) -> Composed:
    """The config of a command with the overrides applied.

    Where the config has a task and no metrics are named, those of the task's family are added, all of them.

    Raises
    ------
    ConfigError
        An unknown key or choice, a value of a wrong form, or a mandatory value that is missing.
    """
    overrides = list(overrides)
    if "task" not in _compose(command, [], plain=True).config:
        return _complete(_compose(command, overrides))
    if not any(re.match(r"metrics=", o) for o in overrides):
        family = _family(command, [o for o in overrides if not o.startswith("metrics.")])
        named = [c for c in choices("metrics") if c.startswith(f"{family}/")]
        overrides = [f"metrics=[{','.join(named)}]", *overrides]
    return _complete(_compose(command, overrides))


def sweep(overrides: Sequence[str]) -> Iterator[list[str]]:
    """The grid that ``-m`` asks for: each combination of ``a=1,2`` or ``a=range(3)`` as plain overrides."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(list(overrides))
    axes = []
    for override in parsed:
        if override.is_sweep_override():
            key = override.get_key_element()
            axes.append([f"{key}={v}" for v in override.sweep_string_iterator()])
        else:
            axes.append([str(override.input_line)])
    yield from (list(words) for words in itertools.product(*axes))


def _family(command: str, overrides: Sequence[str]) -> str:
    """The family of metrics of the chosen task: the task class says it."""
    from growthlab.core.build import build

    return str(build(_compose(command, overrides).config.task).metrics)


def _compose(command: str, overrides: Sequence[str], *, plain: bool = False) -> Composed:
    """Hydra's compose, its exceptions turned into one line."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException

    extra = [str(p) for p in search_path()[1:]]
    path = [f"hydra.searchpath=[{','.join('file://' + p for p in extra)}]"] if extra else []
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF.resolve()), version_base="1.3"):
        try:
            config = compose(command, [*path, *overrides], return_hydra_config=True)
        except (HydraException, OmegaConfBaseException) as error:
            if plain:
                raise
            raise ConfigError(_explained(command, overrides, error)) from error
    chosen = {k: v for k, v in config.hydra.runtime.choices.items() if isinstance(v, str)}
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    OmegaConf.set_struct(config, True)
    return Composed(config, chosen, command, tuple(overrides))


def _complete(found: Composed) -> Composed:
    """The same, if nothing mandatory is missing."""
    missing = sorted(OmegaConf.missing_keys(found.config))
    if missing:
        raise ConfigError(f"{missing[0]} is required: add {missing[0]}=...")
    return found


def _explained(command: str, overrides: Sequence[str], error: Exception) -> str:
    """Which of the overrides is wrong, and what would be possible."""
    known = _compose(command, [], plain=True)
    top = set(map(str, known.config)) | set(groups())
    for word in overrides:
        key, equals, value = word.lstrip("+~").partition("=")
        if not equals and not word.startswith("~"):
            return f"cannot read {word!r}: settings have the form key=value"
        group = key.partition("@")[0]
        if group in groups() and value not in ("null", "") and not value.startswith("["):
            if value not in choices(group):
                return f"{key}={value}: {near_matches(value, choices(group))}"
            continue
        if key.partition(".")[0] not in top:
            return f"unknown setting {key}: {near_matches(key.partition('.')[0], top)}"
    return _unknown_key(command, overrides) or _first_line(error)


def _unknown_key(command: str, overrides: Sequence[str]) -> str:
    """The first override whose path does not exist once the groups are chosen."""
    chosen = [w for w in overrides if w.partition("=")[0].partition("@")[0] in groups()]
    try:
        config: Any = _compose(command, chosen, plain=True).config
    except Exception:
        return ""
    for word in overrides:
        if word in chosen or word.startswith(("+", "~")):
            continue
        node, parts = config, word.partition("=")[0].split(".")
        for depth, part in enumerate(parts):
            if not OmegaConf.is_dict(node) or part not in node:
                possible = list(map(str, node)) if OmegaConf.is_dict(node) else []
                where = ".".join(parts[:depth])
                full = [f"{where}.{p}" if where else p for p in possible if not p.startswith("_")]
                given = ".".join(parts[: depth + 1])
                return f"unknown setting {given}: {near_matches(given, full)}"
            node = node._get_node(part) if OmegaConf.is_missing(node, part) else node[part]
    return ""


def _first_line(error: Exception) -> str:
    """An exception's own words, on one line."""
    if isinstance(error, MissingMandatoryValue):
        return f"a required value is missing: {error}"
    return " ".join(str(error).split()) or type(error).__name__
