"""What messages cause, from bundles that learned it in experiments: an offer has the effect of its arm.

The value of a contact is ``tau * m + rho * delta_retention * LTV`` before its cost: `tau` is the effect
within the window of the experiment, `m` what a unit of it is worth, and the second part what a customer
who is kept brings after the window, so that nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from growthlab.bundle.answer_kinds import CHANCE, MONEY, SHOWN, AnswerKind
from growthlab.campaign.bundle_answers import ArmEffect, BundleAnswers, version_of
from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.offer_values import INCREMENTAL, OfferValues
from growthlab.core.errors import ConfigError, DataError, near_matches


@dataclass(frozen=True)
class LaterValue:
    """Effects on staying a customer, and how much of what a kept customer brings later is counted.

    Attributes
    ----------
    answers : effects by arm, on the chance to stay; none: nothing is added
    weight : `rho`, 0 to 1
    window_days : of the effects within which nothing is counted again; None: the horizon of the
        experiment that taught them
    """

    answers: BundleAnswers
    weight: float
    window_days: float | None

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ConfigError(f"retention_weight must be from 0 to 1, got {self.weight:g}")
        if self.window_days is not None and not self.window_days > 0:
            raise ConfigError(f"window_days must be above 0, got {self.window_days:g}")
        for arm, effect in self.answers.effects.items():
            if effect.bundle.manifest.answer.outcome != CHANCE:
                raise ConfigError(
                    f"retention: {effect.bundle.folder} says what {arm} changes in an amount, and not in the "
                    "chance to stay a customer"
                )
        if self.answers.bundles:
            other = next(iter(self.answers.bundles.values()))
            raise ConfigError(f"retention: {other.folder} holds no effect of an arm")


def effect_values(
    answers: BundleAnswers, tables: CampaignTables, features: pd.DataFrame, later: LaterValue
) -> OfferValues:
    """The `incremental_value` of each offer that has an arm; NaN for the others, which are not planned.

    Where it is not shown that the effects order customers better than chance, each gets the average one.

    Raises
    ------
    ConfigError, DataError
        No offer has an arm, an arm has no bundle, ``order_value`` is missing or too much, or what is
        retained cannot be valued.
    """
    customers = tables.customers["customer"].tolist()
    arms = _arms(tables.offers, answers)
    untreated = answers.buys(customers, features)
    notes: list[str] = []
    effects = {
        arm: _effect(answers.effects[arm], customers, features, notes)
        for arm in dict.fromkeys(arms.values())
    }
    kept = _kept(answers, later, sorted(effects), customers, features, notes)
    value = np.full((len(customers), len(tables.offers)), np.nan)
    buys = np.ones_like(value)
    for place, arm in arms.items():
        offer = tables.offers.iloc[place]
        outcome = answers.effects[arm].bundle.manifest.answer.outcome
        worth = _order_value(str(offer["offer"]), float(offer["order_value"]), arm, outcome)
        value[:, place] = effects[arm] * worth + kept.get(arm, 0.0)
        raised = effects[arm] if outcome == CHANCE else 0.0
        buys[:, place] = np.clip(untreated + raised, 0, 1)
    without = [str(name) for n, name in enumerate(tables.offers["offer"]) if n not in arms]
    if without:
        notes.append(
            f"no experiment says what these offers change, and they are not planned: {', '.join(without)}"
        )
    models = "; ".join(filter(None, (answers.versions, later.answers.versions)))
    everywhere, by_all = (np.tile(each, (1, len(tables.channels))) for each in (value, buys))
    return OfferValues(INCREMENTAL, everywhere, by_all, models, notes=tuple(notes))


def _arms(offers: pd.DataFrame, answers: BundleAnswers) -> dict[int, str]:
    """The arm of each offer that has one, by the offer's place."""
    arms = {place: str(arm) for place, arm in enumerate(offers["arm"]) if arm}
    if not arms:
        raise DataError(
            "offers: no offer has an arm, so the effects in bundles belong to none: name the arm of the "
            f"experiment in the column arm, of {', '.join(answers.effects)}"
        )
    for place, arm in arms.items():
        if arm not in answers.effects:
            raise DataError(
                f"offers: offer {offers['offer'].iloc[place]} has the arm {arm}, of which no bundle says "
                f"what it changes: {near_matches(arm, answers.effects)}"
            )
    return arms


def _effect(
    effect: ArmEffect, customers: list[str], features: pd.DataFrame, notes: list[str]
) -> np.ndarray:
    """The effect on each customer, or the average one for all where the order is not shown to be any."""
    bundle, arm = effect.bundle, effect.arm
    if bundle.manifest.answer.skill != SHOWN:
        average = effect.average
        notes.append(
            f"{version_of(bundle)} is not shown to order customers better than chance: everybody gets the "
            f"average effect of {arm}, {average:.4g}"
        )
        return np.full(len(customers), average)
    effects, n_unknown = effect.numbers(customers, features)
    if n_unknown:
        notes.append(
            f"{n_unknown:,} of {len(customers):,} customers are unknown to {version_of(bundle)} and get the "
            f"average effect of {arm}"
        )
    return effects


def _order_value(offer: str, given: float, arm: str, outcome: str) -> float:
    """What a unit of the effect is worth: that of an order for a chance, 1 for an amount."""
    if outcome == CHANCE and np.isnan(given):
        raise DataError(
            f"offers: offer {offer} needs order_value: the effect of {arm} is on the chance to buy, and an "
            "order is worth so much"
        )
    if outcome == MONEY and not np.isnan(given):
        raise DataError(
            f"offers: offer {offer} must have no order_value: the effect of {arm} is an amount already"
        )
    return 1.0 if np.isnan(given) else given


def _kept(
    answers: BundleAnswers,
    later: LaterValue,
    arms: Sequence[str],
    customers: list[str],
    features: pd.DataFrame,
    notes: list[str],
) -> dict[str, np.ndarray]:
    """What customers whom each arm keeps bring after the window of its effects."""
    stays_by_arm = later.answers.effects
    if not stays_by_arm or later.weight == 0:
        return {}
    amounts = answers.bundles.get(AnswerKind.AMOUNT)
    if amounts is None:
        raise ConfigError(
            "retention needs a bundle that answers with an amount in bundles: what a kept customer brings"
        )
    expected, _ = answers.numbers(AnswerKind.AMOUNT, customers, features)
    amounts_later = {}
    for arm in arms:
        if arm not in stays_by_arm:
            notes.append(f"no experiment says whom {arm} keeps: nothing is added after its window")
            continue
        horizon = amounts.manifest.horizon_days
        window = later.window_days or answers.effects[arm].bundle.manifest.horizon_days
        if horizon is None or window is None:
            raise ConfigError(
                f"window_days must be set: {answers.effects[arm].bundle.folder} does not say within how "
                f"many days the effect of {arm} was measured"
                if horizon
                else f"retention: {amounts.folder} does not say over how many days its amount is"
            )
        after = max(horizon - window, 0) / horizon
        stays = _effect(stays_by_arm[arm], customers, features, notes)
        amounts_later[arm] = later.weight * stays * np.maximum(expected, 0) * after
        notes.append(
            f"{arm}: of the amount expected in {horizon:g} days, the part after the {window:g} days of the "
            f"effect ({after:.0%}) is added times the effect on staying and {later.weight:g}"
        )
    return amounts_later
