"""Settings of a data set as the text of a yaml file, with remarks for the person who reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from growthlab.core.errors import ConfigError
from growthlab.core.plain_yaml import plain_value
from growthlab.core.visible_text import visible_text

BASE = "tabular_file"
HEAD = "# @package data\n"
LONGEST_REMARK = 300


class _BlockDumper(yaml.SafeDumper):
    """Texts of several lines as blocks, as a person would write them."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None if _is_plain(text) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _is_plain(text: str) -> bool:
    """Whether a config reads the text as one, without quotes; 1e3 it takes for a number."""
    try:
        return plain_value(text, "a text") == text
    except ConfigError:
        return False


_BlockDumper.add_representer(str, _text)


def settings_yaml(settings: Mapping[str, Any], remarks: Mapping[str, Iterable[str]]) -> str:
    """The text of a file that sets these on top of data=tabular_file, read back and compared.

    `remarks` are lines by their heading; those under an empty heading stand at the beginning.

    Raises
    ------
    ConfigError
        A name in the files is one that no config may hold, such as ``${x}``.
    """
    content = {"defaults": [BASE, "_self_"], **settings}
    parts = [HEAD, _remarks("", remarks.get("", ()))]
    for key, value in content.items():
        flow = key == "defaults" or (isinstance(value, list) and len(value) < 5)
        parts.append(
            yaml.dump(
                {key: value},
                Dumper=_BlockDumper,
                allow_unicode=True,
                sort_keys=False,
                width=10_000,
                default_flow_style=None if flow else False,
            )
        )
    parts += [
        f"\n{_remarks(heading, lines)}" for heading, lines in remarks.items() if heading and lines
    ]
    text = "".join(parts)
    if plain_value(text, "a name in the files") != content:
        raise ConfigError(
            "the names in the files cannot be written into a config: rename the columns"
        )
    return text


def _remarks(heading: str, lines: Iterable[str]) -> str:
    """Lines that YAML does not read, whatever stands in them; none begins as a header of Hydra's does."""
    first = [f"# {heading}:"] if heading else []
    indent = "  " if heading else ""
    shown = (visible_text(line)[:LONGEST_REMARK] for line in lines)
    texts = [f"# {indent}{': ' * line.lstrip().startswith('@')}{line}" for line in shown]
    return "".join(f"{text.rstrip()}\n" for text in [*first, *texts])
