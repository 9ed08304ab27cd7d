"""S-learner: one model of the outcome that reads the arm as a feature."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Self

import numpy as np

from growthlab.core.errors import DataError
from growthlab.features.examples import Examples
from growthlab.features.experiment_table import ExperimentTable
from growthlab.models.base import Estimator
from growthlab.models.uplift.base import OutcomeModel, depends_on_seed, exported, fit_copy
from growthlab.scorers.contrast_row_scorer import ContrastRowScorer
from growthlab.training.fit_options import FitOptions

SWITCH = "given the arm"  # the feature


class SLearner:
    """m(x, 1) - m(x, 0); `outcome` is any model of the outcome, such as a classifier of visits.

    It shrinks effects towards none where they are small beside what the features say of the outcome.
    Künzel et al., PNAS 2019.
    """

    predicts_effects: ClassVar[bool] = True

    def __init__(self, outcome: OutcomeModel) -> None:
        self.outcome = outcome

    @property
    def stochastic(self) -> bool:
        """Whether another seed changes the model of the outcome."""
        return depends_on_seed(self.outcome)

    def fit(self, experiment: ExperimentTable, options: FitOptions) -> Self:
        """See `EffectModel.fit`; DataError for a feature with the name of the switch."""
        if SWITCH in experiment.table:
            raise DataError(
                f"a feature is called {SWITCH!r}, as is the arm here: give it another name"
            )
        learned = _with_arm(experiment.with_target(experiment.outcome), experiment.treatment)
        self.outcome_: Estimator = fit_copy(self.outcome, learned, options)
        return self

    def predict(self, customers: Examples) -> np.ndarray:
        """See `EffectModel.predict`."""
        n = len(customers)
        on, off = (self.outcome_.predict(_with_arm(customers, np.full(n, w))) for w in (1.0, 0.0))
        return on - off

    def scorer(self) -> ContrastRowScorer:
        """The fitted model as a bundle carries it; ExportError where its part cannot be exported."""
        return ContrastRowScorer(exported(self.outcome_), SWITCH)


def _with_arm(customers: Examples, treatment: np.ndarray) -> Examples:
    return replace(customers, table=customers.table.assign(**{SWITCH: treatment}))
