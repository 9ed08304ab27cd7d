"""Hurdle: one model predicts who spends, another how much they spend."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.library_estimators import SklearnClassifier, SklearnEstimator, SklearnRegressor
from growthlab.core.seeding import random_stream
from growthlab.features.examples import Examples
from growthlab.models.table_estimator import TableEstimator, gives_probabilities
from growthlab.models.value.mean import Mean
from growthlab.scorers.hurdle_row_scorer import HurdleRowScorer
from growthlab.training.fit_options import FitOptions

PARTS = 5  # of the customers, for out-of-sample residuals


class Hurdle:
    """P(spends) times E[amount | spends], the latter from a regression of the logarithm.

    `buys` is any scikit-learn classifier with probabilities, `spends` any regressor. The mean of an
    amount is more than exp of its logarithm's mean: the smearing factor is the mean of exp(residual)
    over customers who were left out of the fit (Duan, JASA 1983), in five parts by customer.
    Cragg, Econometrica 1971.
    """

    def __init__(self, buys: SklearnClassifier, spends: SklearnRegressor) -> None:
        if not gives_probabilities(buys):
            raise ConfigError(
                f"model.buys must give probabilities, and {type(buys).__name__} does not"
            )
        if gives_probabilities(spends) or not isinstance(spends, SklearnEstimator):
            raise ConfigError(f"model.spends must be a regressor, got {type(spends).__name__}")
        self.buys = buys
        self.spends = spends

    @property
    def stochastic(self) -> bool:
        """Whether another seed changes either part."""
        return TableEstimator(self.buys).stochastic or TableEstimator(self.spends).stochastic

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Learn from the labelled examples; DataError if there are none, or fewer than 10 spend."""
        amount = examples.labels("hurdle")
        spent = np.flatnonzero(amount > 0)
        if len(spent) < 2 * PARTS:
            raise DataError(
                f"hurdle needs at least {2 * PARTS} customers who spend in the horizon, got "
                f"{len(spent)}: lengthen split.horizon_days or use model=value/mean"
            )
        options = replace(
            options, on_epoch=None, epochs=None
        )  # they concern the pair, not one part
        bought = replace(examples, target=(amount > 0).astype(np.float64))
        logs = examples.select(spent)
        logs = replace(logs, target=np.log(amount[spent]))
        self.buys_ = TableEstimator(self.buys).fit(bought, options)
        self.spends_ = self._amounts(logs, options)
        self.smearing_ = self._smearing(logs, options)
        self.ceiling_ = float(np.log(amount.max()))
        return self

    def _amounts(self, logs: Examples, options: FitOptions) -> TableEstimator | Mean:
        """The model of the logarithms; their mean where all amounts are the same."""
        if np.ptp(logs.labels("hurdle")) == 0:
            return Mean().fit(logs, options)
        return TableEstimator(self.spends).fit(logs, options)

    def predict(self, examples: Examples) -> np.ndarray:
        """The expected value, shape ``(n,)``."""
        logs = np.minimum(self.spends_.predict(examples), self.ceiling_)
        return self.buys_.predict(examples) * self.smearing_ * np.exp(logs)

    def scorer(self) -> HurdleRowScorer:
        """Both parts as a bundle carries them; ExportError if one cannot be exported."""
        parts = self.buys_.scorer(), self.spends_.scorer()
        return HurdleRowScorer(*parts, self.smearing_, self.ceiling_)

    def _smearing(self, logs: Examples, options: FitOptions) -> float:
        """The mean of exp(log amount - prediction) over customers left out, part by part."""
        assert logs.target is not None
        users, place = np.unique(logs.user_ids, return_inverse=True)
        part = random_stream(options.seed, "smearing").permutation(len(users))[place] % PARTS
        residuals = np.zeros(len(logs))
        for each in range(PARTS):
            out, kept = np.flatnonzero(part == each), np.flatnonzero(part != each)
            if not len(out):
                continue
            model = self._amounts(logs.select(kept), options)
            residuals[out] = logs.target[out] - model.predict(logs.select(out))
        return float(np.exp(residuals).mean())
