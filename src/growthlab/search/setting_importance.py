"""How much each setting decided in a search, where there are enough trials to say."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from growthlab.search.stored_trial import overrides_of

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

MIN_TRIALS = 20  # complete ones
MIN_TRIALS_A_SETTING = 5
SEED = 0  # of the forest


def setting_importance(
    study: optuna.Study, value: Callable[[FrozenTrial], float] | None = None
) -> dict[str, float]:
    """The share of the spread of the trials' values that each setting explains, the largest first.

    They sum to 1. Only settings with several values that every complete trial used: one that a certain
    choice alone reads would be judged by the few trials with that choice. Empty with fewer than
    `MIN_TRIALS`, or `MIN_TRIALS_A_SETTING` for each setting, or where all values are equal.
    `value` is needed with several objectives. By functional analysis of variance over a forest: Hutter,
    Hoos and Leyton-Brown, An efficient approach for assessing hyperparameter importance, ICML 2014.
    """
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    tried = [trial for trial in complete if trial.params]
    settings = settings_of_all(tried)
    if len(tried) < max(MIN_TRIALS, MIN_TRIALS_A_SETTING * len(settings)) or not settings:
        return {}
    if len({value(t) if value else t.values[0] for t in tried}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # several objectives are experimental there
        shares = get_param_importances(
            study,
            evaluator=FanovaImportanceEvaluator(seed=SEED),
            params=settings,
            target=value,
        )
    return {str(name): float(share) for name, share in shares.items()}


def settings_of_all(trials: list[FrozenTrial]) -> list[str]:
    """The settings that every trial used and that differ between trials, by name."""
    if not trials:
        return []
    # a storage has a value of every setting for each trial, also of those that it did not read
    used = set.intersection(*(set(trial.params) & set(overrides_of(trial)) for trial in trials))
    return sorted(n for n in used if len({str(trial.params[n]) for trial in trials}) > 1)
