"""The best trial of a study: by the first objective, within limits, or the model's own settings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from growthlab.core.errors import ConfigError
from growthlab.search.model_search import ModelSearch
from growthlab.search.trial import FinishedTrial, TrialResult

DEFAULT = {"model.neighbours": 100}


def trial(number: int, neighbours: int | None, value: float, n_deciding: int | None) -> Any:
    overrides = {} if neighbours is None else {"model.neighbours": neighbours}
    costs = {"fit_seconds": float(number)}
    result = TrialResult("complete", (value,), costs=costs, n_deciding=n_deciding)
    return FinishedTrial(number, overrides, result, 0.0, 1.0)


def search(trials: list[FinishedTrial], **settings: Any) -> ModelSearch:
    study: Any = SimpleNamespace(
        finished=lambda: trials, maximise=[True], space=SimpleNamespace(default=DEFAULT), name="s"
    )
    evaluation: Any = SimpleNamespace(task=SimpleNamespace(min_deciding=30))
    nothing: Any = None
    return ModelSearch(study, evaluation, nothing, nothing, nothing, nothing, **settings)


def test_the_best_trial_is_chosen_where_enough_decide() -> None:
    of_two = search([trial(0, 100, 0.2, 30), trial(1, 7, 0.4, 30), trial(2, 9, 0.4, 30)])
    best = of_two.best()
    assert best is not None
    assert best.number == 1  # the earlier of equals
    assert of_two.why_by_default(best) == ""


@pytest.mark.parametrize("own", [None, 100])  # outside the space no setting is overridden
def test_where_few_decide_the_models_own_settings_are_chosen(own: int | None) -> None:
    of_two = search([trial(0, 7, 0.4, 29), trial(3, own, 0.2, 29)])
    best = of_two.best()
    assert best is not None
    assert best.number == 3
    why = "29 customers decide on the validation window, fewer than 30"
    assert of_two.why_by_default(best) == f"chosen by default: {why}"


def test_a_search_for_low_cost_and_one_of_an_earlier_version_choose() -> None:
    best = search([trial(0, 100, 0.2, None), trial(1, 7, 0.4, None)]).best()
    assert best is not None
    assert best.number == 1


def test_a_limit_that_no_trial_keeps_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"limits\.fit_seconds=0\.5: no trial is within it"):
        search([trial(1, 7, 0.4, 30)], limits={"fit_seconds": 0.5}).best()
