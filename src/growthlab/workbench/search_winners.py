"""Every model searched within the same caps: the winners as contenders, and what each search used."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pandas as pd

from growthlab.core.errors import GrowthlabError
from growthlab.tasks.entry import Contender
from growthlab.workbench.searches import PlannedSearch, as_word

log = logging.getLogger(__name__)

BEST = "best valid"


def search_winners(searches: Sequence[PlannedSearch]) -> tuple[list[Contender], pd.DataFrame]:
    """Run each search; the winners, and a table with a row a model.

    A model without a trial that succeeded takes part with its own settings; one whose trials all
    exceed the limits is left out.
    """
    contenders, rows = [], []
    for planned in searches:
        contender, row = _winner(planned)
        if contender is not None:
            contenders.append(contender)
        rows.append({"model": planned.model, **row})
    return contenders, pd.DataFrame(rows)


def _winner(planned: PlannedSearch) -> tuple[Contender | None, dict[str, Any]]:
    """The winner of a search and its row of the table; None if no trial is within the limits."""
    search = planned.search
    try:
        best = search.run()
    except GrowthlabError as error:
        log.error("%s: %s", planned.model, error)
        best, usage = None, search.usage()
        if usage["complete"]:
            return None, {**usage, BEST: float("nan"), "remarks": f"left out: {error}"}
    if best is None:
        remarks = "no trial succeeded: its own settings"
        return search.contender({}), {**search.usage(), BEST: float("nan"), "remarks": remarks}
    planned.save_winner(best)
    borders = [f"{key}={as_word(value)}" for key, value in search.borders(best).items()]
    for border in borders:
        log.warning("%s: %s lies on the border of its range", planned.model, border)
    remarks = f"on a border: {' '.join(borders)}" if borders else ""
    if not planned.searches:
        remarks = "no search space: its own settings"
    row = {**search.usage(), BEST: best.result.values[0], "remarks": remarks}
    return search.contender(best.overrides), row
