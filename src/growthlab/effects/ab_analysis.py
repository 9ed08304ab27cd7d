"""The analysis of an experiment: everything that its page says, computed from its customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from growthlab.effects.ab_settings import AbSettings
from growthlab.effects.adjustment import Adjustment, adjusted, predicted_covariate
from growthlab.effects.always_valid import AlwaysValid, Mixture
from growthlab.effects.day_course import DayCourse, day_course
from growthlab.effects.effect import Effect
from growthlab.effects.experiment_data import BEFORE, ExperimentData
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.guardrails import Guardrail
from growthlab.effects.incremental_roi import IncrementalRoi, incremental_roi
from growthlab.effects.power import customers_for_mean, detectable, power_of
from growthlab.effects.segment_effects import SegmentEffects, segment_effects
from growthlab.effects.sensitivity import sensitivity
from growthlab.effects.tea_statistics import effect_of, pair_ratio_p
from growthlab.effects.welch import ArmMoments
from growthlab.evaluation.randomisation import Balance, SampleRatio, balance
from growthlab.evaluation.significance import holm

MOST_DAYS = 60
OBSERVED_SHARE = 0.5  # of the customers, at least, have been observed on all days of the course


@dataclass(frozen=True)
class PowerNow:
    """What the experiment can show with the customers that it has."""

    arm: str
    detectable: float  # relative to the control, with 80 % power
    power_of_plan: float | None  # of showing the planned effect
    customers_needed: float | None  # an arm, to show the planned effect with 80 % power


@dataclass(frozen=True)
class ArmAnalysis:
    """What is said of one arm against the control."""

    arm: str
    pair_p: float  # of the sizes of the two arms
    primary: Effect
    secondary: Sequence[Effect]
    guardrails: Sequence[Guardrail]
    sensitivity: Sequence[Effect]
    adjustments: Sequence[Adjustment]
    segments: Sequence[SegmentEffects]
    balance: Balance | None
    course: DayCourse | None
    always_valid: AlwaysValid | None
    power: PowerNow | None
    roi: IncrementalRoi | None

    @property
    def was_alike(self) -> bool:
        """Whether its customers were like the control's before, as far as anything is known of that."""
        return self.balance is None or not self.balance.is_broken

    @property
    def effects(self) -> list[Effect]:
        """Every effect of the arm."""
        return [
            *(self.primary, *self.secondary),
            *(guardrail.effect for guardrail in self.guardrails),
            *self.sensitivity,
            *(adjustment.effect for adjustment in self.adjustments),
        ]


@dataclass(frozen=True)
class AbAnalysis:
    """An analysed experiment; `arms` is empty where the split is broken, as then nothing may be said."""

    name: str
    settings: AbSettings
    control: str
    counts: dict[str, int]
    shares: dict[str, float]
    ratio: SampleRatio
    balances: dict[str, Balance]
    arms: Sequence[ArmAnalysis]
    facts: Sequence[str] = field(default_factory=tuple)
    knows_days: bool = False
    served: Mapping[str, Sequence[str]] = field(default_factory=dict)  # see `ExperimentData`

    @property
    def has_verdict(self) -> bool:
        """Whether something may be said of every arm."""
        return bool(self.arms) and all(arm.was_alike for arm in self.arms)

    @property
    def effects(self) -> list[Effect]:
        """Every effect."""
        return [effect for arm in self.arms for effect in arm.effects]


def analyse(data: ExperimentData, settings: AbSettings, name: str) -> AbAnalysis:
    """Compare every arm with the control.

    The primary outcome is corrected for the number of arms, the secondary ones for the number of
    outcomes and arms, both by Holm. Where the split is broken (sample ratio) no effect is computed.

    Raises
    ------
    DataError
        A column that is missing, not a number or has gaps.
    """
    data.require_outcomes(settings.all_outcomes)
    balances = {arm: found for arm in data.arms if (found := _balance(data, settings, arm))}
    ratio = data.sample_ratio
    arms: list[ArmAnalysis] = []
    if not ratio.is_broken:
        arms = _corrected([_of_arm(data, settings, arm, balances.get(arm)) for arm in data.arms])
    return AbAnalysis(
        *(name, settings, data.control, data.counts, dict(data.shares), ratio, balances, arms),
        facts=data.facts,
        knows_days=data.days is not None,
        served=data.served,
    )


def _of_arm(
    data: ExperimentData, settings: AbSettings, arm: str, balanced: Balance | None
) -> ArmAnalysis:
    level, primary = settings.level, settings.primary
    plain = {m: effect_of(data, m, arm, level=level) for m in settings.all_outcomes}
    mixture = _mixture(data, settings, arm)
    roi = None
    if settings.roi.cost is not None and settings.roi.outcome is not None:
        money = ExperimentOutcome.of(settings.roi.outcome)
        margin, cost = settings.roi.margin, settings.roi.cost
        roi = incremental_roi(
            data, money, arm, margin=margin, cost=cost, level=level, seed=settings.seed
        )
    checked = [primary, *settings.secondary]
    return ArmAnalysis(
        arm=arm,
        pair_p=pair_ratio_p(data, arm),
        primary=plain[primary],
        secondary=[plain[m] for m in settings.secondary],
        guardrails=[Guardrail(plain[m], t) for m, t in settings.guarded.items()],
        sensitivity=[
            effect
            for outcome in checked
            for effect in sensitivity(
                data, outcome, arm, level=level, quantiles=settings.quantiles, seed=settings.seed
            )
        ],
        adjustments=list(_adjustments(data, settings, plain, checked)),
        segments=segment_effects(data, primary, arm, settings.segments, level=level),
        balance=balanced,
        course=day_course(data, primary, arm, n_days=_n_days(data), level=level, mixture=mixture),
        always_valid=None if mixture is None else mixture.at(*_difference(data, primary, arm)),
        power=_power_now(data, settings, plain[primary]),
        roi=roi,
    )


