"""The tag dictionary: every tag of the portrait, by name and as a page."""

from __future__ import annotations

from collections.abc import Iterable

from growthlab.core.errors import ConfigError, near_matches
from growthlab.features.portrait import attributes, behaviour, interests, values
from growthlab.features.portrait.tag import PARTS, Tag
from growthlab.pages.text_table import markdown_text

TAGS: dict[str, Tag] = {
    tag.name: tag
    for tag in (*attributes.TAGS, *behaviour.TAGS, *interests.TAGS, *values.TAGS)
}  # fmt: skip

HEAD = """# Tags of the customer portrait

Made from the code by `make tags`; a test holds the two together.

A tag is worked out from events strictly before the cutoff, and only from those that had been taken
in by then. Attributes, and what is known of items, are the rows of the tables that were known by
then, where the tables say so in `known_from`; a tag that reads a table which does not is no feature
of a model unless it is named. A tag exists only where the data holds what it needs; `growthlab
portrait` says which do not and why. Counts and amounts are 0 for a customer without such events,
everything else is unknown (null). Sensitive tags are never features of a model unless they are named
one by one. Words in `code` within a rule are settings of `conf/portrait.yaml`, or columns of the
tables.
"""


def as_markdown(tags: Iterable[Tag] = TAGS.values()) -> str:
    """The tags as a page, a table a part; of all of them it is ``docs/tags.md``."""
    lines, tags = [HEAD], list(tags)
    for part, what in PARTS.items():
        lines += [f"## {part.capitalize()}: {what}", ""]
        lines += ["| tag | type | range | rule | needs | sensitive |", "|---|---|---|---|---|---|"]
        lines += [_row(tag) for tag in tags if tag.part == part]
        lines.append("")
    return "\n".join(lines)


def select_portrait_tags(names: str | Iterable[str], setting: str) -> list[Tag]:
    """The tags of these names, or all that are not sensitive for the word ``all``.

    Raises
    ------
    ConfigError
        There is no such tag.
    """
    if names == "all":
        return [tag for tag in TAGS.values() if not tag.sensitive]
    wanted = [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in TAGS:
            raise ConfigError(f"{setting}: there is no tag {name}: {near_matches(name, TAGS)}")
    return [TAGS[name] for name in wanted]


def _row(tag: Tag) -> str:
    """A tag as a row of Markdown; a bar within a cell would end it."""
    needs = ", ".join(tag.needs).replace("|", " or ") or "-"
    sensitive = "yes" if tag.sensitive else "no"
    cells = (f"`{tag.name}`", tag.kind, tag.range, tag.rule, needs, sensitive)
    return f"| {' | '.join(markdown_text(cell) for cell in cells)} |"
