"""Causal forest: trees whose leaves differ in the effect, by EconML."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from growthlab.core.errors import ConfigError, ExportError
from growthlab.features.examples import Examples
from growthlab.features.experiment_table import ExperimentTable
from growthlab.models.optional_package import require_package
from growthlab.models.table_estimator import arrays_of, design_of
from growthlab.models.uplift.base import OutcomeModel, expected_outcomes
from growthlab.scorers.base import RowScorer
from growthlab.training.fit_options import FitOptions


class CausalForest:
    """``econml.grf.CausalForest`` on what is left of outcome and arm, as in the R-learner.

    Y - m(x) and W - e with m cross-fitted; a tree splits where the effect differs most, and learns
    its leaves from customers that did not choose the splits. `trees` is a multiple of 4. Athey,
    Tibshirani & Wager, Generalized Random Forests, Annals of Statistics 2019.
    """

    predicts_effects: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    package: ClassVar[str] = "econml"
    extra: ClassVar[str] = "uplift"

    def __init__(self, outcome: OutcomeModel, trees: int = 200, min_leaf: int = 20) -> None:
        if trees < 4 or trees % 4:
            raise ConfigError(f"model.trees must be a multiple of 4, got {trees}")
        if min_leaf < 1:
            raise ConfigError(f"model.min_leaf must be 1 or more, got {min_leaf}")
        self.outcome = outcome
        self.trees = trees
        self.min_leaf = min_leaf

    def fit(self, experiment: ExperimentTable, options: FitOptions) -> Self:
        """See `EffectModel.fit`; ConfigError where EconML is not installed."""
        require_package(self)
        from econml.grf import CausalForest as Forest

        e = experiment.propensity
        without, with_arm = expected_outcomes(self.outcome, experiment, options).T
        rest = experiment.outcome - (e * with_arm + (1 - e) * without)
        self.design_ = design_of(experiment.table)
        self.forest_: Any = Forest(
            n_estimators=self.trees,
            min_samples_leaf=self.min_leaf,
            fit_intercept=False,
            n_jobs=1,
            random_state=options.seed,
        )
        left = (experiment.treatment - e)[:, None]
        self.forest_.fit(self._matrix(experiment), left, rest)
        return self

    def predict(self, customers: Examples) -> np.ndarray:
        """See `EffectModel.predict`."""
        effects = self.forest_.predict(self._matrix(customers))
        return np.asarray(effects, dtype=np.float64).ravel()

    def scorer(self) -> RowScorer:
        """ExportError: the service does not know these trees."""
        raise ExportError("a causal forest is not exportable: it trains and compares")

    def _matrix(self, customers: Examples) -> np.ndarray:
        return np.asarray(
            self.design_.matrix(arrays_of(customers.table, self.design_.columns)), dtype=np.float64
        )
