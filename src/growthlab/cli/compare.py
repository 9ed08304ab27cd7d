"""growthlab compare: every model of a task in one even comparison."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from growthlab.config.compose import Command
from growthlab.core.errors import one_line
from growthlab.pages.csv_table import csv_of_table
from growthlab.review.review_page import review_html
from growthlab.search.search_results import SearchResults
from growthlab.tasks.entry import Contender
from growthlab.tracking.log_leaderboard import log_leaderboard
from growthlab.tracking.run_links import look_lines
from growthlab.tracking.saved_views import COMPARISONS
from growthlab.workbench.earlier_runs import refuse_run_of_one_model
from growthlab.workbench.evaluate_models import (
    comparison_of,
    evaluate_models,
    first_failure,
    recorder_for,
)
from growthlab.workbench.review_inputs import review_contents, save_page
from growthlab.workbench.set_up import build_parts, load_workbench
from growthlab.workbench.workbench import Workbench

log = logging.getLogger(__name__)


def run(command: Command) -> int:
    """Run the comparison, print the leaderboard and log it on the parent run.

    The status is 1 if a model failed, 2 if none succeeded because of a mistake in the input.
    """
    refuse_run_of_one_model(command.config)
    parts = build_parts(command)
    names = [contender.name for contender in parts.contenders]
    log.info("%d models: %s", len(names), ", ".join(names))
    return compare(load_workbench(parts, command.config.origins), parts.contenders)


def compare(
    bench: Workbench, contenders: Sequence[Contender], search: SearchResults | None = None
) -> int:
    """Compare the contenders, see `run`; `search` is what the search of their settings found."""
    with recorder_for(bench, contenders, parent=True) as recorder:
        results = evaluate_models(bench, contenders, recorder)
        if search is not None:
            table = csv_of_table(search.table)
            bench.store.client.log_text(recorder.run_id, table, "search.csv")
        failure = first_failure(results)
        if failure is not None:
            label, error = failure
            log.error("no model succeeded; the first error: %s: %s", label, one_line(error))
        else:
            comparison = comparison_of(bench, results, recorder.bundle_mb)
            try:
                where = log_leaderboard(recorder, comparison)
            finally:  # the result is shown even if the store failed, and kept even if no one reads it
                print(comparison.as_text())
            page = review_html(review_contents(bench, contenders, comparison, recorder, search))
            bench.store.client.log_text(recorder.run_id, page, "comparison.html")
            lineage, output = bench.lineage, str(bench.config.output)
            path = save_page(page, output, lineage.data, f"comparison-{lineage.task}")
            look = look_lines(bench.store, lineage.experiment, recorder.run_id, COMPARISONS)
            print("\n".join([where, f"page: {path}", *look]))
    return 1 if results.errors else 0
