"""The result of a search as text for a terminal."""

from __future__ import annotations

import pandas as pd

from growthlab.pages.text_table import table_text
from growthlab.search.model_search import ModelSearch
from growthlab.search.override_words import override_words, settings_text
from growthlab.search.trial import FinishedTrial


def search_summary(search: ModelSearch, best: FinishedTrial) -> str:
    """The best trial, what the search used of its budget, and warnings; one line each.

    With several objectives the Pareto front comes first.
    """
    study, objective = search.study, search.objectives.names[0]
    n_complete = sum(t.result.state == "complete" for t in study.finished())
    settings = " ".join(override_words(best.overrides)) or settings_text({})
    value = f"valid {objective} {best.result.values[0]:.4f} with {settings}"
    usage = search.usage()
    minutes = f"{usage.pop('minutes'):g} minutes"
    counts = ", ".join(f"{n} {state}" for state, n in usage.items())
    by_default = search.why_by_default(best)
    how = f"{by_default}; of" if by_default else "best of"
    lines = [
        *_pareto_front(search),
        f"{how} {n_complete} trials (number {best.number}): {value}",
        f"trials: {counts}, in {minutes}; {study.stop_reason}",
    ]
    lines += [
        f"warning: {border} is on the border of its range: a wider range may hold a better value"
        for border in override_words(search.borders(best))
    ]
    return "\n".join(lines)


def _pareto_front(search: ModelSearch) -> list[str]:
    """The Pareto front as a table; empty for a single objective."""
    names = search.objectives.names
    if len(names) == 1:
        return []
    front = sorted(search.study.pareto_front(), key=lambda t: t.result.values, reverse=True)
    rows = [
        {
            "trial": trial.number,
            **dict(zip(names, trial.result.values, strict=True)),
            "settings": settings_text(trial.overrides),
        }
        for trial in front
    ]
    title = "Pareto front: no trial is better in all of " + ", ".join(names)
    return [title, table_text(pd.DataFrame(rows))]
