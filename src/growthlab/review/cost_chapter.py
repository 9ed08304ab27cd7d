"""What each model cost: seconds, memory, size, and for how many customers it could answer."""

from __future__ import annotations

from growthlab.evaluation.text_report import not_exportable
from growthlab.pages.page import Chapter, DataBlock, PageTable
from growthlab.pages.text_table import format_number
from growthlab.review.review_contents import ReviewContents

COLUMNS = {
    "fit_seconds": "fit, seconds",
    "score_seconds": "score, seconds",
    "peak_memory_mb": "memory, MB",
    "bundle_mb": "bundle, MB",
}


def cost_chapter(contents: ReviewContents) -> Chapter:
    """One table, and the models that cannot be exported."""
    table = contents.comparison.table
    rows = [
        [
            row["model"],
            *(format_number(row[name], 2) for name in COLUMNS),
            f"{format_number(100 * row['coverage'], 0)} %",
        ]
        for row in table.to_dict("records")
    ]
    headers = ["model", *COLUMNS.values(), "customers covered"]
    notes = list(not_exportable(contents.comparison))
    return Chapter("Cost", [DataBlock(table=PageTable.of_texts(headers, rows), notes=notes)])
