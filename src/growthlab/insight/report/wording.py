"""The words of the page in each language: one table of names, phrases, labels and texts for all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.plain_yaml import read_plain_yaml
from growthlab.pages.ticks import DateWords

WORDS = Path(__file__).parent / "words"
ENGLISH, CHINESE = "en", "zh"
LANGUAGES = (ENGLISH, CHINESE)  # in the order of the lists in the tables
IDENTIFIER = re.compile(r"(?<![\w.`])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w.=`])")
SENTENCE_END = r"(?<=\.) (?=[A-Z`])"
SLOT = r"(?:(?!\. [A-Z`]).)+?"  # what stands in one, never more than a sentence
DATES = {
    ENGLISH: DateWords(),
    CHINESE: DateWords(
        tuple(f"{month}月" for month in range(1, 13)),
        year="{year}年",
        month_of_year="{year}年{month}",
        day="{month}{day}日",
        day_of_year="{year}年{month}{day}日",
    ),
}
Size = tuple[
    float, float, str
]  # from where on a number is written in this size, the size, its letter
SIZES: Mapping[str, tuple[Size, ...]] = {
    ENGLISH: ((1e7, 1e6, "M"), (1e4, 1e3, "k")),
    CHINESE: ((1e8, 1e8, "亿"), (1e4, 1e4, "万")),
}


@dataclass(frozen=True)
class Wording:
    """The words of one language."""

    language: str = ENGLISH

    def phrase(self, key: str, **slots: object) -> str:
        """A phrase of the page itself, with its slots filled."""
        return self._own(_table("phrases")[key]).format(**slots)

    def name(self, identifier: str) -> str:
        """A column or a figure in words; one without an entry has spaces for its underscores."""
        entry = _table("names").get(identifier)
        return identifier.replace("_", " ") if entry is None else self._own(entry)

    def label(self, column: str, value: str) -> str:
        """A value in a column: a word of ours in words, a text of the data as it is."""
        labels = _table("labels")
        if value in labels["anywhere"]:
            return self._own(labels["anywhere"][value])
        if column not in labels["columns"]:
            return value
        entry = labels["words"].get(value)
        return self.text(value) if entry is None else self._own(entry)

    def text(self, english: str) -> str:
        """A title, a definition or a note of a section; in English where there is no translation."""
        if not english:
            return ""
        if self.language == ENGLISH:
            return self._with_names(english)
        translated = _translated(english)
        return self._with_names(english if translated is None else translated)

    @property
    def dates(self) -> DateWords:
        """How days and months are named."""
        return DATES[self.language]

    @property
    def sizes(self) -> tuple[Size, ...]:
        """How large numbers are written short, the largest first."""
        return SIZES[self.language]

    def month(self, day: datetime) -> str:
        """A month with its year."""
        long = "{year}年{month}" if self.language == CHINESE else f"{day:%B} {{year}}"
        return self.dates.label(long, day)

    def warning(self, english: str) -> str:
        """A warning of a section."""
        return self.phrase("warning", text=self.text(english))

    def joined(self, sentences: list[str]) -> str:
        """Sentences after each other."""
        return self.phrase("sentence_space").join(sentences)

    def _own(self, entry: list[str]) -> str:
        return entry[LANGUAGES.index(self.language)]

    def _with_names(self, text: str) -> str:
        """The text with the names of figures in words in place of their identifiers."""
        known = _table("names")
        return IDENTIFIER.sub(
            lambda found: self.name(found[0]) if found[0] in known else found[0], text
        )


def check_language(language: object) -> str:
    """The language; ConfigError for one that the page is not written in."""
    if language not in LANGUAGES:
        raise ConfigError(f"report.language={language}: {near_matches(str(language), LANGUAGES)}")
    return str(language)


@cache
def _table(name: str) -> Mapping[str, Any]:
    """One of the tables of words."""
    content = read_plain_yaml(WORDS / f"{name}.yaml")
    assert isinstance(content, dict)
    return content


@cache
def _translated(english: str) -> str | None:
    """The Chinese of an English text; None where there is none.

    An entry of the table may have slots in braces, and a text may be several entries, one after the
    other.
    """
    entries = _table("texts")
    if english in entries:
        return str(entries[english])
    for pattern, chinese in _templates():
        found = pattern.fullmatch(english)
        if found:
            return chinese(**{name: _of_slot(part) for name, part in found.groupdict().items()})
    sentences = re.split(SENTENCE_END, english)
    parts = [_translated(each) for each in sentences] if len(sentences) > 1 else [None]
    return None if None in parts else "".join(map(str, parts))


def _of_slot(part: str) -> str:
    """What stands in a slot in Chinese, word by word of a list; a text of the data as it is."""
    for between, chinese in (("; ", "；"), (", ", "、")):
        if between in part:
            return chinese.join(map(_of_slot, part.split(between)))
    label = _table("labels")["words"].get(part)
    known = _translated(part) if label is None else label[LANGUAGES.index(CHINESE)]
    return part if known is None else str(known)


@cache
def _templates() -> list[tuple[re.Pattern[str], Callable[..., str]]]:
    """The entries with slots, each as what it matches and what fills it; those that say most first."""
    found = []
    for english, chinese in _table("texts").items():
        if "{" in english:
            pieces = re.split(r"\{(\w+)\}", english)
            pattern = "".join(
                f"(?P<{piece}>{SLOT})" if place % 2 else re.escape(piece)
                for place, piece in enumerate(pieces)
            )
            literal = sum(map(len, pieces[::2]))
            found.append((literal, re.compile(pattern), str(chinese).format))
    found.sort(key=lambda entry: -entry[0])
    return [(pattern, fill) for _, pattern, fill in found]
