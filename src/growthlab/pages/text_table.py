"""Tables for people: aligned plain text and Markdown, numbers with sensible digits."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from growthlab.core.visible_text import visible_text

if TYPE_CHECKING:
    import pandas as pd


def table_text(frame: pd.DataFrame) -> str:
    """A table of any kind in plain text: numbers flush right, whole numbers with separators."""
    columns = {str(name): frame[name].tolist() for name in frame}
    numeric = {n: all(isinstance(v, (int, float)) for v in vs) for n, vs in columns.items()}
    cells = [[_cell(value) for value in values] for values in columns.values()]
    rows = list(zip(*cells, strict=True))
    header = [name.replace("_", " ") for name in columns]
    return "\n".join(plain_table(header, rows, [not numeric[name] for name in columns]))


def format_number(value: float, decimals: int = 4, *, signed: bool = False) -> str:
    """The number with thousands separators; a dash for NaN."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:{'+' if signed else ''},.{decimals}f}"


def decimals_for(values: Sequence[float]) -> int:
    """Digits after the point for a column: fewer the larger its largest number is."""
    sizes = [abs(v) for v in values if math.isfinite(v)]
    largest = max(sizes, default=0.0)
    return next((d for limit, d in ((10, 4), (100, 2), (1000, 1)) if largest < limit), 0)


def format_interval(value: float, low: float, high: float, decimals: int = 4) -> str:
    """``value [low, high]``; the value alone where there are no bounds."""
    if math.isnan(low):
        return format_number(value, decimals)
    texts = [format_number(v, decimals) for v in (value, low, high)]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]"


def metric_label(name: str) -> str:
    """A metric's name as people write it.

    >>> metric_label("hit_rate_at_10")
    'hit rate@10'
    >>> metric_label("events_at_cutoff")
    'events at cutoff'
    """
    return re.sub(r"_at_(?=\d)", "@", name).replace("_", " ")


def plain_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], left: int | Sequence[bool] = 1
) -> list[str]:
    """Lines of text; the first `left` columns, or the marked ones, flush left, others right."""
    flush = [i < left for i in range(len(header))] if isinstance(left, int) else list(left)
    cells = [[visible_text(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = []
    for row in cells:
        aligned = [
            cell.ljust(width) if is_left else cell.rjust(width)
            for cell, width, is_left in zip(row, widths, flush, strict=True)
        ]
        lines.append("  ".join(aligned).rstrip())
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def markdown_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], n_left: int = 1
) -> list[str]:
    """A Markdown table, the first `n_left` columns flush left and the others right."""
    rule = ["---" if i < n_left else "---:" for i in range(len(header))]
    texts = [[markdown_text(cell) for cell in row] for row in (header, *rows)]
    cells = [texts[0], rule, *texts[1:]]
    return ["| " + " | ".join(row) + " |" for row in cells]


def markdown_text(text: str) -> str:
    r"""A text of the data within a line of Markdown: no element, link, cell or line begins in it.

    >>> print(markdown_text("[tea](http://x) <b>|\n# cup"))
    [tea]\(http://x) &lt;b>\| # cup
    """
    text = visible_text(" ".join(text.splitlines()))
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("|", "\\|")
    text = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)  # what begins an element; <0.001 does not
    return re.sub(r"\](?=[(\[:])", r"]\\", text)


def format_column(values: Sequence[float]) -> list[str]:
    """One cell a value, all with the same number of decimals."""
    values = [float(v) for v in values]
    digits = decimals_for(values)
    return [format_number(v, digits) for v in values]


def format_change(difference: float, percent: float, decimals: int = 4) -> str:
    """A difference with its sign and what it is in percent; a dash for NaN."""
    if math.isnan(difference):
        return "-"
    relative = "" if math.isnan(percent) else f" ({percent:+.1f} %)"
    return format_number(difference, decimals, signed=True) + relative


def format_p_value(p: float) -> str:
    """Three digits, which is more than a p value is good for; a dash for NaN."""
    if math.isnan(p):
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _cell(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return "-" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return format_number(value, decimals_for([value])) if isinstance(value, float) else str(value)
