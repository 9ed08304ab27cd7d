"""One-sided tests of a challenger against a champion: superiority, and non-inferiority by a margin."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from growthlab.core.progress import bar
from growthlab.evaluation.intervals import percentile_bounds
from growthlab.evaluation.prediction_values import PredictionValues
from growthlab.evaluation.resamples import N_RESAMPLES, Resamples
from growthlab.evaluation.sequential_holm import SequentialHolm
from growthlab.evaluation.significance import (
    N_FLIPS,
    bootstrap_p,
    mean_bounds,
    n_as_extreme,
    sign_flip_p_values,
    sign_flips,
    sums_of_pairs,
)
from growthlab.metrics.predictions import PredictionMetric

PER_TEST = 5  # times the least number of draws with which Holm's smallest p can reach alpha


@dataclass(frozen=True, kw_only=True)
class SuperiorityTest:
    """The two models that are compared, and the settings of the test.

    Parameters
    ----------
    champion, challenger : their columns among the evaluations
    maximise : whether more of the objective is better
    margin : the tolerated loss, as a share of the champion's value
    alpha : the significance level of a gain, and twice that of a loss below the margin, both after
        correction; the number of draws is large enough to reach it with any number of evaluations
    n_unread : the number of evaluations whose values are lost; they count with a p of 1
    """

    champion: str
    challenger: str
    maximise: bool = True
    margin: float = 0.0
    alpha: float = 0.05
    seed: int = 0
    n_unread: int = 0

    @property
    def sign(self) -> float:
        """1, or -1 where less is better."""
        return 1.0 if self.maximise else -1.0

    @property
    def levels(self) -> tuple[float, float]:
        """The significance levels of a gain and of a loss below the margin."""
        return self.alpha, self.alpha / 2

    def others(self, values: pd.DataFrame) -> list[str]:
        """The columns of the other evaluations."""
        return [str(c) for c in values.columns if c not in (self.champion, self.challenger)]

    def n_draws(self, n_tests: int, least: int) -> int:
        """At least `least`, and enough that the smallest p is below `alpha` after Holm's correction."""
        return max(least, math.ceil(PER_TEST * n_tests / self.alpha))


