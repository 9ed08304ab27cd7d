"""What a result shows of itself in a notebook: small pieces of HTML without scripts or addresses."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from growthlab.core.visible_text import visible_text
from growthlab.pages.page import without_script

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRAME_HEIGHT = 640  # pixels of a page inside a notebook


def lines_html(lines: Iterable[str]) -> str:
    """A paragraph, a line each; empty lines are left out."""
    shown = [escape(visible_text(line)) for line in lines if line.strip()]
    return f"<p>{'<br>'.join(shown)}</p>" if shown else ""


def table_html(columns: Mapping[str, Sequence[str]], left: int = 1) -> str:
    """A table of cells that are texts already; the first `left` columns begin at the left."""
    sides = ["left" if n < left else "right" for n in range(len(columns))]
    head = "".join(
        f'<th scope="col" style="text-align:{side}">{_cell(name)}</th>'
        for name, side in zip(columns, sides, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td style="text-align:{side}">{_cell(cell)}</td>'
            for cell, side in zip(row, sides, strict=True)
        )
        + "</tr>"
        for row in zip(*columns.values(), strict=True)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def figure_html(figure: Figure, text: str) -> str:
    """A plot as a picture inside the page; `text` says what it shows to those who do not see it."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", bbox_inches="tight", dpi=90)
    encoded = base64.b64encode(picture.getvalue()).decode()
    return f'<img alt="{_cell(text)}" src="data:image/png;base64,{encoded}">'


def page_html(page: str, title: str) -> str:
    """A whole page of ours inside a notebook, with its own styles; its script is left out."""
    shown = escape(without_script(page))
    style = f"width:100%;height:{FRAME_HEIGHT}px;border:1px solid #ccc"
    return f'<iframe title="{_cell(title)}" sandbox="" style="{style}" srcdoc="{shown}"></iframe>'


def link_html(label: str, address: str) -> str:
    """A link in a paragraph of its own."""
    return f'<p>{_cell(label)}: <a href="{escape(address)}">{_cell(address)}</a></p>'


def _cell(text: str) -> str:
    return escape(visible_text(str(text)))
