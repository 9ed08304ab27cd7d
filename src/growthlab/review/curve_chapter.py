"""Learning curves as small multiples: a chart a model and measure."""

from __future__ import annotations

from growthlab.pages.charts import LineChart
from growthlab.pages.page import Chapter, DataBlock, Figure
from growthlab.pages.text_table import metric_label
from growthlab.review.number_texts import short_number
from growthlab.review.review_contents import ReviewContents


def curve_chapter(contents: ReviewContents) -> Chapter | None:
    """The curves of every model that was trained in epochs, a line a seed; None without one."""
    figures = []
    for model, seeds in contents.comparison.models.items():
        for name in dict.fromkeys(n for outcome in seeds for n in outcome.curves):
            lines = {
                f"seed {o.seed}": [(float(n), v) for n, v in enumerate(o.curves[name], start=1)]
                for o in seeds
                if o.curves.get(name)
            }
            if any(v == v for line in lines.values() for _, v in line):
                chart = LineChart(lines, short_number, "epoch", from_zero=False)
                figures.append(Figure(f"{model}: {metric_label(name.replace('/', ' '))}", chart))
    if not figures:
        return None
    note = "On the inner past and the validation window, where the number of epochs is chosen."
    return Chapter("Learning curves", [DataBlock(figures=figures)], notes=[note])
