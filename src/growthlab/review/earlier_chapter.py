"""What moved since the comparison before this one, and what may have moved it."""

from __future__ import annotations

import math

from growthlab.evaluation.earlier_comparison import EarlierComparison
from growthlab.pages.page import Badge, BadgeBlock, Block, Chapter, DataBlock, ListBlock, PageTable
from growthlab.pages.text_table import decimals_for, format_number, metric_label
from growthlab.review.review_contents import ReviewContents


def earlier_chapter(contents: ReviewContents) -> Chapter:
    """The objective of each model before and now, and what changed in between."""
    title = "Since the last comparison"
    earlier = contents.earlier
    if earlier is None:
        why = contents.missing.get("earlier", "There is no earlier comparison in this experiment.")
        return Chapter(title, notes=[why])
    comparison = contents.comparison
    label = metric_label(comparison.objective)
    now = dict(zip(comparison.table["model"], comparison.table[comparison.objective], strict=True))
    names = list(dict.fromkeys([*now, *earlier.values]))
    digits = decimals_for([*now.values(), *earlier.values.values()])
    rows = []
    for name in names:
        before, after = earlier.values.get(name, math.nan), float(now.get(name, math.nan))
        moved = format_number(after - before, digits, signed=True)
        rows.append([name, format_number(before, digits), format_number(after, digits), moved])
    winner = comparison.winner().name if comparison.chosen else "none"
    kept = "as now" if winner == earlier.winner else f"now {winner}"
    blocks: list[Block] = [
        BadgeBlock([Badge("compared with", earlier.name, earlier.address)]),
        ListBlock({"winner then": f"{earlier.winner}, {kept}", **_changes(earlier)}),
        DataBlock(
            title=f"{label} on the test window",
            table=PageTable.of_texts(["model", "before", "now", "change"], rows),
        ),
    ]
    return Chapter(title, blocks)


def _changes(earlier: EarlierComparison) -> dict[str, str]:
    """What is not as it was; one line says that nothing is."""
    changed = {what: "; ".join(texts) for what, texts in earlier.changes.items() if texts}
    if changed:
        return changed
    return {"data, code and settings": "as they were: the rest is chance of threads and time"}
