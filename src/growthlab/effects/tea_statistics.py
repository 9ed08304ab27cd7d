"""Means, shares and ratios of two arms by tea-tasting: Welch's test, the delta method, CUPED."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import tea_tasting as tt

from growthlab.effects.effect import Effect
from growthlab.effects.experiment_data import ARM, ExperimentData
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.welch import ArmMoments, welch

WELCH, DELTA, SHARE = "Welch's test of means", "delta method", "Welch's test of shares"
NUMERATOR, DENOMINATOR, COVARIATE = "numerator", "denominator", "covariate"


def effect_of(
    data: ExperimentData,
    outcome: ExperimentOutcome,
    arm: str,
    *,
    level: float,
    rows: np.ndarray | None = None,
    values: np.ndarray | None = None,
    covariate: np.ndarray | None = None,
    method: str = "",
) -> Effect:
    """The effect of an arm on an outcome.

    Parameters
    ----------
    level : of the interval, such as 0.95
    rows : the customers that count, ``(n,)`` bool; all by default
    values : in place of the outcome's own values, such as winsorised ones, ``(n,)``
    covariate : what the values are adjusted by (CUPED), ``(n,)``
    method : its name, where it is not the usual one of the outcome
    """
    customers = data.customers
    kept = data.is_in(arm) | data.is_in(data.control)
    kept = kept if rows is None else kept & rows
    values = outcome.values(customers) if values is None else values
    columns: dict[str, Any] = {NUMERATOR: values[kept]}
    divisors = outcome.divisors(customers)
    if divisors is not None:
        columns[DENOMINATOR] = divisors[kept]
    if covariate is not None:
        columns[COVARIATE] = covariate[kept]
    treated = data.is_in(arm)[kept]
    is_share = outcome.is_share_of(values)
    usual = SHARE if is_share else WELCH
    about: dict[str, Any] = {
        "outcome": outcome.name,
        "arm": arm,
        "method": method or (usual if divisors is None else DELTA),
        "n_control": int((~treated).sum()),
        "n_treatment": int(treated.sum()),
        "is_share": is_share,
    }
    linear = values[kept]
    if divisors is not None:
        linear, _ = outcome.linearised(customers[kept])
    if not np.ptp(linear) or (divisors is None and not linear[~treated].sum() > 0):
        return _absolute(about, linear, treated, level)
    result = _analysed(pd.DataFrame({ARM: treated.astype(int), **columns}), level)
    return Effect(
        **about,
        control=result.control,
        treatment=result.treatment,
        difference=result.effect_size,
        low=result.effect_size_ci_lower,
        high=result.effect_size_ci_upper,
        relative=result.rel_effect_size,
        relative_low=result.rel_effect_size_ci_lower,
        relative_high=result.rel_effect_size_ci_upper,
        p=result.pvalue,
    )


def pair_ratio_p(data: ExperimentData, arm: str) -> float:
    """The p value of the sizes of an arm and the control against the intended shares."""
    pair = pd.DataFrame({ARM: (data.pair(arm)[ARM] == arm).astype(int)})
    ratio = data.shares[arm] / data.shares[data.control]
    return float(tt.SampleRatio(ratio).analyze(pair, control=0, treatment=1, variant=ARM).pvalue)


def _analysed(table: pd.DataFrame, level: float) -> Any:
    """What tea-tasting finds; bounds of an arm without any spread are those of no spread."""
    ratio = tt.RatioOfMeans(
        NUMERATOR,
        DENOMINATOR if DENOMINATOR in table else None,
        COVARIATE if COVARIATE in table else None,
        confidence_level=level,
    )
    return ratio.analyze(table, control=0, treatment=1, variant=ARM)


def _absolute(
    about: dict[str, Any], values: np.ndarray, treated: np.ndarray, level: float
) -> Effect:
    """An effect without relative figures: nothing varies, or the control's value is not above 0."""
    control, arm = ArmMoments.of(values[~treated]), ArmMoments.of(values[treated])
    difference, low, high, p = map(float, welch(control, arm, level))
    return Effect(
        **about,
        control=float(control.mean),
        treatment=float(arm.mean),
        difference=difference,
        low=low,
        high=high,
        p=p,
    )
