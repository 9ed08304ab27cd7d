"""The config files beside the user, which somebody else may have written, checked before Hydra reads them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from growthlab.config.conf_tree import search_path
from growthlab.core.errors import ConfigError, quoted
from growthlab.core.plain_yaml import read_plain_yaml

log = logging.getLogger(__name__)

LOCAL_SETTINGS = "local/default.yaml"  # the settings of one's own machine
# settings of a command or a data set that name a place to which is written
KEYS_THAT_WRITE = (
    *("cache", "output", "dictionary", "to", "reports", "experiments", "storage", "log"),
    *("tracking.uri", "tracking.artifacts", "data.downloads"),
)
TYPED_STORE = "tracking="  # a store that is chosen by name is wherever its file says
OPTION = re.compile(r"^(optional|override)\s+")


def check_own_files(words: Sequence[str]) -> None:
    """Check the files in ``conf`` of the working folder that a command with these words reads.

    A path in them outside the working folder is named in the log.

    Raises
    ------
    ConfigError
        More than plain values (see `read_plain_yaml`), a choice outside the config tree, or a
        setting of Hydra's own.
    """
    for root in search_path()[1:]:
        waiting = [
            LOCAL_SETTINGS.removesuffix(".yaml"),
            *(c for word in words for c in _choices_of_word(word)),
        ]
        read: set[str] = set()
        while waiting:
            choice = waiting.pop()
            path = root / f"{choice}.yaml"
            if choice in read or not path.is_file():
                continue
            read.add(choice)
            _refuse_outside(choice, root)
            status = path.stat()
            defaults = _checked_defaults(path, choice, status.st_mtime_ns, status.st_size)
            waiting += [c for entry in defaults for c in _choices_of_default(entry, choice)]


@lru_cache(maxsize=256)
def _checked_defaults(path: Path, choice: str, *_version: int) -> tuple[tuple[str, str], ...]:
    """The defaults list of a file as pairs of group and choice, after its content is checked."""
    content = read_plain_yaml(path)
    shown = _shown(path)
    if content is None:
        return ()
    if not isinstance(content, dict):
        raise ConfigError(f"{shown} is no config: it holds no settings")
    if "hydra" in content:
        raise ConfigError(f"{shown}: hydra is not configured by a file: leave it out")
    for key, text in _texts(content, ""):
        if leads_outside(text):
            log.info("%s names what lies outside this folder: %s=%s", shown, key, quoted(text))
    defaults = tuple(_pairs(content.get("defaults") or [], shown))
    for group, chosen in defaults:
        if group.lstrip("/").startswith("hydra"):
            raise ConfigError(f"{shown}: hydra is not configured by a file: leave it out")
        if ".." in Path(chosen).parts or chosen.startswith("/"):
            raise ConfigError(f"{shown}: {group}: {quoted(chosen)} lies outside the config tree")
    return defaults


def refuse_places_outside(config: Any, base: Any, words: Sequence[str]) -> None:
    """Raise a `ConfigError` for a place to write to that a file chose outside the working folder.

    Words and ``conf/local``, which is part of `base` (the command without words), may choose any place.
    """
    for key in KEYS_THAT_WRITE:
        value, before = _selected(config, key), _selected(base, key)
        is_typed = any(w.lstrip("+").startswith((f"{key}=", TYPED_STORE)) for w in words)
        if isinstance(value, str) and value != before and leads_outside(value) and not is_typed:
            raise ConfigError(
                f"{key}={quoted(value)}, from a file, is outside this folder: type {key}=... "
                f"yourself, or set it in conf/{LOCAL_SETTINGS}"
            )


def leads_outside(text: str) -> bool:
    """Whether a text is a path or an address outside the working folder."""
    address = re.match(r"[a-z][a-z0-9+.-]*:/", text)
    if address is not None:
        local = text.partition(":///")[2] if text.startswith("sqlite:///") else ""
        return not local or leads_outside(local)
    return text.startswith(("/", "~")) or ".." in Path(text).parts


def _refuse_outside(choice: str, root: Path) -> None:
    path = (root / f"{choice}.yaml").resolve()
    if not path.is_relative_to(root.resolve()):
        raise ConfigError(f"{quoted(choice)} lies outside the config tree {_shown(root)}")


def _choices_of_word(word: str) -> Iterator[str]:
    """``model/recommend/als`` for ``model=recommend/als``, and one for each in a list."""
    key, _, value = word.lstrip("+~").partition("=")
    group = key.partition("@")[0]
    for one in value.strip("[]").split(","):
        yield f"{group}/{one.strip()}"


def _choices_of_default(entry: tuple[str, str], choice: str) -> Iterator[str]:
    """The choices that an entry of a defaults list may mean: from the top, and from its file's group."""
    group, chosen = entry
    beside = choice.rpartition("/")[0]
    yield f"{group.lstrip('/')}/{chosen}" if group else f"{beside}/{chosen}"
    if group and not group.startswith("/"):
        yield f"{beside}/{group}/{chosen}"
    elif not group:
        yield chosen.lstrip("/")


def _pairs(defaults: Any, shown: str) -> Iterator[tuple[str, str]]:
    """Group (empty: the file's own) and choice of each entry of a defaults list."""
    if not isinstance(defaults, list):
        raise ConfigError(f"{shown}: defaults must be a list")
    for entry in defaults:
        pairs = entry.items() if isinstance(entry, dict) else [("", entry)]
        for key, value in pairs:
            group = OPTION.sub("", OPTION.sub("", str(key))).partition("@")[0].strip()
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, str) and one != "_self_":
                    yield group, one.removesuffix(".yaml")


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Dotted key and text of every text in a file."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _texts(child, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for child in value:
            yield from _texts(child, where)
    elif isinstance(value, str):
        yield where, value


def _shown(path: Path) -> str:
    """The path as seen from the working folder."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _selected(config: Any, key: str) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.select(config, key, throw_on_missing=False)
