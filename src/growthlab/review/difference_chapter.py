"""How far every model is from the best baseline: a forest plot with the band that can be detected."""

from __future__ import annotations

from growthlab.evaluation.text_report import power_notes
from growthlab.pages.interval_chart import Interval, IntervalChart
from growthlab.pages.page import Chapter, DataBlock, Figure, PageTable
from growthlab.pages.text_table import format_number, format_p_value, metric_label
from growthlab.review.number_texts import interval_text, short_number
from growthlab.review.review_contents import ReviewContents


def difference_chapter(contents: ReviewContents) -> Chapter:
    """Paired differences; without a baseline the objective with its bounds."""
    comparison = contents.comparison
    label = metric_label(comparison.objective)
    compared = comparison.differences
    if compared.empty:
        return Chapter("Differences", [_values(contents)], notes=[_why_none(contents)])
    records = {row["model"]: row for row in compared.to_dict("records")}
    ordered = [records[name] for name in comparison.models if name in records]
    least = float(compared["minimum_detectable"].median())
    chart = IntervalChart(
        [
            Interval(
                r["model"], r["difference"], r["low"], r["high"], r["model"] == contents.reference
            )
            for r in ordered
        ],
        short_number,
        f"difference in {label}",
        zero=0.0,
        band=None if least != least else (-least, least),
    )
    rows = [
        (
            r["model"],
            interval_text(r["difference"], r["low"], r["high"]),
            format_p_value(r["p"]),
            format_p_value(r["p_holm"]),
            format_number(r["minimum_detectable"]),
            f"{r['n_users']:,}",
        )
        for r in ordered
    ]
    headers = ["model", "difference", "p", "p, corrected", "detectable", "customers"]
    better = "right" if comparison.maximise else "left"
    block = DataBlock(
        figures=[Figure(f"Difference in {label} to {comparison.baseline}", chart)],
        table=PageTable.of_texts(headers, rows),
        notes=[
            f"Paired by customer against {comparison.baseline}, the baseline that the validation window "
            f"chooses; {better} of the line is better. A difference within the shaded band would be missed "
            "in more than one of five repetitions. p is corrected by Holm's method for all models.",
            *power_notes(comparison),
        ],
    )
    return Chapter("Differences", [block])


def _values(contents: ReviewContents) -> DataBlock:
    comparison = contents.comparison
    label = metric_label(comparison.objective)
    chart = IntervalChart(
        [
            Interval(
                r["model"],
                r[comparison.objective],
                r["low"],
                r["high"],
                r["model"] == contents.reference,
            )
            for r in comparison.table.to_dict("records")
        ],
        short_number,
        label,
    )
    return DataBlock(figures=[Figure(f"{label} on the test window, with 95 % bounds", chart)])


def _why_none(contents: ReviewContents) -> str:
    if contents.comparison.baseline is None:
        return "No baseline took part, so there is no difference to one."
    return "The objective is one number of all lists, so customers cannot be paired."
