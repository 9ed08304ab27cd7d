"""Judges the models of effects by the truth of a simulated campaign, and their tests where there is none.

    python experiments/07-known-effects/run.py

Every campaign is drawn by its own seed, a fifth of its customers are evaluated, and models have their default
settings. `false skill` is of campaigns whose mail changes nothing. In results.csv the seed is the campaign's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.core.errors import DataError
from growthlab.data.simulated_campaign import SimulatedCampaign
from growthlab.evaluation.bootstrap import evaluate_predictions
from growthlab.metrics.uplift.average_effect import AverageEffect
from growthlab.metrics.uplift.skill import Skill
from growthlab.models.uplift.base import EffectModel
from growthlab.split.customers import Customers
from growthlab.tasks.uplift import Uplift
from growthlab.tasks.uplift_data import UpliftData
from growthlab.tracking.code_version import code_version
from growthlab.training.fit_options import FitOptions

sys.path.append(str(Path(__file__).resolve().parents[1]))

from study import COLUMNS, Step, Study

CODE = code_version()
POPULATION = 2_000_000  # customers whose mean effect stands for that of the population
BUDGET = 0.3  # the share of the customers who are written to


class KnownEffects(Study):
    """Repeated campaigns: intervals, tests and effects against the truth."""

    def rows(self, step: Step, data: Path | None) -> pd.DataFrame:
        """The rows of a step, see the part of its name."""
        parts = {
            "coverage": self.coverage,
            "false_skill": self.false_skill,
            "near_truth": self.near_truth,
        }
        shared = {"task": "uplift", "data": "simulated_campaign", "split": "customers"}
        shared |= {"device": "cpu", "code_version": CODE}
        return pd.DataFrame(shared | row for row in parts[step.part](step)).reindex(columns=COLUMNS)

    def coverage(self, step: Step) -> Iterator[dict[str, Any]]:
        """The average effect of each campaign with its interval, and that of the population."""
        shared = {"protocol": f"coverage, {step.plan['customers']:,} customers"}
        population = self.campaign(0, POPULATION).truth().effects()[self.plan["arm"]]
        yield shared | {
            "model": "truth",
            "seed": 0,
            "metric": "average_effect",
            "value": population.mean(),
        }
        for seed, evaluated in self.campaigns(step):
            label = evaluated.evaluated.truth
            found = evaluate_predictions(label, np.zeros(len(label)), [AverageEffect()], seed=seed)
            yield shared | {
                "model": "everybody",
                "seed": seed,
                "metric": "average_effect",
                **found["average_effect"]._asdict(),
            }

    def false_skill(self, step: Step) -> Iterator[dict[str, Any]]:
        """Whether each model is said to have skill in campaigns that change nothing."""
        shared = {"protocol": f"no effect, {step.plan['customers']:,} customers"}
        for seed, data in self.campaigns(step, effect=0.0):
            for name, model, seconds in self.fitted(step, data, seed):
                skill = Skill()(data.evaluated.truth, model.predict(data.evaluated))
                row = {"model": name, "seed": seed, "metric": "skill", "value": skill}
                yield shared | row | {"fit_seconds": seconds}

    def near_truth(self, step: Step) -> Iterator[dict[str, Any]]:
        """How near the predictions come to the effects, and what the best of them would gain."""
        shared = {"protocol": f"effects, {step.row['name']} customers"}
        for seed in range(step.row["seeds"]):
            campaign = self.campaign(seed, int(step.settings))
            data = self.data_of(campaign)
            truth = campaign.truth()
            effects = pd.Series(truth.effects()[self.plan["arm"]].to_numpy(), truth.user_ids)
            own = effects.loc[data.evaluated.user_ids].to_numpy()
            for name, model, seconds in self.fitted(step, data, seed):
                predicted = model.predict(data.evaluated)
                values = _against_truth(own, predicted, model.predicts_effects)
                for metric, value in values.items():
                    row = {"model": name, "seed": seed, "metric": metric, "value": round(value, 6)}
                    yield shared | row | {"fit_seconds": seconds}
            print(f"{step.name}: seed {seed}", flush=True)

    def campaigns(self, step: Step, effect: float = 1.0) -> Iterator[tuple[int, UpliftData]]:
        """The campaigns of a block; one whose own checks refuse it is left out, as it would be."""
        first = int(step.settings)
        for seed in range(first, first + step.plan["campaigns"]):
            try:
                yield seed, self.data_of(self.campaign(seed, step.plan["customers"], effect))
            except DataError as error:
                print(f"{step.name}: seed {seed}: {error}", flush=True)

    def campaign(self, seed: int, customers: int, effect: float = 1.0) -> SimulatedCampaign:
        """A campaign of the plan's arms."""
        return SimulatedCampaign(
            seed=seed,
            customers=customers,
            effect=effect,
            probability=self.plan["probability"],
            cost={},
        )

    def data_of(self, campaign: SimulatedCampaign) -> UpliftData:
        """The campaign as the task hands it to models, a fifth of the customers to evaluate."""
        (fold,) = Customers(valid_share=0).table_folds(campaign.read())
        return Uplift(arm=self.plan["arm"]).table_data(fold)

    def fitted(
        self, step: Step, data: UpliftData, seed: int
    ) -> Iterator[tuple[str, EffectModel, float]]:
        """The models of a part with the seconds of their fit."""
        for name in step.plan["models"]:
            model = build(_node(name), EffectModel, "model")
            started = time.perf_counter()
            model.fit(data.train, FitOptions(seed=seed))
            yield name, model, round(time.perf_counter() - started, 3)


@cache
def _node(name: str) -> Mapping[str, Any]:
    """The config of a model."""
    node: Mapping[str, Any] = compose("train", ["task=uplift", f"model=uplift/{name}"]).config.model
    return node


def _against_truth(
    effects: np.ndarray, predicted: np.ndarray, predicts_effects: bool
) -> dict[str, float]:
    """Error and rank correlation, and the true gain of the budget as a share of the oracle's."""
    n = round(BUDGET * len(effects))
    gained = effects[np.argsort(-predicted, kind="stable")[:n]].sum()
    values = {"policy_share_of_oracle": float(gained / np.sort(effects)[-n:].sum())}
    if np.ptp(predicted) > 0:
        values["rank_correlation"] = float(spearmanr(effects, predicted).statistic)
    if predicts_effects:
        values["rmse"] = float(np.sqrt(np.mean((predicted - effects) ** 2)))
    return values


if __name__ == "__main__":
    KnownEffects(__file__).run()
