"""Importance of settings: only of those that every trial used, and only with enough trials."""

from __future__ import annotations

import optuna
import pytest

from growthlab.search.search_report import search_figures
from growthlab.search.setting_importance import MIN_TRIALS, setting_importance

optuna.logging.disable_default_handler()


def searched(n: int, *, constant: bool = False, n_objectives: int = 1) -> optuna.Study:
    """A search in which the width decides, the rate hardly, and one kind alone reads a shape."""
    directions = ["maximize"] * n_objectives
    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=1), directions=directions
    )

    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        width = trial.suggest_int("width", 1, 100)
        rate = trial.suggest_float("rate", 0.0, 1.0)
        trial.suggest_int("one_value", 3, 3)
        if trial.suggest_categorical("kind", ["plain", "tversky"]) == "tversky":
            trial.suggest_float("shape", 0.0, 1.0)
        value = 0.0 if constant else width + 5 * rate
        return (value, rate)[:n_objectives]

    study.optimize(objective, n_trials=n)
    return study


def test_the_setting_that_decides_comes_first_and_shares_sum_to_one() -> None:
    shares = setting_importance(searched(40))
    assert next(iter(shares)) == "width"
    assert shares["width"] > 0.8
    assert set(shares) == {"width", "rate", "kind"}  # neither what one kind reads nor one value
    assert sum(shares.values()) == pytest.approx(1)
    assert setting_importance(searched(40)) == shares


def test_a_stored_value_that_the_trial_did_not_read_counts_for_nothing() -> None:
    study = optuna.create_study(direction="maximize")
    widths = optuna.distributions.IntDistribution(1, 100)
    kinds = optuna.distributions.CategoricalDistribution(["plain", "tversky"])
    for number in range(40):
        kind, params = ("plain", "tversky")[number % 2], {"width": 1 + number, "shape": 2 + number}
        read = {"width", "kind"} | ({"shape"} if kind == "tversky" else set())
        trial = optuna.create_trial(
            params={**params, "kind": kind},
            distributions={"width": widths, "shape": widths, "kind": kinds},
            user_attrs={
                "overrides": {k: v for k, v in params.items() if k in read} | {"kind": kind}
            },
            value=float(number),
        )
        study.add_trial(trial)
    assert set(setting_importance(study)) == {"width", "kind"}


def test_each_objective_has_its_own() -> None:
    study = searched(40, n_objectives=2)
    shares = setting_importance(study, lambda trial: trial.values[1])
    assert next(iter(shares)) == "rate"
    assert {"importance_a", "importance_b"} < set(search_figures(study, ["a", "b"]))


def test_too_few_trials_or_equal_values_say_nothing() -> None:
    assert setting_importance(searched(MIN_TRIALS - 1)) == {}
    assert setting_importance(searched(40, constant=True)) == {}
    assert setting_importance(optuna.create_study()) == {}
    assert "importance" not in search_figures(searched(MIN_TRIALS - 1), ["quality"])
