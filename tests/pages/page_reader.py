"""A page as a browser takes it apart: its elements, their attributes, and its texts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from growthlab.pages.page import without_script

ELEMENTS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "link",
        "style",
        "body",
        "header",
        "nav",
        "section",
        "article",
    ),
    *("h1", "h2", "h3", "h4", "p", "a", "b", "strong", "small", "span", "code", "wbr"),
    *("ul", "ol", "li"),
    *("div", "figure", "figcaption", "table", "thead", "tbody", "tr", "th", "td", "dl", "dt", "dd"),
    *("img", "svg", "g", "path", "rect", "circle", "text"),
}
ATTRIBUTES = {
    *("lang", "charset", "name", "content", "rel", "href", "id", "class", "style", "scope", "role"),
    *("tabindex", "aria-label", "viewbox", "d", "x", "y", "cx", "cy", "r", "width", "height"),
    *("text-anchor", "title", "http-equiv", "alt", "src"),
}
OTHER_PAGE = re.compile(r"(\.\./)*[\w./-]+\.html")  # beside this one
RUN = "http://127.0.0.1:5000/#/experiments/"  # what a link to a run begins with
PICTURE = re.compile("data:image/jpeg;base64,[A-Za-z0-9+/]+=*")  # inside the page
STYLE = re.compile(r"--(shade:\d\.\d\d|figures:\d+)")  # of an element


@dataclass
class PageReader(HTMLParser):
    """Collects what a page is made of."""

    elements: set[str] = field(default_factory=set)
    attributes: list[tuple[str, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read_page(html: str) -> PageReader:
    """The page, after a check that it runs nothing but its own script and asks no network."""
    reader = PageReader()
    reader.feed(without_script(html))
    reader.close()
    assert reader.elements <= ELEMENTS, reader.elements - ELEMENTS
    names = {name for name, _ in reader.attributes}
    assert names <= ATTRIBUTES, names - ATTRIBUTES
    for name, value in reader.attributes:
        linked = value.startswith(("#", RUN)) or OTHER_PAGE.fullmatch(value) or value == "data:,"
        assert name != "href" or linked, value
        assert name != "src" or PICTURE.fullmatch(value), value
        assert name != "style" or STYLE.fullmatch(value), value
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    return reader
