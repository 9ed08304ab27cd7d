"""A page of HTML as plain data, and its rendering: one file, no request, all text escaped.

It works without scripts. The one that a page with links has, for frames that follow no link, is the only
one that its own policy lets run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import ClassVar, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from growthlab.core.visible_text import visible_text
from growthlab.pages.charts import BarChart, LineChart
from growthlab.pages.interval_chart import IntervalChart
from growthlab.pages.scatter_chart import ScatterChart

Chart = LineChart | BarChart | IntervalChart | ScatterChart
AlertLevel = Literal["grave", "watch", "fine"]


@dataclass(frozen=True)
class Cell:
    """A cell of a table; `bounds` go to a new line where there is little room.

    `level` gives it the bar of an alert. `picture` stands before the text, as an address that holds it
    (``data:image/jpeg;base64,...``); the text says what it shows.
    """

    text: str
    bounds: str = ""
    withheld: bool = False
    level: AlertLevel | None = None
    picture: str = ""


@dataclass(frozen=True)
class PageRow:
    """A row of a table; a `muted` one is pale."""

    cells: Sequence[Cell]
    muted: bool = False


@dataclass(frozen=True)
class PageTable:
    """Rows under their headers; the columns named in `flush_left` hold words, the others numbers.

    `identifiers` are shown when the reader points at a header. With `named_rows` the first cell of a
    row is its name.
    """

    headers: Sequence[str]
    rows: Sequence[PageRow]
    flush_left: frozenset[str] = frozenset()
    identifiers: Mapping[str, str] = field(default_factory=dict)
    named_rows: bool = False

    @classmethod
    def of_texts(
        cls, headers: Sequence[str], rows: Iterable[Sequence[str]], *words: str
    ) -> PageTable:
        """A table of texts with named rows; the columns of `words` are flush left, as the first is."""
        cells = [PageRow([Cell(text) for text in row]) for row in rows]
        return cls(headers, cells, frozenset((headers[0], *words)), named_rows=True)


@dataclass(frozen=True)
class ShadedCell:
    """A cell of a `ShadedTable`: `shade` is 0 (white) to 1 (darkest blue), or to -1 (darkest orange)."""

    text: str
    shade: float = 0.0
    withheld: bool = False


@dataclass(frozen=True)
class ShadedTable:
    """A table whose cells are the darker the further they are from 0, with a name before each row."""

    kind: ClassVar[str] = "shaded"
    corner: str
    headers: Sequence[str]
    rows: Sequence[tuple[str, Sequence[ShadedCell]]]


@dataclass(frozen=True)
class Figure:
    """A chart under its title, and a line under the chart."""

    title: str
    chart: Chart | ShadedTable
    note: str = ""


@dataclass(frozen=True)
class DataBlock:
    """Figures, a table, or both, with the definitions of what is seen.

    `name` is the block's anchor, and is shown when the reader points at the title; `footer` is a
    line under the table. `definitions` are by the names in words, of which `identifiers` may give
    those in the data.
    """

    kind: ClassVar[str] = "data"
    title: str = ""
    name: str = ""
    figures: Sequence[Figure] = ()
    table: PageTable | None = None
    footer: str = ""
    notes: Sequence[str] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)
    identifiers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tile:
    """One figure in large letters: what it is, its value, and what it is compared with.

    `hint` is shown when the reader points at the name.
    """

    name: str
    value: str
    comparisons: Sequence[str] = ()
    hint: str = ""


@dataclass(frozen=True)
class TileBlock:
    """Tiles next to each other."""

    kind: ClassVar[str] = "tiles"
    tiles: Sequence[Tile]
    title: str = ""
    name: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class AlertBlock:
    """Lines with a coloured bar, each with its level."""

    kind: ClassVar[str] = "alerts"
    alerts: Sequence[tuple[AlertLevel, str]]


@dataclass(frozen=True)
class SentenceBlock:
    """Sentences to be read first, one a line, under a title."""

    kind: ClassVar[str] = "sentences"
    title: str
    sentences: Sequence[str]


@dataclass(frozen=True)
class RowOfBlocks:
    """Blocks next to each other where there is room."""

    kind: ClassVar[str] = "row"
    blocks: Sequence[DataBlock]


@dataclass(frozen=True)
class ListBlock:
    """A list of terms, each with a sentence."""

    kind: ClassVar[str] = "list"
    entries: Mapping[str, str]


@dataclass(frozen=True)
class Badge:
    """A fact in few words, which may lead to an address."""

    name: str
    value: str
    address: str = ""


@dataclass(frozen=True)
class BadgeBlock:
    """Badges in one line."""

    kind: ClassVar[str] = "badges"
    badges: Sequence[Badge]


Navigation = Literal["none", "links", "tabs"]
Block = DataBlock | TileBlock | AlertBlock | SentenceBlock | RowOfBlocks | ListBlock | BadgeBlock


@dataclass(frozen=True)
class Article:
    """Blocks of one topic within a chapter; `side_by_side` where there is room."""

    title: str
    blocks: Sequence[Block]
    notes: Sequence[str] = ()
    side_by_side: bool = False


@dataclass(frozen=True)
class Chapter:
    """Blocks, and articles of blocks, under a heading.

    `name` makes the anchor where the title is no plain English.
    """

    title: str
    blocks: Sequence[Block] = ()
    articles: Sequence[Article] = ()
    notes: Sequence[str] = ()
    name: str = ""

    @property
    def anchor(self) -> str:
        """Where links to the chapter point."""
        return "-".join(re.findall("[a-z0-9]+", f"to {self.name or self.title}".lower()))


@dataclass(frozen=True)
class Page:
    """A whole page; notes may hold `code` between backticks.

    `navigation` is what stands above the chapters: `links` lead to them; with `tabs` a screen shows
    one at a time, the first until a link picks another, and paper has all of them. `language` is the
    code of the texts' language.
    """

    title: str
    chapters: Sequence[Chapter]
    facts: Sequence[str] = ()
    notes: Sequence[str] = ()
    navigation: Navigation = "none"
    language: str = "en"


def render_page(page: Page) -> str:
    """The page as one HTML document."""
    scripts = "'none'" if page.navigation == "none" else _hash_of(frame_script())
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(page=page, frame_script=Markup(frame_script()), scripts=Markup(scripts))
    )


def without_script(html: str) -> str:
    """The page without its script, where a frame lets none run."""
    return html.replace(f"<script>{frame_script()}</script>\n", "")


@cache
def frame_script() -> str:
    """The script of pages with links, which runs inside a frame only."""
    return (files("growthlab.pages") / "templates" / "frame_links.js").read_text(encoding="utf-8")


def _hash_of(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("growthlab.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["with_code"] = _with_code
    return environment


def _visible(value: object) -> object:
    """A text with characters that a browser would obey written out; what is markup is so already."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible_text(value, keep_lines=True)
    return value


def _breakable(name: str) -> Markup:
    """A name that may be broken after an underscore."""
    parts = visible_text(name, keep_lines=True).split("_")
    return Markup("_<wbr>").join(escape(part) for part in parts)


def _with_code(note: str) -> Markup:
    """A sentence; what is between backticks becomes code."""
    parts = enumerate(visible_text(note, keep_lines=True).split("`"))
    code = Markup("<code>{}</code>")
    return Markup("").join(
        code.format(part) if place % 2 else escape(part) for place, part in parts
    )
