"""Effects adjusted by what was known before (CUPED, CUPAC), and whether the adjustment is sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit
from sklearn.ensemble import HistGradientBoostingRegressor

from growthlab.core.errors import DataError, quoted
from growthlab.core.seeding import random_stream
from growthlab.effects.effect import Effect
from growthlab.effects.experiment_data import ExperimentData
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.tea_statistics import effect_of
from growthlab.effects.welch import ArmMoments, welch

LOW_CORRELATION = 0.1  # 1 % of the variance
SAME_NUMBER = 0.999  # correlation of an outcome with itself under another name
DIFFERS_BELOW = 0.001  # p of the period before: chance alone would rarely do it
UNEQUAL = 0.02  # distance of an arm's share from one half
FOLDS = 5


@dataclass(frozen=True)
class Adjustment:
    """An adjusted effect beside the plain one, and what speaks against it."""

    effect: Effect
    covariate: str
    correlation: float
    variance_left: float  # of the effect: 1 - correlation^2 where arms are equal
    p_before: float  # of a difference of the covariate itself
    warnings: tuple[str, ...]


def adjusted(
    data: ExperimentData,
    outcome: ExperimentOutcome,
    plain: Effect,
    covariate: np.ndarray,
    name: str,
    *,
    level: float,
) -> Adjustment:
    """The effect adjusted by a covariate known before the exposure.

    CUPED (Deng et al., WSDM 2013); where arms are of unequal size by a regression with
    treatment-covariate interaction and robust errors (Lin, Annals of Applied Statistics, 2013).

    Raises
    ------
    DataError
        The covariate is the outcome itself.
    """
    pair = data.is_in(plain.arm) | data.is_in(data.control)
    treated = data.is_in(plain.arm)[pair]
    y, x = outcome.values(data.customers)[pair], covariate[pair]
    correlation = float(np.corrcoef(x, y)[0, 1]) if np.ptp(x) and np.ptp(y) else 0.0
    if abs(correlation) > SAME_NUMBER:
        raise DataError(
            f"covariates.{outcome.name}: {quoted(name)} is the outcome itself (correlation "
            f"{correlation:.4f}): name what was known before the exposure"
        )
    control, arm = ArmMoments.of(x[~treated]), ArmMoments.of(x[treated])
    p_before = float(welch(control, arm).p)
    if not np.ptp(x):
        effect = replace(plain, method=f"CUPED by {name}")
    elif abs(treated.mean() - 0.5) <= UNEQUAL or outcome.denominator is not None:
        effect = effect_of(
            data, outcome, plain.arm, level=level, covariate=covariate, method=f"CUPED by {name}"
        )
    else:
        effect = _interacted(plain, y, x, treated, f"CUPED by {name}, a slope an arm", level)
    left = (
        ((effect.high - effect.low) / (plain.high - plain.low)) ** 2
        if plain.high > plain.low
        else 1.0
    )
    warnings = _warnings(plain, effect, name, correlation, p_before)
    return Adjustment(effect, name, correlation, float(left), p_before, warnings)


def predicted_covariate(
    data: ExperimentData, outcome: ExperimentOutcome, features: Sequence[str], seed: int = 0
) -> np.ndarray:
    """The outcome as predicted from features known before, ``(n,)`` (CUPAC; Tang et al., 2020).

    Each fold of customers is predicted by a model of the others, which sees no arm, so that the
    prediction cannot carry the effect. Guo et al., NeurIPS 2021.

    Raises
    ------
    DataError
        A feature that is not in the table.
    """
    for name in features:
        if name not in data.customers:
            raise DataError(f"features={quoted(name)}: the table has no such column")
    table = pd.DataFrame({name: _codes(data.customers[name]) for name in features})
    x, y = table.to_numpy(dtype=float), outcome.values(data.customers)
    fold = random_stream(seed, "cupac folds").permutation(len(y)) % FOLDS
    predicted = np.empty(len(y))
    for each in range(FOLDS):
        model = HistGradientBoostingRegressor(
            max_iter=60, max_leaf_nodes=8, early_stopping=False, random_state=seed
        )
        predicted[fold == each] = model.fit(x[fold != each], y[fold != each]).predict(
            x[fold == each]
        )
    return predicted


def _codes(values: pd.Series) -> np.ndarray:
    """Numbers as they are; words as the places of their sorted levels."""
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=float)
    return values.astype("string").astype("category").cat.codes.to_numpy(dtype=float)


def _warnings(
    plain: Effect, effect: Effect, name: str, correlation: float, p_before: float
) -> tuple[str, ...]:
    found = []
    if p_before < DIFFERS_BELOW:
        found.append(
            f"{name} differs between the arms already (p {p_before:.2g}): the arms were not "
            "alike, or it was measured after the exposure"
        )
    if np.sign(effect.difference) != np.sign(plain.difference) and min(plain.p, effect.p) < 0.05:
        found.append(f"the effect changes its sign when it is adjusted by {name}: believe neither")
    if abs(correlation) < LOW_CORRELATION:
        found.append(
            f"{name} says little about the outcome (correlation {correlation:.2f}): no gain"
        )
    return tuple(found)


def _interacted(
    plain: Effect, y: np.ndarray, x: np.ndarray, treated: np.ndarray, method: str, level: float
) -> Effect:
    """The difference of the arms' regression lines at the common mean of x, with robust errors (HC2)."""
    x = x - x.mean()
    intercepts, slopes, variance = [], [], 0.0
    for rows in (~treated, treated):
        design = np.column_stack([np.ones(rows.sum()), x[rows]])
        inverse = np.linalg.pinv(design.T @ design)
        coefficients = inverse @ design.T @ y[rows]
        leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
        residuals = (y[rows] - design @ coefficients) ** 2 / np.maximum(1 - leverage, 1e-9)
        variance += float((inverse @ (design.T * residuals) @ design @ inverse)[0, 0])
        intercepts.append(float(coefficients[0]))
        slopes.append(float(coefficients[1]))
    variance += (slopes[1] - slopes[0]) ** 2 * float(x.var()) / len(x)  # of the common mean
    difference, error = intercepts[1] - intercepts[0], float(np.sqrt(variance))
    half = float(stdtrit(len(y) - 4, (1 + level) / 2)) * error
    relative = np.array([difference, difference - half, difference + half]) / intercepts[0]
    return replace(
        plain,
        method=method,
        control=intercepts[0],
        treatment=intercepts[1],
        difference=difference,
        low=difference - half,
        high=difference + half,
        relative=float(relative[0]),
        relative_low=float(relative[1]),
        relative_high=float(relative[2]),
        p=2 * float(stdtr(len(y) - 4, -abs(difference) / error)),
    )
