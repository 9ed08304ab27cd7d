"""One-sided tests of a challenger against a champion: is it better, is it at most a margin worse."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from growthlab.core.progress import bar
from growthlab.evaluation.bootstrap import N_RESAMPLES, bounds_of, resample_counts
from growthlab.evaluation.other_tests import OtherTests
from growthlab.evaluation.significance import (
    N_FLIPS,
    ValueOf,
    as_far,
    bootstrap_p,
    resample_blocks,
    sign_flip_ps,
    sign_flips,
    values_by_weight,
)
from growthlab.metrics.predictions import PredictionMetric

PER_TEST = 5  # so many times the draws without which Holm's smallest p could not reach alpha


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Who is tested against whom, and on which terms.

    Parameters
    ----------
    champion, challenger : their columns among the evaluations
    maximise : whether more of the objective is better
    margin : what may be lost, as a share of the champion's value
    alpha : the level of a corrected p of no gain, and twice that of a loss of the margin; it can be
        reached however many evaluations there are
    n_unread : further evaluations of which no values are left; they count with a p of 1
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
        """Of a corrected p of no gain, and of a loss of the margin."""
        return self.alpha, self.alpha / 2

    def others(self, values: pd.DataFrame) -> list[str]:
        """The columns of the other evaluations."""
        return [str(c) for c in values.columns if c not in (self.champion, self.challenger)]

    def n_draws(self, n_tests: int, least: int) -> int:
        """`least`, or so many that the smallest p is below `alpha` after Holm's correction."""
        return max(least, math.ceil(PER_TEST * n_tests / self.alpha))


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


