"""The contract of models of effects, and what learners share: outcome models, and cross-fitting."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from growthlab.core.errors import ExportError
from growthlab.core.library_estimators import SklearnClassifier, SklearnRegressor
from growthlab.core.seeding import random_stream
from growthlab.features.examples import Examples
from growthlab.features.experiment_table import ExperimentTable
from growthlab.models.base import Estimator, Exportable
from growthlab.models.table_estimator import is_stochastic, wrap_estimator
from growthlab.scorers.base import RowScorer
from growthlab.training.fit_options import FitOptions

OutcomeModel = Estimator | SklearnClassifier | SklearnRegressor
PARTS = 5  # of the customers, for predictions by models that have not seen them


@runtime_checkable
class EffectModel(Protocol):
    """Orders customers by what an action changes, learned from an experiment.

    `predicts_effects`: its numbers are effects in the unit of the outcome (`incremental_value`);
    otherwise they only order customers, by some heuristic.
    """

    predicts_effects: ClassVar[bool]

    @property
    def stochastic(self) -> bool:
        """Whether another seed gives another model."""
        ...

    def fit(self, experiment: ExperimentTable, options: FitOptions) -> Self:
        """Learn from the customers of the arm and of its control."""
        ...

    def predict(self, customers: Examples) -> np.ndarray:
        """One finite number a customer, ``(n,)``, the highest first."""
        ...


class ScoredEffects:
    """A model of effects whose fit leaves a `RowScorer` in ``scorer_``, which predicts and is exported."""

    predicts_effects: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    scorer_: RowScorer

    def predict(self, customers: Examples) -> np.ndarray:
        """See `EffectModel.predict`."""
        columns = self.scorer_.columns
        return self.scorer_.predict({c: customers.column(c).to_numpy() for c in columns})

    def scorer(self) -> RowScorer:
        """The fitted model as a bundle carries it."""
        return self.scorer_


class OrdersOnly:
    """A model whose numbers order customers and are no effects."""

    predicts_effects: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False

    def scorer(self) -> RowScorer:
        """ExportError: nothing that it could answer would be an effect."""
        raise ExportError(
            "its numbers order customers (expected_value_heuristic) and are no effects "
            "(incremental_value): export a learner, or the average effect with model=uplift/everybody"
        )


def fit_copy(model: OutcomeModel, examples: Examples, options: FitOptions) -> Estimator:
    """A copy of the model, fitted to the examples; settings of epochs concern a whole, not its parts."""
    plain = replace(options, on_epoch=None, epochs=None, checkpoint=None, warm=None)
    return wrap_estimator(deepcopy(model)).fit(examples, plain)


def depends_on_seed(*models: OutcomeModel) -> bool:
    """Whether another seed changes one of the models."""
    return any(map(is_stochastic, models))


def exported(model: Estimator | EffectModel) -> RowScorer:
    """The scorer of a fitted part; ExportError where it has none."""
    if not isinstance(model, Exportable):
        raise ExportError(f"{type(model).__name__}, a part of the model, is not exportable")
    scorer: RowScorer = model.scorer()
    return scorer


def parts_of(experiment: ExperimentTable, options: FitOptions) -> np.ndarray:
    """The part of each customer for cross-fitting, ``(n,)`` from 0, with equal shares of both arms."""
    part = np.empty(len(experiment), dtype=np.int64)
    for treated in (0.0, 1.0):
        rows = np.flatnonzero(experiment.treatment == treated)
        random = random_stream(options.seed, "cross-fit", int(treated), len(rows))
        part[rows] = random.permutation(len(rows)) % PARTS
    return part


def expected_outcomes(
    model: OutcomeModel, experiment: ExperimentTable, options: FitOptions
) -> np.ndarray:
    """The expected outcome of each customer without and with the arm, ``(n, 2)``, cross-fitted.

    No customer is predicted by a model that has seen its outcome.
    """
    expected = np.empty((len(experiment), 2))
    part = parts_of(experiment, options)
    for each in range(PARTS):
        left_out, kept = np.flatnonzero(part == each), np.flatnonzero(part != each)
        learned, customers = experiment.select(kept), experiment.select(left_out)
        for arm in (0, 1):
            fitted = fit_copy(model, learned.arm(bool(arm)), options)
            expected[left_out, arm] = fitted.predict(customers)
    return expected


class EffectRegression:
    """The base of learners that end in a regression of something whose mean is the effect.

    `outcome` predicts the outcome of either arm, cross-fitted; `effect` is the regressor of the last
    step, which alone is exported.
    """

    predicts_effects: ClassVar[bool] = True

    def __init__(self, outcome: OutcomeModel, effect: SklearnRegressor) -> None:
        self.outcome = outcome
        self.effect = effect

    @property
    def stochastic(self) -> bool:
        """Another seed deals the customers into other parts."""
        return True

    def predict(self, customers: Examples) -> np.ndarray:
        """See `EffectModel.predict`."""
        return self.effect_.predict(customers)

    def scorer(self) -> RowScorer:
        """The last step as a bundle carries it."""
        return exported(self.effect_)

    effect_: Estimator
