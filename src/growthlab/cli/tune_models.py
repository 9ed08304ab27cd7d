"""growthlab tune models=...: each model searched within the same caps, the winners judged together."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd

from growthlab.cli.compare import compared, compositions_of
from growthlab.cli.setting import Setting
from growthlab.config.compose import Command
from growthlab.core.errors import ConfigError, GrowthlabError
from growthlab.pages.text_table import as_text
from growthlab.search.model_search import ModelSearch, search_of
from growthlab.search.run_search import run_search
from growthlab.search.study_store import StudyStore
from growthlab.tasks.fold_evaluation import FoldEvaluation
from growthlab.tasks.run_comparison import Contender

log = logging.getLogger(__name__)


def run_models(setting: Setting, store: StudyStore) -> int:
    """Search every named model, then refit and judge the winners as compare does.

    A model without a search space has one trial, of its own settings; one without a trial that
    succeeded is judged with them too.
    """
    found = setting.found
    if any(w.lstrip("+~").startswith("search") for w in found.given):
        raise ConfigError("search is of one model: with models each has its own space")
    compositions = compositions_of(setting, found, found.config.models)
    arena = FoldEvaluation(setting.task, setting.folds[0], setting.metrics)
    plan: list[tuple[Command, Contender, ModelSearch]] = []
    for composition in compositions:
        search = search_of(setting, store, composition.chosen["model"], arena)
        _ = search.study  # one that was begun otherwise is refused before any work
        plan.append((composition, setting.contender(composition), search))
    arena.prepare()
    contenders, rows = [], []
    for composition, contender, search in plan:
        tuned, row = _tuned(search, contender)
        if tuned is not None:
            contenders.append(tuned)
        rows.append({"model": composition.name("model"), **row})
    table = pd.DataFrame(rows)
    print(as_text(table))
    if not contenders:
        raise ConfigError("no model is left to be judged: see the remarks above")
    return compared(setting, contenders, {"search.csv": table.to_csv(index=False)})


def _tuned(search: ModelSearch, contender: Contender) -> tuple[Contender | None, dict[str, Any]]:
    """The winner of a search, and what it used; the contender as it is without one.

    None where no trial is within the limits.
    """
    column = "best valid"
    try:
        best = run_search(search)
    except GrowthlabError as error:
        log.error("%s: %s", contender.name, error)
        best, spent = None, search.used()
        if spent["complete"]:
            return None, {**spent, column: float("nan"), "remarks": f"left out: {error}"}
    if best is None:
        remarks = "no trial succeeded: its own settings"
        return contender, {**search.used(), column: float("nan"), "remarks": remarks}
    search.save_winner(best)
    borders = search.borders(best)
    for border in borders:
        log.warning("%s: %s lies on the border of its range", contender.name, border)
    remarks = f"on a border: {' '.join(borders)}" if borders else ""
    if not search.space.ranges:
        remarks = "no search space: its own settings"
    row = {**search.used(), column: best.result.values[0], "remarks": remarks}
    return search.contender(best.overrides), row
