"""Hybrid models: the names of the members are replaced by the members' composed configs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from growthlab.config import mistakes
from growthlab.config.conf_tree import choices
from growthlab.core.errors import ConfigError, near_matches

MEMBER_WORD = re.compile(r"\+?model\.members\.[^.=]+\.")


def expand_members(
    config: DictConfig,
    choice: str,
    words: Sequence[str],
    compose: Callable[[str], DictConfig],
    inside: tuple[str, ...] = (),
) -> None:
    """Replace the names of members in ``config.model`` by their composed configs, in place.

    ``members: [item_knn, markov]`` names models of the hybrid's own family. Settings of a member come
    with its name, ``[{item_knn: {neighbours: 50}}, markov]``, or as the words
    ``model.members.item_knn.neighbours=50``. A member becomes a node with ``_partial_``, which `build`
    turns into a factory of the model.

    Parameters
    ----------
    choice : the hybrid, such as ``recommend/blend``
    compose : gives the config node of a model
    inside : the hybrids that this one is a member of

    Raises
    ------
    ConfigError
        A name that is not a model of the family, a repeated member, a hybrid inside itself, or an
        unknown setting of a member.
    """
    family, _, name = choice.partition("/")
    members, settings = _named(config.model.members, family)
    nodes: dict[str, Any] = {}
    for member in members:
        _check(member, members, family, (*inside, name))
        own = OmegaConf.create({"model": compose(f"{family}/{member}")})
        if "members" in own.model:
            expand_members(own, f"{family}/{member}", (), compose, (*inside, name))
        OmegaConf.update(own, "model._partial_", True, force_add=True)
        nodes[member] = own.model
    OmegaConf.update(config, "model.members", nodes, merge=False)
    for key, value in [*settings, *_parsed(words)]:
        wrong = mistakes.mistake_in_keys([f"{key}={value}"], config, ())
        if wrong:
            raise ConfigError(wrong)
        OmegaConf.update(config, key, value)


def _named(members: Any, family: str) -> tuple[list[str], list[tuple[str, Any]]]:
    """The members' names without their family, and the settings given with the names."""
    plain: Any = OmegaConf.to_container(members) if OmegaConf.is_config(members) else members
    names: list[str] = []
    settings: list[tuple[str, Any]] = []
    for entry in plain if isinstance(plain, list) else [plain]:
        (name, own), *others = entry.items() if isinstance(entry, dict) and entry else [(entry, {})]
        if not isinstance(plain, list) or others or not isinstance(name, str):
            raise ConfigError(
                f"model.members={plain}: give a list of models such as [item_knn, markov], "
                "or with their settings, [{item_knn: {neighbours: 50}}, markov]"
            )
        names.append(name.removeprefix(f"{family}/"))
        settings += _leaves(own or {}, f"model.members.{names[-1]}.")
    return names, settings


def _leaves(settings: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Dotted key and value of each setting; an empty mapping is a value."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _parsed(words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Key and value of each word of the command line."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    for word in words:
        try:
            parsed = OverridesParser.create().parse_override(word)
        except HydraException as error:
            raise ConfigError(mistakes.unreadable_word(word)) from error
        if parsed.is_sweep_override():
            raise ConfigError(mistakes.grid_word(word))
        yield parsed.key_or_group, parsed.value()


def _check(member: str, members: Sequence[str], family: str, inside: tuple[str, ...]) -> None:
    """Raise a `ConfigError` unless `member` can be a member of the last hybrid in `inside`."""
    possible = [c.partition("/")[2] for c in choices("model") if c.startswith(f"{family}/")]
    if member not in possible:
        near = near_matches(member, set(possible) - set(inside))
        raise ConfigError(f"model.members: {member} is not a model of {family}: {near}")
    if members.count(member) > 1:
        raise ConfigError(f"model.members: {member} is named {members.count(member)} times")
    if member in inside:
        raise ConfigError(f"model.members: {member} would be inside itself")
