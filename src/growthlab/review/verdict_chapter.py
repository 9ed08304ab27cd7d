"""Who won, by how much, how certain that is, whether it is worth it, and what it was measured on."""

from __future__ import annotations

from growthlab.evaluation.text_report import (
    bounds_text,
    how_chosen,
    marked_model_names,
    objective_intervals,
)
from growthlab.evaluation.verdict import Verdict
from growthlab.pages.page import AlertBlock, AlertLevel, BadgeBlock, Chapter, DataBlock, PageTable
from growthlab.pages.text_table import format_p_value, metric_label
from growthlab.review.number_texts import change_text
from growthlab.review.review_contents import ReviewContents


def verdict_chapter(contents: ReviewContents) -> Chapter:
    """The verdict, the badges, and the leaderboard."""
    comparison = contents.comparison
    verdict = Verdict(comparison)
    alert = AlertBlock([(_level(verdict), " ".join(verdict.sentences()))])
    table = comparison.table
    columns = {
        "model": marked_model_names(comparison),
        metric_label(comparison.objective): objective_intervals(comparison),
        f"difference to {comparison.baseline}": [
            change_text(row) for row in table.to_dict("records")
        ],
        "p, corrected": [format_p_value(p) for p in table["p_holm"]],
        "customers": [f"{n:,}" for n in table["n_users"]],
    }
    if comparison.baseline is None:
        columns = {n: c for n, c in columns.items() if "difference" not in n and "p," not in n}
    rows = PageTable.of_texts(list(columns), zip(*columns.values(), strict=True))
    note = f"{how_chosen(comparison)}; b baseline; brackets: {bounds_text(comparison)}"
    leaderboard = DataBlock(title="Leaderboard on the test window", table=rows, footer=note)
    return Chapter("Verdict", [alert, BadgeBlock(contents.badges), leaderboard])


def _level(verdict: Verdict) -> AlertLevel:
    if verdict.beats is None:
        return "watch"
    return "fine" if verdict.is_better else "watch"
