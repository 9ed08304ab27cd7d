"""growthlab tune: a persistent search of settings on the validation window, of one model or of many."""

from __future__ import annotations

import shlex
from contextlib import closing
from pathlib import Path

import pandas as pd

from growthlab.cli.compare import compare
from growthlab.config import experiment_file
from growthlab.config.compose import Command
from growthlab.core.errors import ConfigError
from growthlab.pages.text_table import table_text
from growthlab.search.model_search import ModelSearch
from growthlab.search.search_loop import words_of
from growthlab.search.trial import Finished
from growthlab.workbench.logged_config import KEYS_OF_A_SEARCH
from growthlab.workbench.search_winners import search_winners
from growthlab.workbench.searches import (
    PlannedSearch,
    as_word,
    check_search,
    planned_searches,
    study_store,
)
from growthlab.workbench.set_up import parts_of, with_data
from growthlab.workbench.workbench import Workbench

NOT_OF_TRAIN = (*KEYS_OF_A_SEARCH, "metrics", "models", "seeds", "experiments")
WORDS_OF_THE_MACHINE = ("tracking", "cache=", "device=")


def run(command: Command) -> int:
    """Search until the budget is used; the trials of an earlier call of the same study count.

    The status is 1 if no trial succeeded, or a model of several could not be evaluated.
    """
    parts = parts_of(command)
    check_search(parts)
    with closing(study_store(command.config)) as store:
        _ = store.storage  # a storage that cannot be opened shows before any data is read
        bench = with_data(parts)
        searches = planned_searches(bench, store)
        if command.config.models is not None:
            return _tune_models(bench, searches)
        return _tune_model(bench, searches[0])


def _tune_model(bench: Workbench, planned: PlannedSearch) -> int:
    """Search one model, and say how to train the winner."""
    if not planned.searches:
        print(f"{planned.model} has no search space: its own settings are the only trial")
    planned.search.evaluation.prepare()
    best = planned.search.run()
    if best is None:
        return 1
    _print_result(bench, planned.search, best)
    path = planned.save_winner(best)
    if path is not None:
        print(f"saved {path}")
    print(f"next: growthlab train {shlex.join(_train_words(planned, best, path is not None))}")
    return 0


def _tune_models(bench: Workbench, searches: list[PlannedSearch]) -> int:
    """Search every model within the same caps, then refit and compare the winners."""
    if any(w.lstrip("+~").startswith("search") for w in bench.command.words):
        raise ConfigError("search is of one model: with models each has its own space")
    searches[0].search.evaluation.prepare()
    contenders, table = search_winners(searches)
    print(table_text(table))
    if not contenders:
        raise ConfigError("no model is left to be compared: see the remarks above")
    return compare(bench, contenders, {"search.csv": table.to_csv(index=False)})


def _print_result(bench: Workbench, search: ModelSearch, best: Finished) -> None:
    """What was found, what it cost, and where to look."""
    study, objective = search.study, search.objectives.names[0]
    _print_pareto_front(search)
    n_complete = sum(t.result.state == "complete" for t in study.finished())
    settings = " ".join(_settings_words(best)) or words_of({})
    value = f"valid {objective} {best.result.values[0]:.4f} with {settings}"
    print(f"best of {n_complete} trials (number {best.number}): {value}")
    usage = search.usage()
    minutes = f"{usage.pop('minutes'):g} minutes"
    counts = ", ".join(f"{n} {end}" for end, n in usage.items())
    print(f"trials: {counts}, in {minutes}; {study.ending}")
    for key, setting in search.borders(best).items():
        border = f"{key}={as_word(setting)}"
        print(f"warning: {border} lies on the border of its range: a wider one may hold a better")
    print(f"study {search.name}; look: {bench.store.how_to_look}")


def _train_words(planned: PlannedSearch, best: Finished, is_saved: bool) -> list[str]:
    """The words after ``growthlab train`` that train the winner."""
    folder, name = planned.command.config.experiments, planned.search.name
    if is_saved and experiment_file.can_be_composed(Path(str(folder)) / f"{name}.yaml"):
        machine = [w for w in planned.command.words if w.startswith(WORDS_OF_THE_MACHINE)]
        return [f"experiment={name}", *machine]
    kept = [w for w in planned.command.words if not w.lstrip("+~").startswith(NOT_OF_TRAIN)]
    return [*kept, *_settings_words(best)]


def _settings_words(best: Finished) -> list[str]:
    return [f"{key}={as_word(value)}" for key, value in best.overrides.items()]


def _print_pareto_front(search: ModelSearch) -> None:
    """With several objectives: the trials than which none is better in all of them."""
    names = search.objectives.names
    if len(names) == 1:
        return
    rows = [
        {
            "trial": trial.number,
            **dict(zip(names, trial.result.values, strict=True)),
            "settings": words_of(trial.overrides),
        }
        for trial in sorted(
            search.study.pareto_front(), key=lambda t: t.result.values, reverse=True
        )
    ]
    print("Pareto front: no trial is better in all of " + ", ".join(names))
    print(table_text(pd.DataFrame(rows)))
