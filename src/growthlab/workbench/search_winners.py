"""Every model searched with the same budget: the winners as contenders, and what each search used."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from growthlab.core.errors import GrowthlabError
from growthlab.search.model_search import run_searches
from growthlab.search.override_words import override_words
from growthlab.search.search_results import SearchResults
from growthlab.search.setting_importance import setting_importance
from growthlab.search.trial import FinishedTrial
from growthlab.tasks.entry import Contender
from growthlab.workbench.searches import PlannedSearch

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)

BEST_VALUE = "best valid"  # the column of the table


def search_winners(searches: Sequence[PlannedSearch]) -> tuple[list[Contender], SearchResults]:
    """Run the searches; returns the winners, and what was found.

    A model without a successful trial takes part with its own settings; one whose trials all exceed
    the limits is left out.
    """
    winners = {}
    for place, best, error in run_searches([planned.search for planned in searches]):
        winners[place] = _winner(searches[place], best, error)
    contenders, rows = [], []
    for place, planned in enumerate(searches):
        contender, row = winners[place]
        if contender is not None:
            contenders.append(contender)
        rows.append({"model": planned.model, **row})
    courses = {planned.model: _course(planned) for planned in searches}
    importance = {
        planned.model: setting_importance(planned.search.study.optuna, _first_value)
        for planned in searches
    }
    return contenders, SearchResults(pd.DataFrame(rows), courses, importance)


def _first_value(trial: FrozenTrial) -> float:
    """The value of the first objective of a complete trial."""
    return float(trial.values[0])


def _course(planned: PlannedSearch) -> list[float]:
    """The first objective of each trial."""
    results = [trial.result for trial in planned.search.study.finished()]
    return [r.values[0] if r.state == "complete" else math.nan for r in results]


def _winner(
    planned: PlannedSearch, best: FinishedTrial | None, error: GrowthlabError | None
) -> tuple[Contender | None, dict[str, Any]]:
    """The winner of a search (None if no trial is within the limits) and its table row."""
    search = planned.search
    if error is not None:
        log.error("%s: %s", planned.model, error)
        usage = search.usage()
        if usage["complete"]:
            return None, {**usage, BEST_VALUE: float("nan"), "remarks": f"left out: {error}"}
    if best is None:
        remarks = "no trial succeeded: its own settings"
        return search.contender({}), {
            **search.usage(),
            BEST_VALUE: float("nan"),
            "remarks": remarks,
        }
    planned.save_winner(best)
    borders = override_words(search.borders(best))
    for border in borders:
        log.warning("%s: %s is on the border of its range", planned.model, border)
    remarks = search.why_by_default(best)
    if borders and not remarks:
        remarks = f"on a border: {' '.join(borders)}"
    if not planned.has_space:
        remarks = "no search space: its own settings"
    row = {**search.usage(), BEST_VALUE: best.result.values[0], "remarks": remarks}
    return search.contender(best.overrides), row
