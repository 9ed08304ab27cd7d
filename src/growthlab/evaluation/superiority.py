"""One-sided tests of a challenger against a champion: is it better, is it at most a margin worse."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from growthlab.evaluation.bootstrap import N_RESAMPLES, bounds_of, resample_counts
from growthlab.evaluation.significance import (
    N_FLIPS,
    bootstrap_p,
    holm,
    resampled_metric,
    sign_flip_ps,
)
from growthlab.metrics.predictions import PredictionMetric

PER_TEST = 5  # so many times the flips without which Holm's smallest p could not reach alpha


@dataclass(frozen=True, kw_only=True)
class Paired:
    """A challenger against a champion on the same customers, the better direction being upwards.

    `gain` is the challenger's value less the champion's (the other way round where less is better)
    with its 95 % bootstrap bounds, `relative` its share of the champion's. `p` is one-sided against
    no gain, `p_margin` against a loss of the margin; `p_holm` and `p_margin_holm` are corrected for
    the `n_evaluations` that were made on the same window, the challenger's included. NaN without
    customers.
    """

    champion: float
    challenger: float
    gain: float
    low: float
    high: float
    relative: float
    p: float
    p_holm: float
    p_margin: float
    p_margin_holm: float
    n_customers: int
    n_evaluations: int


def paired_values(
    values: pd.DataFrame,
    champion: str,
    challenger: str,
    *,
    maximise: bool = True,
    margin: float = 0.0,
    alpha: float = 0.05,
    seed: int = 0,
    n_unread: int = 0,
) -> Paired:
    """By the sign-flip test, from a value a customer.

    Parameters
    ----------
    values : a row a customer, a column an evaluation: the champion's, the challenger's, and all
        others that were made on the same window, for which Holm's correction makes up
    margin : what may be lost, as a share of the champion's value
    n_unread : further evaluations of which no values are left; they count with a p of 1

    Notes
    -----
    Under equal models the two values of a customer are exchangeable, so that flipping signs gives
    the exact null distribution of the mean difference. At the margin it is that of the mean of
    ``challenger - (1 - margin) champion``, for which the test holds as the number of customers grows.
    Customers without a value in either of the two are left out; another evaluation without a value
    for one of the rest counts with a p of 1.
    """
    sign = 1.0 if maximise else -1.0
    table = values[values[[champion, challenger]].notna().all(axis=1)]
    base = table[champion].to_numpy(dtype=float)
    others = [challenger, *(c for c in table.columns if c not in (champion, challenger))]
    gains = sign * (table[others].to_numpy(dtype=float) - base[:, None])
    n, n_tests = len(table), len(others) + n_unread
    known = ~np.isnan(gains).any(axis=0)
    n_flips = max(N_FLIPS, _enough(n_tests, alpha))

    def corrected(shifted: np.ndarray) -> tuple[float, float]:
        p = np.ones(n_tests) if n else np.full(n_tests, np.nan)
        tested = sign_flip_ps(shifted[:, known], seed=seed, n_flips=n_flips, one_sided=True)
        p[: len(others)][known] = tested
        return float(p[0]), float(holm(p)[0])

    p, p_holm = corrected(gains)
    p_margin, p_margin_holm = corrected(gains + margin * base[:, None])
    own = gains[:, 0]
    drawn = resample_counts(n, N_RESAMPLES if n else 0, seed)
    low, high = bounds_of(np.concatenate([np.zeros(0), *(counts @ own / n for counts in drawn)]))
    gain = float(own.mean()) if n else math.nan
    of = float(base.mean()) if n else math.nan
    return Paired(
        champion=of,
        challenger=of + sign * gain,
        gain=gain,
        low=low,
        high=high,
        relative=_share(gain, of),
        p=p,
        p_holm=p_holm,
        p_margin=p_margin,
        p_margin_holm=p_margin_holm,
        n_customers=n,
        n_evaluations=n_tests,
    )


def paired_predictions(
    predictions: Mapping[str, pd.DataFrame],
    metric: PredictionMetric,
    champion: str,
    challenger: str,
    *,
    maximise: bool = True,
    margin: float = 0.0,
    alpha: float = 0.05,
    seed: int = 0,
    n_unread: int = 0,
) -> Paired:
    """By the paired bootstrap, for a metric without a value a customer, such as ROC AUC.

    `predictions` are tables of ``user_id``, ``label`` and ``prediction`` of the same customers; see
    `paired_values` for the rest.
    """
    sign, n_tests = (1.0 if maximise else -1.0), len(predictions) - 1 + n_unread
    value, drawn = resampled_metric(
        {name: [table] for name, table in predictions.items()},
        metric,
        seed=seed,
        n_resamples=max(N_RESAMPLES, _enough(n_tests, alpha)),
    )
    base, of = drawn[champion], value[champion]
    gains = {challenger: sign * (drawn[challenger] - base)}
    gains |= {n: sign * (v - base) for n, v in drawn.items() if n not in (champion, challenger)}

    def corrected(shift: np.ndarray | float) -> tuple[float, float]:
        p = [bootstrap_p(g + shift, one_sided=True) for g in gains.values()]
        every = np.array([*p, *[1.0] * n_unread])
        return float(every[0]), float(holm(every)[0])

    p, p_holm = corrected(0.0)
    p_margin, p_margin_holm = corrected(margin * np.abs(base))
    gain = sign * (value[challenger] - of)
    low, high = bounds_of(gains[challenger])
    return Paired(
        champion=of,
        challenger=value[challenger],
        gain=gain,
        low=low,
        high=high,
        relative=_share(gain, of),
        p=p,
        p_holm=p_holm,
        p_margin=p_margin,
        p_margin_holm=p_margin_holm,
        n_customers=len(predictions[champion]),
        n_evaluations=n_tests,
    )


def _enough(n_tests: int, alpha: float) -> int:
    """Draws that let the smallest p stay below `alpha` after Holm's correction."""
    return math.ceil(PER_TEST * n_tests / alpha)


def _share(gain: float, of: float) -> float:
    """The gain as a share of the champion's value; of nothing, infinite unless it is nothing too."""
    if of:
        return gain / abs(of)
    return math.copysign(math.inf, gain) if gain else 0.0
