"""How to read the page."""

from __future__ import annotations

from growthlab.evaluation.markdown_report import HOW_TO_READ
from growthlab.pages.page import Chapter
from growthlab.review.review_contents import ReviewContents


def reading_chapter(contents: ReviewContents) -> Chapter:
    """What every reader needs to know, as in the report."""
    return Chapter("How to read this", notes=[line.removeprefix("- ") for line in HOW_TO_READ])
