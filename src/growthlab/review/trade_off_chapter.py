"""What a gain in the objective costs: coverage, novelty, time and size against it."""

from __future__ import annotations

import pandas as pd

from growthlab.pages.page import Chapter, DataBlock, Figure
from growthlab.pages.scatter_chart import NamedPoint, ScatterChart
from growthlab.pages.text_table import metric_label
from growthlab.review.number_texts import short_number
from growthlab.review.review_contents import ReviewContents

COSTS = ("score_seconds", "fit_seconds", "bundle_mb", "coverage")
MOST_FIGURES = 6
ALIKE = 0.9  # correlation of ranks above which a metric says what the objective says


def trade_off_chapter(contents: ReviewContents) -> Chapter | None:
    """A chart for each measure by which models differ; None for one model."""
    comparison = contents.comparison
    table, objective = comparison.table, comparison.objective
    if len(table) < 2:
        return None
    metrics = _other_metrics(contents)[: MOST_FIGURES - len(COSTS) + 1]
    others = [n for n in (*metrics, *COSTS) if table[n].nunique() > 1]
    label = metric_label(objective)
    figures = [
        Figure(f"{label} against {metric_label(name)}", _chart(table, name, contents))
        for name in others[:MOST_FIGURES]
    ]
    if not figures:
        return None
    better = "higher" if comparison.maximise else "lower"
    notes = [f"{label} upwards, {better} is better; the winner is darker. Test window."]
    return Chapter("Trade-offs", [DataBlock(figures=figures)], notes=notes)


def _other_metrics(contents: ReviewContents) -> list[str]:
    """Metrics of the leaderboard that order the models otherwise than the objective, most so first."""
    comparison = contents.comparison
    ranks = comparison.table[[comparison.objective, *comparison.headline]].rank()
    alike = ranks.corr()[comparison.objective].drop(comparison.objective).abs()
    return [str(name) for name in alike[alike < ALIKE].sort_values(kind="stable").index]


def _chart(table: pd.DataFrame, name: str, contents: ReviewContents) -> ScatterChart:
    objective = contents.comparison.objective
    points = [
        NamedPoint(
            r["model"], float(r[name]), float(r[objective]), r["model"] == contents.reference
        )
        for r in table.to_dict("records")
    ]
    return ScatterChart(points, short_number, short_number, metric_label(name))
