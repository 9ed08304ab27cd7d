"""Does an effect hang on a few large values: winsorised, resampled, and at quantiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from growthlab.core.seeding import random_stream
from growthlab.effects.arm_resamples import quantile_place, resampled_means, resampled_quantile
from growthlab.effects.effect import Effect
from growthlab.effects.experiment_data import ExperimentData
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.tea_statistics import effect_of
from growthlab.evaluation.significance import bootstrap_p

WINSORISED_AT = 0.999


def sensitivity(
    data: ExperimentData,
    outcome: ExperimentOutcome,
    arm: str,
    *,
    level: float,
    quantiles: Sequence[float] = (),
    seed: int = 0,
) -> Iterator[Effect]:
    """The same effect in other ways: resampled; for amounts winsorised and at quantiles too."""
    yield bootstrap_effect(data, outcome, arm, level=level, seed=seed)
    values = outcome.values(data.customers)
    if outcome.denominator is None and len(np.unique(values)) > 2:
        limit = float(np.quantile(values, WINSORISED_AT))
        method = f"winsorised at {limit:,.6g} ({WINSORISED_AT:.1%})"
        clipped = np.minimum(values, limit)
        yield effect_of(data, outcome, arm, level=level, values=clipped, method=method)
        for q in quantiles:
            yield quantile_effect(data, outcome, arm, q, level=level, seed=seed)


def bootstrap_effect(
    data: ExperimentData, outcome: ExperimentOutcome, arm: str, *, level: float, seed: int = 0
) -> Effect:
    """The effect with percentile bounds over resamples of the customers of each arm."""
    values, drawn = [], []
    for place, name in enumerate((data.control, arm)):
        rows = data.is_in(name)
        columns = [outcome.values(data.customers)]
        if (divisors := outcome.divisors(data.customers)) is not None:
            columns.append(divisors)
        of_arm = np.column_stack(columns)[rows]
        values.append(_ratio(of_arm.mean(axis=0)[None])[0])
        drawn.append(_ratio(resampled_means(of_arm, 2 * seed + place)))
    is_share = outcome.is_share_of(outcome.values(data.customers))
    method = "bootstrap over customers"
    return _resampled(data, outcome, arm, method, values, drawn, level, is_share=is_share)


def quantile_effect(
    data: ExperimentData,
    outcome: ExperimentOutcome,
    arm: str,
    q: float,
    *,
    level: float,
    seed: int = 0,
) -> Effect:
    """The difference of a quantile over customers, such as of the median."""
    values, drawn = [], []
    for name in (data.control, arm):
        of_arm = outcome.values(data.customers)[data.is_in(name)]
        rng = random_stream(seed, "quantile", name, str(q))
        values.append(float(np.sort(of_arm)[quantile_place(len(of_arm), q)]))
        drawn.append(resampled_quantile(of_arm, q, rng))
    return _resampled(data, outcome, arm, f"quantile {q:g}", values, drawn, level)


def _ratio(means: np.ndarray) -> np.ndarray:
    """The mean, or the ratio of two, of each row."""
    if means.shape[1] == 1:
        return means[:, 0]
    numerators, divisors = means.T
    return np.divide(numerators, divisors, out=np.full(len(means), np.nan), where=divisors > 0)


def _resampled(
    data: ExperimentData,
    outcome: ExperimentOutcome,
    arm: str,
    method: str,
    values: Sequence[float],
    drawn: Sequence[np.ndarray],
    level: float,
    *,
    is_share: bool = False,
) -> Effect:
    """The effect of the `values` of control and arm, with percentile bounds of those `drawn`."""
    control, treatment = map(float, values)
    differences = drawn[1] - drawn[0]
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = map(float, np.nanquantile(differences, tails))
    relative, positive = [np.nan] * 3, drawn[0] > 0
    if control > 0 and positive.any():
        bounds = np.nanquantile(drawn[1][positive] / drawn[0][positive] - 1, tails)
        relative = [treatment / control - 1, *map(float, bounds)]
    return Effect(
        outcome=outcome.name,
        arm=arm,
        method=method,
        control=control,
        treatment=treatment,
        difference=treatment - control,
        low=low,
        high=high,
        relative=relative[0],
        relative_low=relative[1],
        relative_high=relative[2],
        p=bootstrap_p(differences),
        n_control=data.counts[data.control],
        n_treatment=data.counts[arm],
        is_share=is_share,
    )