@dataclass(frozen=True, kw_only=True)
class SuperiorityResult:
    """A challenger compared with a champion on the same customers; a positive gain is better.

    `gain` is the challenger's value minus the champion's (the reverse where less is better) with its
    95 % bounds, `relative` its share of the champion's value. `p` is one-sided for a gain
    above 0, `p_margin` for a loss below the margin; `p_holm` and `p_margin_holm` are corrected for
    the `n_evaluations` on the same window, with the challenger's. NaN without customers.
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


def superiority_by_sign_flips(values: pd.DataFrame, contest: SuperiorityTest) -> SuperiorityResult:
    """The sign-flip test of a metric with a value per customer.

    Parameters
    ----------
    values : one row per customer, one column per evaluation: the champion's, the challenger's, and
        all others on the same window, for which Holm's correction is made

    Notes
    -----
    If the models are equal, the two values of a customer are exchangeable, and flipping signs gives
    the exact null distribution of the mean difference. At the margin it is the distribution of the
    mean of ``challenger - (1 - margin) champion``, for which the test is valid asymptotically.
    Customers without a value in one of the two are left out; another evaluation that lacks a value
    for one of the rest counts with a p of 1.
    """
    table = values[values[[contest.champion, contest.challenger]].notna().all(axis=1)]
    base = table[contest.champion].to_numpy(dtype=float)
    own = contest.sign * (table[contest.challenger].to_numpy(dtype=float) - base)
    every = contest.sign * (table[contest.others(table)].to_numpy(dtype=float) - base[:, None])
    n, n_tests = len(table), 1 + every.shape[1] + contest.n_unread
    others = every[:, ~np.isnan(every).any(axis=0)]
    n_flips = contest.n_draws(n_tests, N_FLIPS)
    shifts = np.zeros(n), contest.margin * base

    def p_and_corrected(shift: np.ndarray, level: float) -> tuple[float, float]:
        column = (own + shift)[:, None]
        (p,) = sign_flip_p_values(column, seed=contest.seed, n_flips=n_flips, one_sided=True)
        tests = _tests(float(p), level, n_flips, others.shape[1], n_tests)
        if len(tests.left):
            _flip(tests, others + shift[:, None], contest.seed)
        return float(p), tests.corrected()

    bounds = mean_bounds(own, seed=contest.seed)
    gain, champion = (float(v.mean()) if n else math.nan for v in (own, base))
    p = [p_and_corrected(*each) for each in zip(shifts, contest.levels, strict=True)]
    return _result(contest, champion=champion, gain=gain, bounds=bounds, p=p, n=n, n_tests=n_tests)


def superiority_by_bootstrap(
    predictions: pd.DataFrame, label: np.ndarray, metric: PredictionMetric, contest: SuperiorityTest
) -> SuperiorityResult:
    """The paired bootstrap test of a metric without per-customer values, such as ROC AUC.

    Parameters
    ----------
    predictions : one row per customer, one column per evaluation, as in `superiority_by_sign_flips`
    label : the true values, ``(n_customers,)``

    Notes
    -----
    All models share the resamples of customers, and the margin is a share of the champion's value in
    each resample. Another evaluation whose metric is undefined in all resamples counts with a p of
    1. `SequentialHolm` decides how many resamples of the others are drawn.
    """
    others, n = contest.others(predictions), len(predictions)
    n_tests = 1 + len(others) + contest.n_unread
    n_draws = contest.n_draws(n_tests, N_RESAMPLES) if n else 0
    resamples = Resamples(n, contest.seed)

    def values_of(name: str) -> PredictionValues:
        scores = predictions[name].to_numpy(dtype=float)
        return PredictionValues(label, scores, [metric], resamples)

    pair = values_of(contest.champion), values_of(contest.challenger)
    blocks = _blocks(resamples, n_draws, "resampling customers")
    drawn = [np.concatenate([each.on_counts(counts) for each in pair]) for counts in blocks]
    base, challenger = np.concatenate([np.zeros((2, 0)), *drawn], axis=1)
    own = contest.sign * (challenger - base)
    shifts = np.zeros(len(base)), contest.margin * np.abs(base)
    p = [bootstrap_p(own + shift, one_sided=True) for shift in shifts]
    tests = [
        _tests(alone, level, n_draws, len(others), n_tests)
        for alone, level in zip(p, contest.levels, strict=True)
    ]
    if any(len(each.left) for each in tests):
        _resample(tests, [values_of(name) for name in others], base, shifts, resamples, contest)
    champion, value = (each.of_all([metric])[0] for each in pair)
    return _result(
        contest,
        champion=champion,
        gain=contest.sign * (value - champion),
        bounds=percentile_bounds(own),
        p=[(alone, each.corrected()) for alone, each in zip(p, tests, strict=True)],
        n=n,
        n_tests=n_tests,
    )


def _tests(own: float, level: float, n_draws: int, n_others: int, n_tests: int) -> SequentialHolm:
    """The correction for the other tests, those without values included."""
    n_unread = n_tests - 1 - n_others
    return SequentialHolm(own, level=level, n_draws=n_draws, n_others=n_others, n_unread=n_unread)


def _flip(tests: SequentialHolm, gains: np.ndarray, seed: int) -> None:
    """Flip the signs of the gains, ``(n_customers, n_others)``, as long as a test needs draws."""
    gains, drawn = sums_of_pairs(gains, seed), np.arange(gains.shape[1])
    for bits in sign_flips(len(gains), tests.n_draws, seed, gains.shape[1]):
        n = len(bits)
        tests.add(drawn, n_as_extreme(bits, gains, one_sided=True), np.full(len(drawn), n), n)
        matters = np.isin(drawn, tests.left)
        if not matters.any():
            return
        if not matters.all():
            drawn, gains = drawn[matters], gains[:, matters]


def _resample(
    tests: Sequence[SequentialHolm],
    values: Sequence[PredictionValues],
    base: np.ndarray,
    shifts: Sequence[np.ndarray],
    resamples: Resamples,
    contest: SuperiorityTest,
) -> None:
    """Resample the customers of the other evaluations, as long as a test needs draws."""
    done = 0
    for counts in _blocks(resamples, len(base), "resampling for other evaluations"):
        undecided = [
            (each, shift) for each, shift in zip(tests, shifts, strict=True) if len(each.left)
        ]
        if not undecided:
            return
        left = np.unique(np.concatenate([each.left for each, _ in undecided]))
        drawn = slice(done, done + len(counts))
        gains = np.concatenate([values[t].on_counts(counts) for t in left.tolist()]) - base[drawn]
        for each, shift in undecided:
            shifted = contest.sign * gains + shift[drawn]
            defined = (~np.isnan(shifted)).sum(axis=1)
            each.add(left, (shifted <= 0).sum(axis=1), defined, len(counts))
        done = drawn.stop


def _blocks(resamples: Resamples, n_draws: int, label: str) -> Iterator[np.ndarray]:
    """The resamples of customers, with a progress bar."""
    with bar(label, n_draws) as update:
        done = 0
        for counts in resamples.blocks(n_draws, resamples.n):
            yield counts
            done += len(counts)
            update(done, "")


def _result(
    contest: SuperiorityTest,
    *,
    champion: float,
    gain: float,
    bounds: tuple[float, float],
    p: Sequence[tuple[float, float]],
    n: int,
    n_tests: int,
) -> SuperiorityResult:
    """The result; `p` holds p and corrected p, of a gain and of a loss below the margin."""
    (p_gain, p_gain_holm), (p_margin, p_margin_holm) = p
    return SuperiorityResult(
        champion=champion,
        challenger=champion + contest.sign * gain,
        gain=gain,
        low=bounds[0],
        high=bounds[1],
        relative=_relative_gain(gain, champion),
        p=p_gain,
        p_holm=p_gain_holm,
        p_margin=p_margin,
        p_margin_holm=p_margin_holm,
        n_customers=n,
        n_evaluations=n_tests,
    )


def _relative_gain(gain: float, champion: float) -> float:
    """The gain as a share of the champion's value; of 0, infinite unless the gain is 0 too."""
    if champion:
        return gain / abs(champion)
    return math.copysign(math.inf, gain) if gain else 0.0