def paired_values(values: pd.DataFrame, contest: Contest) -> Paired:
    """By the sign-flip test, from a value a customer.

    Parameters
    ----------
    values : a row a customer, a column an evaluation: the champion's, the challenger's, and all
        others that were made on the same window, for which Holm's correction makes up

    Notes
    -----
    Under equal models the two values of a customer are exchangeable, so that flipping signs gives
    the exact null distribution of the mean difference. At the margin it is that of the mean of
    ``challenger - (1 - margin) champion``, for which the test holds as the number of customers grows.
    Customers without a value in either of the two are left out; another evaluation without a value
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

    def tested(shift: np.ndarray, level: float) -> tuple[float, float]:
        column = (own + shift)[:, None]
        (p,) = sign_flip_ps(column, seed=contest.seed, n_flips=n_flips, one_sided=True)
        tests = _tests(float(p), level, n_flips, others.shape[1], n_tests)
        if len(tests.left):
            _flip(tests, others + shift[:, None], contest.seed)
        return float(p), tests.corrected()

    drawn = resample_counts(n, N_RESAMPLES if n else 0, contest.seed)
    bounds = bounds_of(np.concatenate([np.zeros(0), *(counts @ own / n for counts in drawn)]))
    gain, of = (float(v.mean()) if n else math.nan for v in (own, base))
    both = [tested(*terms) for terms in zip(shifts, contest.levels, strict=True)]
    return _paired(contest, of=of, gain=gain, bounds=bounds, p=both, n=n, n_tests=n_tests)


def paired_predictions(
    predictions: pd.DataFrame, label: np.ndarray, metric: PredictionMetric, contest: Contest
) -> Paired:
    """By the paired bootstrap, for a metric without a value a customer, such as ROC AUC.

    Parameters
    ----------
    predictions : a row a customer, a column an evaluation, as in `paired_values`
    label : what was to be foretold, ``(n_customers,)``

    Notes
    -----
    Two models of a customer are resampled together, and the champion's value of each resample moves
    the margin. Another evaluation whose metric is defined in no resample counts with a p of 1. See
    `OtherTests` for how many resamples of the others there are.
    """
    others, n = contest.others(predictions), len(predictions)
    n_tests = 1 + len(others) + contest.n_unread
    n_draws = contest.n_draws(n_tests, N_RESAMPLES) if n else 0
    scores = {str(name): [column.to_numpy(dtype=float)] for name, column in predictions.items()}
    value_of = values_by_weight(label, scores, metric)
    pair = value_of[contest.champion], value_of[contest.challenger]
    blocks = _blocks(n, n_draws, contest.seed, "resampling customers")
    drawn = [np.array([value(weights) for value in pair]) for weights in blocks]
    base, challenger = np.concatenate([np.zeros((2, 0)), *drawn], axis=1)
    own = contest.sign * (challenger - base)
    shifts = np.zeros(len(base)), contest.margin * np.abs(base)
    p = [bootstrap_p(own + shift, one_sided=True) for shift in shifts]
    tests = [
        _tests(alone, level, n_draws, len(others), n_tests)
        for alone, level in zip(p, contest.levels, strict=True)
    ]
    _resample(tests, [value_of[name] for name in others], base, shifts, n, contest)
    of, value = (float(each(np.ones((1, n)))[0]) for each in pair)
    return _paired(
        contest,
        of=of,
        gain=contest.sign * (value - of),
        bounds=bounds_of(own),
        p=[(alone, each.corrected()) for alone, each in zip(p, tests, strict=True)],
        n=n,
        n_tests=n_tests,
    )


def _tests(own: float, level: float, n_draws: int, n_others: int, n_tests: int) -> OtherTests:
    """The others, of which those without values count as well."""
    n_unread = n_tests - 1 - n_others
    return OtherTests(own, level=level, n_draws=n_draws, n_others=n_others, n_unread=n_unread)


def _flip(tests: OtherTests, gains: np.ndarray, seed: int) -> None:
    """Flip the signs of the gains, ``(n_customers, n_others)``, as long as one of them matters."""
    drawn = np.arange(gains.shape[1])
    for bits in sign_flips(len(gains), tests.n_draws, seed, gains.shape[1]):
        n = len(bits)
        tests.add(drawn, as_far(bits, gains, one_sided=True), np.full(len(drawn), n), n)
        matters = np.isin(drawn, tests.left)
        if not matters.any():
            return
        if not matters.all():
            drawn, gains = drawn[matters], gains[:, matters]


def _resample(
    tests: Sequence[OtherTests],
    values: Sequence[ValueOf],
    base: np.ndarray,
    shifts: Sequence[np.ndarray],
    n: int,
    contest: Contest,
) -> None:
    """Resample the customers of the others' `values`, as long as one of them matters to a test."""
    done = 0
    for weights in _blocks(n, len(base), contest.seed, "resampling for other evaluations"):
        undecided = [
            (each, shift) for each, shift in zip(tests, shifts, strict=True) if len(each.left)
        ]
        if not undecided:
            return
        left = np.unique(np.concatenate([each.left for each, _ in undecided]))
        drawn = slice(done, done + len(weights))
        gains = np.array([values[test](weights) for test in left.tolist()]) - base[drawn]
        for each, shift in undecided:
            shifted = contest.sign * gains + shift[drawn]
            defined = (~np.isnan(shifted)).sum(axis=1)
            each.add(left, (shifted <= 0).sum(axis=1), defined, len(weights))
        done = drawn.stop


def _blocks(n: int, n_draws: int, seed: int, label: str) -> Iterator[np.ndarray]:
    """The resamples of customers, with a bar."""
    with bar(label, n_draws) as update:
        done = 0
        for weights in resample_blocks(n, n_draws, seed):
            yield weights
            done += len(weights)
            update(done, "")


def _paired(
    contest: Contest,
    *,
    of: float,
    gain: float,
    bounds: tuple[float, float],
    p: Sequence[tuple[float, float]],
    n: int,
    n_tests: int,
) -> Paired:
    """`p` without and with the correction, of no gain and of a loss of the margin."""
    (p_none, p_none_holm), (p_margin, p_margin_holm) = p
    return Paired(
        champion=of,
        challenger=of + contest.sign * gain,
        gain=gain,
        low=bounds[0],
        high=bounds[1],
        relative=_share(gain, of),
        p=p_none,
        p_holm=p_none_holm,
        p_margin=p_margin,
        p_margin_holm=p_margin_holm,
        n_customers=n,
        n_evaluations=n_tests,
    )


def _share(gain: float, of: float) -> float:
    """The gain as a share of the champion's value; of nothing, infinite unless it is nothing too."""
    if of:
        return gain / abs(of)
    return math.copysign(math.inf, gain) if gain else 0.0
