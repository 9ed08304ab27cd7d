"""Every setting of a command with its comment, as its config files hold them: help needs no YAML parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from growthlab.config.conf_tree import CONF
from growthlab.config.defaults_list import Default, defaults_of

NOT_SHOWN = ("metrics", "search", "section", "experiment")  # chosen by task, or there is no default
NAME = re.compile(r"[\w.]+")


class ShownPart(NamedTuple):
    """Settings from one file, and the file or choice that they come from."""

    title: str
    lines: list[str]


def shown_parts(command: str) -> Iterator[ShownPart]:
    """The command's own settings, those of the file that it builds on, then those of each group's choice."""
    seen: set[str] = set()
    for part in _own_parts(command):
        lines = [line for line in part.lines if _key(line) not in seen or not _key(line)]
        yield ShownPart(part.title, lines)
        seen |= {_key(line) for line in lines}
    for group, choice in _choices(command).items():
        path = CONF / group / f"{choice}.yaml"
        if group not in NOT_SHOWN and path.exists():
            yield ShownPart(f"{group}={choice}", _group_lines(path, group))


def _own_parts(command: str) -> Iterator[ShownPart]:
    """The settings of a command's file, and of the files that it builds on."""
    path = CONF / f"{command}.yaml"
    yield ShownPart("", _body(path))
    for default in defaults_of(path):
        if not default.is_group and (CONF / f"{default.name}.yaml").exists():
            for part in _own_parts(default.name):
                yield ShownPart(part.title or f"as in growthlab {default.name}", part.lines)


def _choices(command: str) -> dict[str, str]:
    """The choice in each group of a command without words; later entries win, as in Hydra."""
    chosen: dict[str, str] = {}
    waiting = [CONF / f"{command}.yaml"]
    while waiting:
        for default in defaults_of(waiting.pop(0)):
            if not default.is_group:
                waiting += [p for p in [CONF / f"{default.name}.yaml"] if p.exists()]
            elif _is_choice(default):
                chosen[default.name] = str(default.choice)
                path = CONF / default.name / f"{default.choice}.yaml"
                waiting += [path] if path.exists() and _is_global(path) else []
    return chosen


def setting_names(command: str) -> list[str]:
    """The full names of a command's settings, nested ones with dots."""
    names: list[str] = []
    for part in shown_parts(command):
        above: list[tuple[int, str]] = []
        for line in part.lines:
            indent = len(line) - len(line.lstrip())
            key = line.strip().partition(":")[0]
            if line.lstrip().startswith(("#", "-")) or not NAME.fullmatch(key):
                continue
            above = [(n, name) for n, name in above if n < indent]
            above.append((indent, key))
            names.append(".".join(name for _, name in above))
    return names


def _is_choice(default: Default) -> bool:
    return default.choice not in (None, "null")


def _group_lines(path: Path, group: str) -> list[str]:
    """The settings of a choice with their full names."""
    lines = _body(path)
    if _is_global(path):
        return lines
    return [f"{group}.{line}" if _key(line) else line for line in lines]


def _is_global(path: Path) -> bool:
    """Whether a file's settings stand at the top of the config."""
    return path.read_text(encoding="utf-8").startswith("# @package _global_")


def _body(path: Path) -> list[str]:
    """The lines of a file without its head, its defaults list and what it names with ``_target_``."""
    lines = path.read_text(encoding="utf-8").rstrip().splitlines()
    n_head = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    kept, inside = [], False
    for line in lines[n_head:]:
        if line.startswith("defaults:"):
            inside = True
            continue
        inside = inside and line.startswith((" ", "-", "#"))
        if not inside and line.strip() and not line.lstrip().startswith("_target_:"):
            kept.append(line)
    return kept


def _key(line: str) -> str:
    """The name of a setting at the beginning of a line; empty for a nested line or a comment."""
    return "" if line.startswith((" ", "#", "-")) else line.partition(":")[0]
