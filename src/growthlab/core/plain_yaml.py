"""YAML files of somebody else as plain values: no tags, no aliases, nothing to look up, bounded in size."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from growthlab.core.errors import ConfigError, one_line, quoted
from growthlab.core.plain_values import refuse_interpolations

LARGEST_FILE = 256 * 1024  # bytes; the largest config of the project has 4 kB
DEEPEST = 30  # mappings and lists inside each other
LONGEST_NUMBER = 18  # digits of a whole number, so that it fits into 64 bits
WHOLE_NUMBER = r"^[-+]?(?:0|[1-9][0-9_]*)$"  # not hexadecimal, nor to the base of 60
NUMBER = (  # 1e-3 too, which YAML 1.1 takes for a text
    r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF))$|^\.(?:nan|NaN|NAN)$"
)


def read_plain_yaml(path: Path) -> Any:
    """The content of a YAML file, made of mappings, lists, texts, numbers, true, false and null.

    A date is a text. An alias stands for a copy of what it names, so that a file of some lines could
    fill the memory: there may be none. The keys of mappings are texts or whole numbers.

    Raises
    ------
    ConfigError
        A file that cannot be read or is too large, is no YAML, or has a tag, an alias, an
        interpolation (``${...}``), a number of too many digits or too many levels; one line names the
        file, and the row where it can.
    """
    import yaml

    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
        if len(raw) > LARGEST_FILE:
            raise ConfigError(f"{path} is no config: it is larger than {LARGEST_FILE // 1024} kB")
        text = raw.decode("utf-8")
        if text.startswith("\ufeff"):
            raise ConfigError(f"{path} begins with a byte order mark: save it as UTF-8 without one")
        content = _plain(text, str(path))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})") from error
    except ConfigError as error:
        said = str(error)
        raise ConfigError(said if said.startswith(str(path)) else f"{path}: {said}") from error
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise ConfigError(f"{path} is no YAML file: {quoted(one_line(error), 200)}") from error
    return content


def plain_value(text: str, where: str) -> Any:
    """The value of a YAML text, by the rules of `read_plain_yaml`; `where` is named in an error."""
    import yaml

    try:
        return _plain(text, where)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{where} cannot be read: {quoted(one_line(error), 200)}") from error


def _plain(text: str, where: str) -> Any:
    import yaml

    _refuse_more_than_values(where, text)
    content = yaml.load(text, Loader=_plain_loader())
    _refuse_odd_keys(content)
    refuse_interpolations(content)
    return content


@cache
def _plain_loader() -> type:
    """PyYAML's safe loader without dates, and with numbers of decimal digits only."""
    import re

    import yaml

    class PlainLoader(yaml.SafeLoader):
        """Types that a config may hold."""

    left_out = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("timestamp", "int", "float"))
    PlainLoader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in left_out]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for tag, pattern in (("int", WHOLE_NUMBER), ("float", NUMBER)):
        first = list("-+.0123456789")
        PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)
    PlainLoader.add_constructor("tag:yaml.org,2002:int", _whole_number)
    return PlainLoader


def _whole_number(loader: Any, node: Any) -> int:
    """A whole number of at most `LONGEST_NUMBER` digits."""
    digits = str(node.value).replace("_", "")
    if len(digits.lstrip("+-")) > LONGEST_NUMBER:
        raise ConfigError(f"{quoted(digits, 20)} has more than {LONGEST_NUMBER} digits")
    return int(digits)


def _refuse_more_than_values(where: str, text: str) -> None:
    """Raise a `ConfigError` for an alias, a tag, or too many levels."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        place = f"{where}, row {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ConfigError(f"{place}: write the value out, a config has no anchors and aliases")
        if getattr(event, "tag", None) is not None:
            raise ConfigError(
                f"{place}: a config holds plain values, remove the tag {quoted(event.tag)}"
            )
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ConfigError(f"{place}: more than {DEEPEST} levels stand inside each other")


def _refuse_odd_keys(value: Any) -> None:
    """Raise a `ConfigError` for a key that is neither a text nor a whole number."""
    if isinstance(value, dict):
        for key, child in value.items():
            if isinstance(key, bool) or not isinstance(key, (str, int)):
                raise ConfigError(f"the key {quoted(repr(key))} must be a text")
            _refuse_odd_keys(child)
    elif isinstance(value, list):
        for child in value:
            _refuse_odd_keys(child)
