"""Comparison: the standings with their text, Markdown report and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from growthlab.evaluation.markdown_report import leaderboard_markdown
from growthlab.evaluation.standings import NOTHING_CHOSEN, Standings
from growthlab.evaluation.text_report import (
    leaderboard_text,
    model_result_lines,
    shown_columns,
    standing_notes,
)
from growthlab.evaluation.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Comparison", "model_result_lines"]


class Comparison(Standings):
    """The standings, and the forms in which they are shown."""

    def as_text(self) -> str:
        """The leaderboard in plain text, at most 120 columns wide."""
        return leaderboard_text(self)

    def as_markdown(self) -> str:
        """Leaderboard, differences, metrics, strata, origins, cost, leakage, how to read it."""
        return leaderboard_markdown(self)

    def __repr__(self) -> str:
        """The leaderboard, which is what somebody wants to see who types the name of a result."""
        return self.as_text()

    def _repr_html_(self) -> str:
        """Verdict, leaderboard and its plot, for a notebook."""
        from growthlab.pages.notebook_html import figure_html, lines_html, table_html

        verdict = Verdict(self).sentences() if self.chosen else [NOTHING_CHOSEN]
        return (
            lines_html([self.title, self.subtitle, " ".join(verdict)])
            + table_html(dict(shown_columns(self)), left=2)
            + lines_html(standing_notes(self))
            + figure_html(self.figures()["leaderboard"], "The models with their 95 % bounds")
        )

    def figures(self) -> dict[str, Figure]:
        """Plots of the comparison by file name (without extension)."""
        from growthlab.evaluation.figures import comparison_figures

        return comparison_figures(self)
