"""Words that choose a part of a group by the place where it stands: ``data.engine=spark``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from growthlab.config.conf_tree import CONF, choices, groups
from growthlab.core.errors import ConfigError, near_matches

SETTING = re.compile(r"(\w+\.\w+)\.[\w.]+=.*", re.DOTALL)
PLACE = re.compile(r"# @package (\w+\.\w+)$", re.MULTILINE)
WORD = re.compile(r"(\w+\.\w+)=(\w+)")


def part_words(words: Iterable[str], roots: Iterable[str]) -> Iterator[str]:
    """The words, with a choice by its place as Hydra reads it, where a config has the root of the place.

    Files of a group with a place of its own begin with it (``# @package data.engine``); no command names
    such a group in its defaults, and the part is there when somebody chooses one.

    Raises
    ------
    ConfigError
        There is no such choice.
    """
    known = set(roots)
    for word in words:
        match = WORD.fullmatch(word)
        group = None if match is None else _group_at(match[1])
        if match is None or group is None or match[1].partition(".")[0] not in known:
            yield word
            continue
        if match[2] not in choices(group):
            raise ConfigError(f"{word}: {near_matches(match[2], choices(group))}")
        yield f"+{group}={match[2]}"


def chooses_part(word: str) -> bool:
    """Whether a word is one that `part_words` made."""
    return word.startswith("+") and word[1:].partition("=")[0] in groups()


def missing_part(words: Iterable[str]) -> str:
    """The line for a setting of a part that no word chooses; empty if there is none."""
    chosen = {word[1:].partition("=")[0] for word in words if chooses_part(word)}
    for word in words:
        match = SETTING.fullmatch(word)
        group = None if match is None else _group_at(match[1])
        if match is not None and group is not None and group not in chosen:
            possible = " or ".join(f"{match[1]}={choice}" for choice in choices(group))
            key = word.partition("=")[0]
            return f"{key} is a setting of a part that is not chosen: add {possible}"
    return ""


@lru_cache
def _group_at(place: str) -> str | None:
    """The group whose files all stand at a place."""
    for group in sorted(path.name for path in CONF.iterdir() if path.is_dir()):
        files = sorted((CONF / group).glob("*.yaml"))
        if files and all(_place_of(path.read_text(encoding="utf-8")) == place for path in files):
            return group
    return None


def _place_of(text: str) -> str | None:
    match = PLACE.match(text)
    return None if match is None else match[1]
