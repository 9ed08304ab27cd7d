"""Which commands there are, and their help, from their config files; imports nothing heavy.

A command is a module of this package and a file of the same name in ``conf/``. The comments at the
head of that file are its help: what it does with an example, then its section in the list of
commands::

    # Search a model's settings on the validation window: growthlab tune model=recommend/item_knn
    # section: models

``# words without = are: paths`` gathers such words into the list that the setting ``paths`` holds, and
``# all words are: words`` every word.

A command of two words, such as ``ab plan``, has its files under both joined: ``ab_plan``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from growthlab.config.conf_tree import CONF, choices, groups
from growthlab.config.defaults_list import composed_groups
from growthlab.config.shown_settings import shown_parts

MODULES = Path(__file__).parent
SECTION = "section:"
WORDS_ARE = "words without = are:"
ALL_WORDS_ARE = "all words are:"
NO_SECTION = "other"
CHOSEN_BY_TASK = ("metrics", "search")  # and not listed: they are many
GREETING = (
    "growthlab: one customer timeline; what will they want, will they leave, what are they worth?"
)


class CommandHelp(NamedTuple):
    """A command and the parts of its help."""

    name: str  # as it is typed
    file: str  # of its module and of its config
    summary: str
    section: str
    notes: str  # the examples, and what else the head of the config file says
    words_are: str | None = None  # the setting that takes the words without =
    all_words_are: str | None = None  # the setting that takes all words, as they are typed


@cache
def commands() -> dict[str, CommandHelp]:
    """The commands by name as typed, in the order of their sections and of the alphabet."""
    files = [path for path in CONF.glob("*.yaml") if (MODULES / f"{path.stem}.py").exists()]
    known = [_command(path) for path in files]
    known.sort(key=lambda command: (command.section == NO_SECTION, command.section, command.name))
    return {command.name: command for command in known}


def split_command(words: Sequence[str]) -> tuple[str, list[str]]:
    """The name of the command at the head of words, of two words where there is such one, and the rest."""
    two = " ".join(words[:2])
    if len(words) > 1 and two in commands():
        return two, list(words[2:])
    return words[0], list(words[1:])


def overview() -> str:
    """The commands by section, and the groups with their choices."""
    usage = "usage: growthlab COMMAND [group=choice] [key=value] [-m] [--cfg job]"
    lines, section = [GREETING, "", usage], ""
    for command in commands().values():
        if command.section != section:
            section = command.section
            lines += ["", f"{section}:"]
        lines.append(f"  {command.name:<10} {command.summary}")
    lines += ["", "groups:", *_choices_lines(groups())]
    return "\n".join([*lines, "", "growthlab COMMAND --help shows a command's settings."])


def help_of(name: str) -> str:
    """What a command does, every setting that it has with its group, and the choices of its groups."""
    command = commands()[name]
    shown = [
        "\n".join([f"{part.title}:"] * bool(part.title) + part.lines)
        for part in shown_parts(command.file)
    ]
    parts = [f"growthlab {name}: {command.summary}", command.notes, *shown]
    composed = list(_choices_lines(composed_groups(command.file)))
    if composed:
        parts.append("\n".join(["groups:", *composed]))
    return "\n\n".join(part for part in parts if part)


def _command(path: Path) -> CommandHelp:
    """The command of a config file."""
    lines = path.read_text(encoding="utf-8").rstrip().splitlines()
    n_head = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    head = [line.lstrip("# ") for line in lines[:n_head]]
    marks = {
        mark: next(
            (line.removeprefix(mark).strip() for line in head if line.startswith(mark)), None
        )
        for mark in (SECTION, WORDS_ARE, ALL_WORDS_ARE)
    }
    first, *others = [line for line in head if not line.startswith(tuple(marks))] or [""]
    summary, separator, example = first.partition(": growthlab ")
    notes = [f"growthlab {example}"] * bool(separator) + others
    return CommandHelp(
        name=path.stem.replace("_", " "),
        file=path.stem,
        summary=summary,
        section=marks[SECTION] or NO_SECTION,
        notes="\n".join(notes),
        words_are=marks[WORDS_ARE],
        all_words_are=marks[ALL_WORDS_ARE],
    )


def _choices_lines(names: list[str]) -> Iterator[str]:
    """Each group with what can be chosen in it."""
    for name in names:
        if name not in CHOSEN_BY_TASK:
            listed = ", ".join(choices(name)) or "(none yet)"
            yield textwrap.fill(
                listed, 110, initial_indent=f"  {name:<10} ", subsequent_indent=" " * 13
            )
