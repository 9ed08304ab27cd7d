"""What failed, and who could not take part."""

from __future__ import annotations

from growthlab.evaluation.text_report import left_out_notes
from growthlab.pages.page import Chapter, ListBlock
from growthlab.review.review_contents import ReviewContents


def failure_chapter(contents: ReviewContents) -> Chapter:
    """The error of each failed model; a line where there is none."""
    errors = contents.comparison.errors
    notes = list(left_out_notes(contents.comparison))
    if not errors:
        return Chapter("Failures", notes=["No model failed.", *notes])
    return Chapter("Failures", [ListBlock(dict(errors))], notes=notes)
