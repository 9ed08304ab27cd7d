"""The searches behind the settings: best so far, budget, borders."""

from __future__ import annotations

import math
from collections.abc import Sequence

from growthlab.pages.charts import LineChart
from growthlab.pages.page import Chapter, DataBlock, Figure, PageTable
from growthlab.pages.text_table import decimals_for, format_number, metric_label
from growthlab.review.number_texts import short_number
from growthlab.review.review_contents import ReviewContents, SearchCourse

SETTINGS_SHOWN = 5  # of a model


def search_chapter(contents: ReviewContents) -> Chapter | None:
    """A table with a row a model, and a chart of each search; None without a search."""
    if contents.search is None:
        return None
    comparison = contents.comparison
    label = metric_label(comparison.objective)
    headers = [str(name) for name in contents.search]
    rows = [[_text(value) for value in row] for row in contents.search.itertuples(index=False)]
    table = PageTable.of_texts(headers, rows, headers[-1])
    figures = [
        Figure(f"{course.model}: valid {label}", _chart(course, maximise=comparison.maximise))
        for course in contents.courses
        if sum(not math.isnan(v) for v in course.values) > 1
    ]
    notes = [
        "Every model had the same budget on the validation window; minutes are of all its trials. A setting "
        "on the border of its range may be better beyond it."
    ]
    blocks = [DataBlock(figures=figures, table=table, notes=notes)]
    return Chapter("Search", [*blocks, *_importance(contents.courses)])


def _importance(courses: Sequence[SearchCourse]) -> list[DataBlock]:
    """A table of the settings that decided, the first of each model; none where trials are too few."""
    rows = [
        [course.model, setting, f"{share:.0%}"]
        for course in courses
        for setting, share in list(course.importance.items())[:SETTINGS_SHOWN]
    ]
    if not rows:
        return []
    table = PageTable.of_texts(["model", "setting", "share"], rows, "share")
    note = (
        "The share of the spread between a search's trials that each setting explains. A setting that only "
        "some trials used, and a search with too few trials, have none."
    )
    return [DataBlock("Which settings decided", table=table, notes=[note])]


def _chart(course: SearchCourse, *, maximise: bool) -> LineChart:
    """The value of each trial, and the best until then."""
    pick, best, bests = (max if maximise else min), math.nan, []
    for value in course.values:
        if not math.isnan(value):
            best = value if math.isnan(best) else pick(best, value)
        bests.append(best)
    lines = {"best so far": bests, "trial": list(course.values)}
    return LineChart(
        {
            name: [(float(n), v) for n, v in enumerate(line, start=1)]
            for name, line in lines.items()
        },
        short_number,
        "trial",
        from_zero=False,
    )


def _text(value: object) -> str:
    if isinstance(value, float):
        return format_number(value, decimals_for([value]))
    return f"{value:,}" if isinstance(value, int) else str(value)
