"""The config files beside the user, which somebody else may have written, checked where Hydra reads them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf

from growthlab.core.errors import ConfigError, quoted
from growthlab.core.file_settings import is_inside
from growthlab.core.plain_yaml import read_plain_yaml

log = logging.getLogger(__name__)

LOCAL_SETTINGS = "local/default.yaml"  # the settings of one's own machine
# settings of a command or a data set that name a place to which is written
KEYS_THAT_WRITE = (
    *("bundle", "cache", "dictionary", "experiments", "log", "output", "reports", "storage", "to"),
    *("data.downloads", "tracking.artifacts", "tracking.uri"),
)
STORES = ("storage", "tracking.uri")  # addresses; the others are paths
TYPED_STORE = "tracking="  # a store that is chosen by name is wherever its file says
SQLITE = "sqlite:///"
LONGEST_HEADER = 512  # characters in which Hydra looks for # @package


class OwnFiles(FileConfigSource):
    """The folder ``conf`` beside the user as one of Hydra's sources: each file is checked as it is read."""

    @staticmethod
    def scheme() -> str:
        """The beginning of the address, which Hydra asks for."""
        return "own"

    def load_config(self, config_path: str) -> ConfigResult:
        """The content of a file.

        Raises
        ------
        ConfigError
            More than plain values (see `read_plain_yaml`), a file or a choice outside the config
            tree, or a setting of Hydra's own.
        """
        root = Path(self.path)
        path = root / self._normalize_file_name(config_path)
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        if not path.resolve().is_relative_to(root.resolve()):
            raise ConfigError(f"{quoted(config_path)} lies outside the config tree {root.name}")
        if not path.is_file():
            return super().load_config(config_path)  # raises Hydra's error
        content = read_plain_yaml(path)
        check_content(content, str(shown))
        with path.open(encoding="utf-8") as file:
            header = self._get_header_dict(file.read(LONGEST_HEADER))
        return ConfigResult(
            config=OmegaConf.create(content or {}),
            path=f"{self.scheme()}://{self.path}",
            provider=self.provider,
            header=header,
        )


def own_source(folder: Path) -> str:
    """The address of the folder for Hydra's search path, quoted as Hydra wants it."""
    Plugins.instance().register(OwnFiles)
    address = f"{OwnFiles.scheme()}://{folder}".replace("'", "\\'")
    return f"'{address}'"


def refuse_places_outside(config: Any, base: Any, words: Sequence[str]) -> None:
    """Raise a `ConfigError` for a place to write to that a file chose outside the working folder.

    Words and ``conf/local``, which is part of `base` (the command without words), may choose any place.
    """
    for key in KEYS_THAT_WRITE:
        value, before = _selected(config, key), _selected(base, key)
        typed = (f"{key}=", TYPED_STORE) if key.startswith("tracking.") else (f"{key}=",)
        is_typed = any(word.lstrip("+").startswith(typed) for word in words)
        if not isinstance(value, str) or value in (before, "???") or is_typed:
            continue
        if not _is_inside(value, is_store=key in STORES):
            raise ConfigError(
                f"{key}={quoted(value)}, from a file, is outside this folder: type {key}=... "
                f"yourself, or set it in conf/{LOCAL_SETTINGS}"
            )


def check_content(content: Any, shown: str) -> None:
    """Check what stands in a file; a path in it outside the working folder is named in the log."""
    if content is None:
        return
    if not isinstance(content, dict):
        raise ConfigError(f"{shown} is no config: it holds no settings")
    if "hydra" in content:
        raise ConfigError(f"{shown}: hydra is not configured by a file: leave it out")
    defaults = content.get("defaults", [])
    if not isinstance(defaults, list):
        raise ConfigError(f"{shown}: defaults must be a list")
    for entry in defaults:
        for key, value in entry.items() if isinstance(entry, dict) else [("", entry)]:
            if re.search(r"(^|[\s/])hydra/", str(key)):
                raise ConfigError(f"{shown}: hydra is not configured by a file: leave it out")
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, str) and (".." in Path(one).parts or one.startswith("/")):
                    raise ConfigError(f"{shown}: {quoted(one)} lies outside the config tree")
    for key, text in _texts({k: v for k, v in content.items() if k != "defaults"}, ""):
        if _leads_outside(text):
            log.info("%s names what lies outside this folder: %s=%s", shown, key, quoted(text))


def _is_inside(value: str, *, is_store: bool) -> bool:
    """Whether a place lies in the working folder, links followed."""
    if is_store:
        return value.startswith(SQLITE) and is_inside(value.removeprefix(SQLITE), Path.cwd())
    return not _is_address(value) and is_inside(value, Path.cwd())


def _leads_outside(text: str) -> bool:
    """Whether a text looks like a path or an address outside the working folder."""
    return _is_address(text) or text.startswith(("/", "~")) or ".." in Path(text).parts


def _is_address(text: str) -> bool:
    return re.match(r"\s*[a-z][a-z0-9+.-]*:[/\\]", text, re.IGNORECASE) is not None


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


def _selected(config: Any, key: str) -> Any:
    return OmegaConf.select(config, key, throw_on_missing=False)
