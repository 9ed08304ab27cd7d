"""What a planner learns from its own control and exploration: the effect of each offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from growthlab.campaign.holdout import CONTROL, EXPLORE
from growthlab.features.experiment_table import ExperimentTable
from growthlab.metrics.uplift.base import Truth
from growthlab.metrics.uplift.skill import Skill
from growthlab.models.uplift.base import expected_outcomes, parts_of
from growthlab.models.uplift.t_learner import TLearner
from growthlab.training.fit_options import FitOptions

NONE = "none"
OPTIONS = FitOptions(seed=0)


@dataclass
class Learner:
    """The randomised rows of all months so far, and what they say.

    A customer's effect is that of a T-learner with ridge regressions where its order is shown to be more than
    chance on customers whom it has not seen; otherwise the average effect of the offer.
    """

    rows: list[pd.DataFrame] = field(default_factory=list)
    shown: dict[str, bool] = field(default_factory=dict)

    def see(
        self, table: pd.DataFrame, plan: pd.DataFrame, earned: pd.Series, propensity: float
    ) -> None:
        """A month of customers who consent to a channel at least.

        `table` are their features, `earned` what each brought before contacts were paid, and `propensity` the
        probability of an offer among those who got this offer or nothing at random.
        """
        held = plan[plan["arm"].isin([CONTROL, EXPLORE]) & plan["customer"].isin(table.index)]
        self.rows.append(
            table.loc[held["customer"]].assign(
                arm=held["offer"].fillna(NONE).to_numpy(),
                earned=earned.loc[held["customer"]].to_numpy(),
                propensity=propensity,
            )
        )

    def effects(self, table: pd.DataFrame, offers: Sequence[str]) -> np.ndarray:
        """The effect of each offer on each customer, ``(n, n_offers)``; 0 before anything was seen."""
        effects = np.zeros((len(table), len(offers)))
        self.shown = dict.fromkeys(offers, False)
        if not self.rows:
            return effects
        seen = pd.concat(self.rows)
        for place, offer in enumerate(offers):
            experiment = self._experiment(seen[seen["arm"].isin([offer, NONE])], offer)
            expected = expected_outcomes(Ridge(alpha=100.0), experiment, OPTIONS)
            judged = Truth.of(np.column_stack([experiment.truth[:, :3], expected]))
            effects[:, place] = judged.robust_effect.mean()
            if self._has_skill(experiment, expected):
                self.shown[offer] = True
                fitted = TLearner(Ridge(alpha=100.0)).fit(experiment, OPTIONS)
                effects[:, place] = fitted.predict(
                    _examples(table, np.zeros(len(table)), np.full(len(table), 0.5))
                )
        return effects

    def _experiment(self, rows: pd.DataFrame, offer: str) -> ExperimentTable:
        treated = (rows["arm"] == offer).to_numpy(dtype=float)
        features = rows.drop(columns=["arm", "earned", "propensity"])
        table = _examples(features, treated, rows["propensity"].to_numpy())
        return ExperimentTable(**{**vars(table), "target": rows["earned"].to_numpy(dtype=float)})

    def _has_skill(self, experiment: ExperimentTable, expected: np.ndarray) -> bool:
        part = parts_of(experiment, OPTIONS)
        prediction = np.zeros(len(experiment))
        for each in np.unique(part):
            out = np.flatnonzero(part == each)
            kept = experiment.select(np.flatnonzero(part != each))
            fitted = TLearner(Ridge(alpha=100.0)).fit(kept, OPTIONS)
            prediction[out] = fitted.predict(experiment.select(out))
        truth = np.column_stack([experiment.truth[:, :3], expected])
        return bool(Skill()(truth, prediction))


def _examples(
    features: pd.DataFrame, treated: np.ndarray, propensity: np.ndarray
) -> ExperimentTable:
    n = len(features)
    return ExperimentTable(
        table=features.reset_index(drop=True),
        user_ids=features.index.to_numpy(dtype=str),
        snapshots=np.zeros(n, dtype="datetime64[us]"),
        horizon_days=28.0,
        target=np.zeros(n),
        treatment=treated,
        propensity=propensity,
    )
