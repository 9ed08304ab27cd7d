"""What was dropped when the data was cleaned, and what a look for leakage found."""

from __future__ import annotations

from growthlab.evaluation.markdown_report import flat_entries
from growthlab.pages.page import Chapter, DataBlock, PageTable
from growthlab.review.review_contents import ReviewContents

COUNTED_TWICE = ("events_before", "users_", "items_")  # follow from the events, or matter to few


def data_chapter(contents: ReviewContents) -> Chapter | None:
    """Cleaning and leakage as tables; None without either."""
    blocks = []
    if contents.cleaning:
        named = dict.fromkeys(str(key) for row in contents.cleaning for key in row)
        headers = [key for key in named if not key.startswith(COUNTED_TWICE)]
        rows = [[_text(row.get(key)) for key in headers] for row in contents.cleaning]
        numbers = [
            h for h in headers if any(isinstance(row.get(h), int) for row in contents.cleaning)
        ]
        words = [h for h in headers if h not in numbers]
        shown = [h.replace("_", " ") for h in headers]
        table = PageTable.of_texts(shown, rows, *(w.replace("_", " ") for w in words))
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
