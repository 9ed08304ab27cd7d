"""growthlab tune: a persistent search of settings on the validation window, of one model or of many."""

from __future__ import annotations

import shlex
from contextlib import closing

import pandas as pd

from growthlab.cli.earlier import refuse_earlier_run
from growthlab.cli.setting import Setting
from growthlab.cli.tune_models import run_models
from growthlab.config import experiment_file
from growthlab.config.compose import Command
from growthlab.core.errors import ConfigError
from growthlab.pages.text_table import as_text
from growthlab.search.model_search import (
    ModelSearch,
    objectives_of,
    search_of,
    study_name,
    study_store,
    word_of,
)
from growthlab.search.run_search import run_search
from growthlab.search.search_loop import words_of
from growthlab.search.study import Finished

OF_THE_SEARCH = (
    *("budget", "prune", "objectives", "limits", "n_jobs", "study", "storage", "search"),
    *("metrics", "models", "seeds", "experiments"),
)
OF_THE_PLACE = ("tracking", "cache=", "device=")


def run(found: Command) -> int:
    """Search until the budget is used; what an earlier call of the same study found counts.

    The status is 1 if no trial succeeded, or a model of several could not be judged.
    """
    setting = Setting(found)
    check_search(setting)
    with closing(study_store(found.config)) as store:
        _ = store.storage
        if found.config.models is not None:
            return run_models(setting, store)
        search = search_of(setting, store, found.chosen["model"])
        setting.contender()
        if not search.space.ranges:
            model = found.name("model")
            print(f"{model} has no search space: its own settings are the only trial")
        search.arena.prepare()
        best = run_search(search)
        if best is None:
            return 1
        _conclude(search, best)
    return 0


def check_search(setting: Setting) -> None:
    """Make everything that needs no data, so that mistakes show before any work is done.

    Raises
    ------
    ConfigError
        A setting that cannot be.
    """
    config = setting.config
    refuse_earlier_run(config)
    setting.check()
    objectives_of(setting)
    limits = {f"limits.{name}": most for name, most in config.limits.items()}
    for key, value in {"budget.minutes": config.budget.minutes, **limits}.items():
        wrong = isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0
        if value is not None and wrong:
            raise ConfigError(f"{key} must be a positive number or null, got {value}")
    study_name(config.study, "any")


def _conclude(search: ModelSearch, best: Finished) -> None:
    """What was found, what it cost, and how to go on."""
    study, found = search.study, search.found
    _print_front(search)
    finished = study.finished()
    n_complete = sum(t.result.state == "complete" for t in finished)
    words = [f"{k}={word_of(v)}" for k, v in best.overrides.items()]
    settings = " ".join(words) or words_of({})
    objective = search.objectives.names[0]
    shown = f"valid {objective} {best.result.values[0]:.4f} with {settings}"
    print(f"best of {n_complete} trials (number {best.number}): {shown}")
    spent = search.used()
    minutes = f"{spent.pop('minutes'):g} minutes"
    counts = ", ".join(f"{n} {end}" for end, n in spent.items())
    print(f"trials: {counts}, in {minutes}; {study.ending}")
    for border in search.borders(best):
        print(f"warning: {border} lies on the border of its range: a wider one may hold a better")
    print(f"study {search.name}; look: {search.setting.store.how_to_look}")
    path = search.save_winner(best)
    if path is not None:
        print(f"saved {path}")
    if path is not None and experiment_file.is_found(path):
        place = [w for w in found.given if w.startswith(OF_THE_PLACE)]
        words = [f"experiment={search.name}", *place]
    else:
        kept = [w for w in found.given if not w.lstrip("+~").startswith(OF_THE_SEARCH)]
        words = [*kept, *words]
    print(f"next: growthlab train {shlex.join(words)}")


def _print_front(search: ModelSearch) -> None:
    """With several objectives: the trials that none is better than in all of them."""
    study = search.study
    if len(search.objectives.names) == 1:
        return
    rows = [
        {
            "trial": trial.number,
            **dict(zip(search.objectives.names, trial.result.values, strict=True)),
            "settings": words_of(trial.overrides),
        }
        for trial in sorted(study.pareto_front(), key=lambda t: t.result.values, reverse=True)
    ]
    print("Pareto front: no trial is better in all of " + ", ".join(search.objectives.names))
    print(as_text(pd.DataFrame(rows)))
