"""A page of blocks: what is in it, what is left out, and that it needs nothing but itself."""

from __future__ import annotations

from tests.pages.page_reader import read_page

from growthlab.pages.page import (
    AlertBlock,
    Article,
    Cell,
    Chapter,
    DataBlock,
    ListBlock,
    Page,
    PageRow,
    PageTable,
    RowOfBlocks,
    SentenceBlock,
    Tile,
    TileBlock,
    render_page,
)

TABLE = PageTable(
    ["item_id", "n"],
    [
        PageRow([Cell("tea"), Cell("7", "[5, 9]")]),
        PageRow([Cell("cup"), Cell("few", withheld=True)]),
    ],
    frozenset({"item_id"}),
)


def test_a_page_of_all_blocks_needs_nothing_but_itself() -> None:
    blocks = [
        DataBlock("Items", "items", table=TABLE, footer="2 rows", definitions={"n": "How many."}),
        TileBlock([Tile("buyers", "12", ["+3 %"], "Customers who bought.")]),
        AlertBlock([("grave", "too many"), ("fine", "all else")]),
        SentenceBlock("What changed", ["Sales fell."]),
        RowOfBlocks([DataBlock(footer="side by side")]),
        ListBlock({"funnel": "no views"}),
    ]
    page = Page(
        "Shop", [Chapter("All", blocks, [Article("More", blocks)])], ["a fact"], navigation="tabs"
    )
    reader = read_page(render_page(page))
    for text in (
        "tea",
        "[5, 9]",
        "few",
        "2 rows",
        "How many.",
        "+3 %",
        "too many",
        "no views",
        "Sales fell.",
        "side by side",
    ):
        assert reader.texts.count(text) == 2 or f": {text}" in reader.texts, text
    assert ("href", "#to-all") in reader.attributes


def test_bounds_stand_apart_from_their_value() -> None:
    html = render_page(Page("Shop", [Chapter("All", [DataBlock(table=TABLE)])]))
    assert '<td>7 <span class="bounds">[5, 9]</span></td>' in html
    assert '<td class="withheld">few</td>' in html
    assert '<th class="words" scope="col">item_<wbr>id</th>' in html


def test_what_a_block_lacks_leaves_nothing_behind() -> None:
    html = render_page(Page("Shop", [Chapter("All", [DataBlock(footer="There are no rows.")])]))
    body = html[html.index("<body>") :]
    assert "There are no rows." in body
    for element in ("<table", "<figure", "<dl", "<h4", "<nav", "<article"):
        assert element not in body


def test_code_in_a_note_is_code() -> None:
    html = render_page(Page("Shop", [], notes=["run `growthlab segment` for <rows>"]))
    assert "run <code>growthlab segment</code> for &lt;rows&gt;" in html
