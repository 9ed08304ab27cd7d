"""Words of a command line whose value Hydra's grammar cannot read, as they were typed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from growthlab.core.errors import ConfigError
from growthlab.core.plain_yaml import plain_value

WORD = re.compile(r"([+~]*[\w./@-]+)=(.+)", re.DOTALL)
QUOTED_MAPPING = re.compile(r"\+{0,2}([\w./@-]+)=(['\"])(\{.*\})\2", re.DOTALL)
STRUCTURES = {"[": "]", "{": "}"}
SELECT = re.compile(r"(SELECT|WITH|FROM)\s", re.IGNORECASE)  # its commas make no grid of commands


def as_typed(word: str) -> str:
    """The word, with quotes around a value that Hydra could not read without.

    A list gets them around its texts; a mapping, whose keys Hydra would not read in quotes, as a whole:
    `typed_mappings` gives it back. What is no YAML either stays as it is.

    >>> as_typed("data.path=märz.csv"), as_typed("data.separator=;"), as_typed("k=3")
    ("data.path='märz.csv'", "data.separator=';'", 'k=3')
    >>> as_typed("data.path=[märz.csv, 2]"), as_typed("data.event_types={浏览: view}")
    ("data.path=['märz.csv',2]", "data.event_types='{浏览: view}'")
    """
    match = WORD.fullmatch(word)
    if match is None:
        return word
    key, value = match.groups()
    if is_readable(word) and not SELECT.match(value):
        return word
    text = quoted_value(value)
    if value.endswith(STRUCTURES.get(value[0], "\0")):
        try:
            content = plain_value(value, key)
        except ConfigError:
            return word
        if isinstance(content, list):
            text = _list_text(content)
    quoted = f"{key}={text}"
    return quoted if is_readable(quoted) else word


def gathered(words: Sequence[str], setting: str) -> list[str]:
    """The words, with those that set nothing, and names of files, as the list that a setting holds.

    >>> gathered(["a b.csv", "name=shop", "(1)=#.csv"], "paths")
    ["paths=['a b.csv','(1)=#.csv']", 'name=shop']
    """
    listed = [w for w in words if w[:1] != "-" and (not WORD.fullmatch(w) or Path(w).exists())]
    others = [w for w in words if w not in listed]
    return [f"{setting}={_list_text(listed)}", *others] if listed else others


def all_gathered(words: Sequence[str], setting: str) -> list[str]:
    """All words as the list that a setting holds, as they were typed.

    >>> all_gathered(["compare", "task=churn"], "words")
    ["words=['compare','task=churn']"]
    """
    return [f"{setting}={_list_text(list(words))}"] if words else []


def typed_mappings(words: Iterable[str]) -> Iterator[tuple[str, dict[Any, Any]]]:
    """The key and the value of each word whose value is a mapping in quotes."""
    for word in words:
        match = QUOTED_MAPPING.fullmatch(word)
        if match is not None:
            content = plain_value(match[3], match[1])
            if isinstance(content, dict):
                yield match[1], content


def _list_text(content: list[Any]) -> str:
    """A list of texts and numbers as Hydra reads it."""
    texts = [quoted_value(e) if isinstance(e, str) else json.dumps(e) for e in content]
    return f"[{','.join(texts)}]"


def quoted_value(value: str) -> str:
    """The value in quotes, as Hydra reads it."""
    quote = '"' if "'" in value and '"' not in value else "'"
    text = re.sub(rf"(\\*){quote}", lambda m: m[1] * 2 + "\\" + quote, value)
    n_last = len(text) - len(text.rstrip("\\"))
    return f"{quote}{text}{chr(92) * n_last}{quote}"


@lru_cache(maxsize=1024)
def is_readable(word: str) -> bool:
    """Whether Hydra's grammar reads the word."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        return False
    return True
