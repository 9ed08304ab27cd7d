"""Effect per arm: one model of the effect for each arm, all against the same control."""

from __future__ import annotations

from copy import deepcopy
from typing import Self

import numpy as np

from growthlab.core.errors import ConfigError
from growthlab.features.arms_table import ArmsTable
from growthlab.features.examples import Examples
from growthlab.models.uplift.base import EffectModel, exported
from growthlab.models.uplift.everybody import average_effect
from growthlab.scorers.arms_row_scorer import ArmsRowScorer
from growthlab.training.fit_options import FitOptions


class EffectPerArm:
    """A copy of `effect` for each arm, which learns from the customers of the arm and of the control.

    Customers of another arm are never a control.
    """

    def __init__(self, effect: EffectModel) -> None:
        if not effect.predicts_effects:
            raise ConfigError(
                f"{type(effect).__name__} orders customers and predicts no effects, which arms are "
                "compared by"
            )
        self.effect = effect

    @property
    def stochastic(self) -> bool:
        """Whether another seed changes the models of the arms."""
        return self.effect.stochastic

    def fit(self, experiment: ArmsTable, options: FitOptions) -> Self:
        """See `ArmModel.fit`."""
        compared = {arm: experiment.against_control(arm) for arm in experiment.arms}
        self.models_ = {arm: deepcopy(self.effect).fit(e, options) for arm, e in compared.items()}
        given = experiment.assignment
        self.control_, self.worth_ = given.control, experiment.worth
        self.cost_ = np.array([given.cost.get(arm, 0.0) for arm in compared])
        self.average_ = np.array([average_effect(e) for e in compared.values()])
        return self

    def effects(self, customers: Examples) -> np.ndarray:
        """See `ArmModel.effects`."""
        return np.column_stack([model.predict(customers) for model in self.models_.values()])

    def scorer(self) -> ArmsRowScorer:
        """See `ArmModel.scorer`."""
        return ArmsRowScorer(
            parts=tuple(exported(model) for model in self.models_.values()),
            arms=tuple(self.models_),
            control=self.control_,
            cost=self.cost_,
            average=self.average_,
            worth=self.worth_,
        )
