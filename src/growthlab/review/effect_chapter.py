"""What an arm gains by the share of customers, and effects by tenth of the prediction, a chart a model."""

from __future__ import annotations

from growthlab.evaluation.effect_curves import effect_curve, has_effects
from growthlab.evaluation.standings import predictions_of
from growthlab.pages.charts import LineChart
from growthlab.pages.page import Chapter, DataBlock, Figure
from growthlab.review.number_texts import short_number
from growthlab.review.review_contents import ReviewContents

MOST_MODELS = 4


def effect_chapter(contents: ReviewContents) -> Chapter | None:
    """The curves of the first models of the leaderboard; None where the truth is no effect."""
    comparison, figures = contents.comparison, []
    for model in list(comparison.models)[:MOST_MODELS]:
        outcome = comparison.models[model][0]
        table = predictions_of(outcome)
        if not has_effects(table):
            return None
        curve = effect_curve(table)
        lines = {
            name: list(zip(100 * curve["share"], curve[column], strict=True))
            for name, column in (
                ("by the model", "gain"),
                ("any order", "any_order"),
                ("95 % bounds, low", "low"),
                ("95 % bounds, high", "high"),
            )
        }
        chart = LineChart(lines, short_number, "% of the customers", from_zero=False)
        figures.append(Figure(f"{model}: gain of the outcome per customer", chart))
        if "tenths" in outcome.tables:
            tenths = outcome.tables["tenths"]
            points = {
                name: list(zip(tenths["tenth"].astype(float), tenths[column], strict=True))
                for name, column in (("predicted", "prediction"), ("observed", "effect"))
            }
            chart = LineChart(points, short_number, "tenth of the prediction", from_zero=False)
            figures.append(Figure(f"{model}: effects by tenth", chart))
    notes = [
        "Effects are doubly robust, on the test window. Bounds hold at each share alone and take the order "
        "as given; at 100 % they are those of the average effect.",
    ]
    return Chapter("What the arm gains", [DataBlock(figures=figures)], notes=notes)
