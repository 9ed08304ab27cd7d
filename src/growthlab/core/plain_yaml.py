"""YAML files of somebody else as plain values: no tags, no aliases, nothing to look up, bounded in size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from growthlab.core.errors import ConfigError, one_line, quoted
from growthlab.core.plain_values import refuse_interpolations

LARGEST_FILE = 256 * 1024  # bytes; the largest config of the project has 4 kB
DEEPEST = 30  # mappings and lists inside each other


def read_plain_yaml(path: Path) -> Any:
    """The content of a YAML file, made of mappings, lists, texts, numbers, true, false and null.

    An alias stands for a copy of what it names, so that a file of some lines could fill the memory:
    there may be none.

    Raises
    ------
    ConfigError
        A file that cannot be read or is too large, is no YAML, or has a tag, an alias, an
        interpolation (``${...}``) or too many levels; one line names the file and the row.
    """
    import yaml

    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
        if len(raw) > LARGEST_FILE:
            raise ConfigError(f"{path} is no config: it is larger than {LARGEST_FILE // 1024} kB")
        text = raw.decode("utf-8")
        _refuse_more_than_values(path, text)
        content = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path} is no YAML file: {quoted(one_line(error), 200)}") from error
    try:
        refuse_interpolations(content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return content


def _refuse_more_than_values(path: Path, text: str) -> None:
    """Raise a `ConfigError` for an alias, a tag, or too many levels."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        place = f"{path}, row {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ConfigError(f"{place}: write the value out, a config has no anchors and aliases")
        if getattr(event, "tag", None) is not None and not isinstance(
            event, yaml.DocumentStartEvent
        ):
            raise ConfigError(
                f"{place}: a config holds plain values, remove the tag {quoted(event.tag)}"
            )
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ConfigError(f"{place}: more than {DEEPEST} levels stand inside each other")
