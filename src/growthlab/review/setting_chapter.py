"""The settings by which a model differs from its own file."""

from __future__ import annotations

from growthlab.pages.page import Chapter, DataBlock, PageTable
from growthlab.review.review_contents import ReviewContents


def setting_chapter(contents: ReviewContents) -> Chapter | None:
    """One table; None where the settings are not known."""
    if not contents.settings:
        return None
    rows = [
        (each.model, name, value, default)
        for each in contents.settings
        for name, value, default in each.changed
    ]
    own = [each.model for each in contents.settings if not each.changed]
    notes = [f"With their own settings: {', '.join(own)}."] if own else []
    headers = ["model", "setting", "here", "default"]
    table = PageTable.of_texts(headers, rows, *headers[1:]) if rows else None
    return Chapter("Settings", [DataBlock(table=table, notes=notes)])