def _corrected(arms: Sequence[ArmAnalysis]) -> list[ArmAnalysis]:
    """The p values of primary and secondary outcomes, each family corrected over the arms by Holm."""
    primary = holm(np.array([each.primary.p for each in arms])).tolist()
    tests = holm(np.array([e.p for each in arms for e in each.secondary])).tolist()
    rest, corrected = iter(tests), []
    for each, p in zip(arms, primary, strict=True):
        first = replace(each.primary, p_adjusted=p) if len(arms) > 1 else each.primary
        others = [replace(effect, p_adjusted=next(rest)) for effect in each.secondary]
        corrected.append(replace(each, primary=first, secondary=others))
    return corrected


def _adjustments(
    data: ExperimentData,
    settings: AbSettings,
    plain: dict[ExperimentOutcome, Effect],
    outcomes: Sequence[ExperimentOutcome],
) -> list[Adjustment]:
    """The effects adjusted by what the settings name, by the period before, and by features."""
    found = []
    for outcome in outcomes:
        if outcome.denominator is not None:
            continue
        columns = {}
        if named := settings.covariates.get(outcome.name):
            columns[named] = data.numbers_of(named, f"covariates.{outcome.name}")
        elif BEFORE + outcome.numerator in data.customers:
            columns[BEFORE + outcome.name] = outcome.values(data.customers, BEFORE)
        if settings.features:
            predicted = predicted_covariate(data, outcome, settings.features, settings.seed)
            columns[f"prediction of {outcome.name} (CUPAC)"] = predicted
        for name, covariate in columns.items():
            found.append(
                adjusted(data, outcome, plain[outcome], covariate, name, level=settings.level)
            )
    return found


def _balance(data: ExperimentData, settings: AbSettings, arm: str) -> Balance | None:
    """The balance of everything that was known before; None where nothing is named."""
    before = [str(c) for c in data.customers if str(c).startswith(BEFORE)]
    named = [*settings.segments, *settings.features, *settings.covariates.values(), *before]
    columns = [c for c in dict.fromkeys(named) if c in data.customers]
    if not columns:
        return None
    pair = data.pair(arm)
    return balance(pair[columns], (pair["arm"] == arm).to_numpy())


def _n_days(data: ExperimentData) -> int:
    """The most days on which half of the customers or more have been observed."""
    if data.observed_days is None:
        return 0
    known = np.nan_to_num(data.observed_days)
    return int(min(MOST_DAYS, np.quantile(known, 1 - OBSERVED_SHARE)))


def _difference(data: ExperimentData, outcome: ExperimentOutcome, arm: str) -> tuple[float, float]:
    """The difference of an arm and the control, and its variance; of a ratio by the delta method."""
    control, treated = (
        ArmMoments.of(outcome.linearised(data.customers[data.is_in(name)])[0])
        for name in (data.control, arm)
    )
    return float(treated.mean - control.mean), float(treated.variance + control.variance)


def _mixture(data: ExperimentData, settings: AbSettings, arm: str) -> Mixture | None:
    """The mixture of the declared sequential method."""
    outcome = settings.primary
    if settings.sequential == "msprt" and settings.planned_effect is not None:
        _, base = outcome.linearised(data.customers[data.is_in(data.control)])
        return Mixture.of_planned_effect(settings.planned_effect * base, settings.alpha)
    if settings.sequential == "confidence_sequence" and settings.planned_customers is not None:
        _, variance = _difference(data, outcome, arm)
        n = min(data.counts[arm], data.counts[data.control])
        error = float(np.sqrt(variance * n / settings.planned_customers))
        return Mixture.of_planned_error(error, settings.alpha)
    return None


def _power_now(data: ExperimentData, settings: AbSettings, effect: Effect) -> PowerNow | None:
    """The power with the present customers; None where the control has none of the outcome."""
    _, variance = _difference(data, settings.primary, effect.arm)
    if not effect.control > 0 or not variance > 0:
        return None
    error = float(np.sqrt(variance))
    smallest = detectable(error, alpha=settings.alpha) / effect.control
    if settings.planned_effect is None:
        return PowerNow(effect.arm, smallest, None, None)
    planned = settings.planned_effect * effect.control
    n = min(data.counts[effect.arm], data.counts[data.control])
    needed = customers_for_mean(planned, variance * n / 2, alpha=settings.alpha)
    return PowerNow(effect.arm, smallest, power_of(planned, error, alpha=settings.alpha), needed)
