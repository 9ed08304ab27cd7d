"""Tables for people: aligned plain text and Markdown, numbers with sensible digits."""

from __future__ import annotations

import math
from collections.abc import Sequence


def number(value: float, decimals: int = 4, *, signed: bool = False) -> str:
    """The number with thousands separators; a dash for NaN."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:{'+' if signed else ''},.{decimals}f}"


def decimals_for(values: Sequence[float]) -> int:
    """Digits after the point for a column: fewer the larger its largest number is."""
    sizes = [abs(v) for v in values if math.isfinite(v)]
    largest = max(sizes, default=0.0)
    return next((d for limit, d in ((10, 4), (100, 2), (1000, 1)) if largest < limit), 0)


def interval(value: float, low: float, high: float, decimals: int = 4) -> str:
    """``value [low, high]``; the value alone where there are no bounds."""
    if math.isnan(low):
        return number(value, decimals)
    return f"{number(value, decimals)} [{number(low, decimals)}, {number(high, decimals)}]"


def label(name: str) -> str:
    """A metric's name as people write it.

    >>> label("hit_rate_at_10")
    'hit rate@10'
    """
    return name.replace("_at_", "@").replace("_", " ")


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]], n_left: int = 1) -> list[str]:
    """Lines of equal width, the first `n_left` columns flush left and the others right."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = []
    for row in cells:
        aligned = [
            cell.ljust(width) if i < n_left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(aligned).rstrip())
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def markdown_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], n_left: int = 1
) -> list[str]:
    """A Markdown table, the first `n_left` columns flush left and the others right."""
    rule = ["---" if i < n_left else "---:" for i in range(len(header))]
    cells = [header, rule, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return ["| " + " | ".join(row) + " |" for row in cells]


def column(values: Sequence[float]) -> list[str]:
    """One cell a value, all with the same number of decimals."""
    values = [float(v) for v in values]
    digits = decimals_for(values)
    return [number(v, digits) for v in values]


def change(difference: float, percent: float, decimals: int = 4) -> str:
    """A difference with its sign and what it is in percent; a dash for NaN."""
    if math.isnan(difference):
        return "-"
    relative = "" if math.isnan(percent) else f" ({percent:+.1f} %)"
    return number(difference, decimals, signed=True) + relative


def p_value(p: float) -> str:
    """Three digits, which is more than a p value is good for; a dash for NaN."""
    if math.isnan(p):
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"
