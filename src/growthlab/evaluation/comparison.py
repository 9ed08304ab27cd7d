"""Comparison: the standings with their text, Markdown report and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from growthlab.evaluation.markdown_report import leaderboard_markdown
from growthlab.evaluation.standings import Standings
from growthlab.evaluation.text_report import leaderboard_text, model_result_lines

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

    def figures(self) -> dict[str, Figure]:
        """Plots of the comparison by file name (without extension)."""
        from growthlab.evaluation.figures import comparison_figures

        return comparison_figures(self)
