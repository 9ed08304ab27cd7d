"""The page of a comparison as HTML: one file that needs no network."""

from __future__ import annotations

from collections.abc import Callable

from growthlab.pages.page import Chapter, Page, render_page
from growthlab.review.cost_chapter import cost_chapter
from growthlab.review.curve_chapter import curve_chapter
from growthlab.review.data_chapter import data_chapter
from growthlab.review.difference_chapter import difference_chapter
from growthlab.review.earlier_chapter import earlier_chapter
from growthlab.review.effect_chapter import effect_chapter
from growthlab.review.error_chapter import error_chapter
from growthlab.review.failure_chapter import failure_chapter
from growthlab.review.reading_chapter import reading_chapter
from growthlab.review.review_contents import ReviewContents
from growthlab.review.search_chapter import search_chapter
from growthlab.review.segment_chapter import segment_chapter
from growthlab.review.setting_chapter import setting_chapter
from growthlab.review.trade_off_chapter import trade_off_chapter
from growthlab.review.verdict_chapter import verdict_chapter

CHAPTERS: tuple[Callable[[ReviewContents], Chapter | None], ...] = (
    verdict_chapter,
    difference_chapter,
    segment_chapter,
    trade_off_chapter,
    error_chapter,
    effect_chapter,
    curve_chapter,
    setting_chapter,
    earlier_chapter,
    search_chapter,
    data_chapter,
    cost_chapter,
    failure_chapter,
    reading_chapter,
)


def review_html(contents: ReviewContents) -> str:
    """The page; chapters without content are left out."""
    comparison = contents.comparison
    chapters = [chapter for make in CHAPTERS if (chapter := make(contents)) is not None]
    facts = [comparison.subtitle] if comparison.subtitle else []
    title = comparison.title or "Comparison"
    return render_page(Page(title, chapters, facts, navigation="links"))
