"""The defaults lists of config files, read line by line: help is quick, and needs no YAML parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from growthlab.config.conf_tree import CONF, groups, search_path

ENTRY = re.compile(
    r"""\s*-\s+
    (?:(?:optional|override)\s+)*
    /?(?P<name>[\w/]+)
    (?:@(?P<package>[\w.]+))?
    (?P<colon>\s*:)?
    (?:\s*(?P<choice>[\w/.-]+))?""",
    re.VERBOSE,
)


class Default(NamedTuple):
    """An entry of a defaults list: a group and its choice (``- model: als``), or a file (``- train``)."""

    name: str
    is_group: bool
    choice: str | None = None


def defaults_of(path: Path) -> Iterator[Default]:
    """The entries of a file's defaults list, without the file itself (``_self_``)."""
    inside = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("defaults:"):
            inside = True
        elif inside and line.strip() and not line.startswith((" ", "-", "#")):
            return
        elif inside and (entry := ENTRY.match(line)) and entry["name"] != "_self_":
            is_group = entry["colon"] is not None
            yield Default(entry["name"], is_group, entry["choice"] if is_group else None)


def composed_groups(command: str) -> list[str]:
    """The groups from which a command's config is composed, by its files and those of their choices."""
    composed: set[str] = set()
    waiting = [CONF / f"{command}.yaml"]
    while waiting:
        for name, is_group, _ in defaults_of(waiting.pop()):
            if not is_group:
                waiting += [path for path in [CONF / f"{name}.yaml"] if path.exists()]
            elif name not in composed:
                composed.add(name)
                waiting += [p for root in search_path() for p in (root / name).rglob("*.yaml")]
    return [group for group in groups() if group in composed]
