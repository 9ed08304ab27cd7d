"""growthlab compare: every model of a task in one even comparison."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from growthlab.config.compose import Command
from growthlab.core.errors import one_line
from growthlab.pages.csv_table import csv_of_table
from growthlab.search.search_results import SearchResults
from growthlab.tasks.entry import Contender
from growthlab.tracking.log_leaderboard import log_leaderboard
from growthlab.workbench.earlier_runs import refuse_run_of_one_model
from growthlab.workbench.evaluate_models import (
    comparison_of,
    evaluate_models,
    first_failure,
    recorder_for,
)
from growthlab.workbench.review_inputs import log_page
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
            lines = log_page(bench, contenders, comparison, recorder, search)
            print("\n".join([where, *lines]))
    return 1 if results.errors else 0
