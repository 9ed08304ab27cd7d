"""growthlab review: runs that were logged before on one page, and the lists of another tool with them."""

from __future__ import annotations

from growthlab.config.compose import Command
from growthlab.evaluation.text_report import leaderboard_text
from growthlab.review.review_page import review_html
from growthlab.workbench.review_inputs import save_page
from growthlab.workbench.review_runs import review_of_runs


def run(command: Command) -> int:
    """Write the page, print the leaderboard; nothing is fitted, and nothing is logged."""
    bench, contents = review_of_runs(command)
    print(leaderboard_text(contents.comparison))
    page = review_html(contents)
    path = save_page(
        page, str(command.config.output), bench.lineage.data, f"review-{bench.lineage.task}"
    )
    print(f"page: {path}")
    return 0
