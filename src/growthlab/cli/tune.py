"""growthlab tune: a persistent search of settings on the validation window, of one model or of many."""

from __future__ import annotations

import shlex
from contextlib import closing

from growthlab.cli.compare import compare
from growthlab.config.compose import Command
from growthlab.core.errors import ConfigError
from growthlab.pages.text_table import table_text
from growthlab.search.search_summary import search_summary
from growthlab.tracking.run_links import look_lines
from growthlab.tracking.saved_views import TRIALS
from growthlab.workbench.search_winners import search_winners
from growthlab.workbench.searches import (
    PlannedSearch,
    check_search,
    planned_searches,
    study_store,
)
from growthlab.workbench.set_up import build_parts, load_workbench
from growthlab.workbench.workbench import Workbench


def run(command: Command) -> int:
    """Search until the budget is used up; trials of earlier calls of the same study count.

    The status is 1 if no trial succeeded, or one of several models could not be evaluated.
    """
    parts = build_parts(command)
    check_search(parts)
    with closing(study_store(command.config)) as store:
        _ = store.storage  # a storage that cannot be opened shows before any data is read
        bench = load_workbench(parts)
        searches = planned_searches(bench, store)
        if command.config.models is not None:
            return _tune_models(bench, searches)
        return _tune_model(bench, searches[0])


def _tune_model(bench: Workbench, planned: PlannedSearch) -> int:
    """Search one model, and print how to train the winner."""
    if not planned.has_space:
        print(f"{planned.model} has no search space: its own settings are the only trial")
    planned.search.evaluation.prepare()
    best = planned.search.run()
    if best is None:
        return 1
    print(search_summary(planned.search, best))
    found = f"study {planned.search.name}"
    look = look_lines(bench.store, bench.lineage.searches, planned.search.run_id, TRIALS)
    print("\n".join([found, *look]))
    saved = planned.save_winner(best)
    if saved is not None:
        print(f"saved {saved}")
    print(f"next: growthlab train {shlex.join(planned.train_words(best, saved))}")
    return 0


def _tune_models(bench: Workbench, searches: list[PlannedSearch]) -> int:
    """Search every model with the same budget, then refit and compare the winners."""
    if any(w.lstrip("+~").startswith("search") for w in bench.command.words):
        raise ConfigError("search is of one model: with models each has its own space")
    searches[0].search.evaluation.prepare()
    contenders, found = search_winners(searches)
    print(table_text(found.table))
    if not contenders:
        raise ConfigError("no model is left to be compared: see the remarks above")
    return compare(bench, contenders, found)
