"""What was dropped when the data was cleaned, and what a look for leakage found."""

from __future__ import annotations

from growthlab.data.cleaning_report import REPORT_COLUMNS
from growthlab.evaluation.markdown_report import flat_entries
from growthlab.pages.page import Chapter, DataBlock, PageTable
from growthlab.review.review_contents import ReviewContents


def data_chapter(contents: ReviewContents) -> Chapter | None:
    """Cleaning and leakage as tables; None without either."""
    blocks = []
    if contents.cleaning:
        rows = [[_text(row.get(name)) for name in REPORT_COLUMNS] for row in contents.cleaning]
        table = PageTable.of_texts([*REPORT_COLUMNS.values()], rows, "rule", "why")
        blocks.append(DataBlock(title="Cleaning", table=table))
    leakage = [(name, _text(value)) for name, value in flat_entries(contents.comparison.leakage)]
    if leakage:
        table = PageTable.of_texts(["check", "found"], leakage, "found")
        blocks.append(DataBlock(title="Leakage", table=table))
    return Chapter("Data", blocks) if blocks else None


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
