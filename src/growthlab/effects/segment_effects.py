"""Effects by segment: exploratory, corrected for their number, with a test that segments differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from growthlab.core.errors import DataError, near_matches, quoted
from growthlab.effects.effect import Effect
from growthlab.effects.experiment_data import FEWEST, ExperimentData
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.tea_statistics import effect_of
from growthlab.evaluation.significance import benjamini_hochberg

MOST_LEVELS = 12
PARTS = 4  # of a number with more levels
MOST_WORDS = 50  # levels of a column of words


@dataclass(frozen=True)
class SegmentEffects:
    """The effects of an arm in the levels of a column.

    `p_differ` is Cochran's test that all levels have the same effect (Biometrics, 1954), corrected
    for the columns tested. `n_small` levels have too few customers for a figure.
    """

    column: str
    levels: Sequence[tuple[str, Effect]]
    n_small: int
    p_differ: float


def segment_effects(
    data: ExperimentData,
    outcome: ExperimentOutcome,
    arm: str,
    columns: Sequence[str],
    *,
    level: float,
) -> list[SegmentEffects]:
    """The effect in each level of each column; p values corrected over all levels of all columns.

    Raises
    ------
    DataError
        A column that is not there.
    """
    found = [_by_level(data, outcome, arm, column, level) for column in columns]
    p = np.array([effect.p for each in found for _, effect in each.levels])
    corrected = iter(benjamini_hochberg(p).tolist())
    differ = benjamini_hochberg(np.array([each.p_differ for each in found])).tolist()
    return [
        replace(
            each,
            levels=[(n, replace(e, p_adjusted=next(corrected))) for n, e in each.levels],
            p_differ=p_differ,
        )
        for each, p_differ in zip(found, differ, strict=True)
    ]


def _by_level(
    data: ExperimentData, outcome: ExperimentOutcome, arm: str, column: str, level: float
) -> SegmentEffects:
    if column not in data.customers:
        near = near_matches(column, map(str, data.customers))
        raise DataError(f"segments={quoted(column)}: the customers have no such column: {near}")
    names = levels_of(data.customers[column])
    treated, control = data.is_in(arm), data.is_in(data.control)
    levels, n_small = [], 0
    for name in sorted(names.unique(), key=_order):
        rows = (names == name).to_numpy()
        if min((rows & treated).sum(), (rows & control).sum()) < FEWEST:
            n_small += 1
            continue
        divisors = outcome.divisors(data.customers)
        if divisors is not None and not divisors[rows & control].sum() > 0:
            n_small += 1
            continue
        levels.append((str(name), effect_of(data, outcome, arm, level=level, rows=rows)))
    return SegmentEffects(column, levels, n_small, _p_differ([e for _, e in levels]))


def levels_of(values: pd.Series) -> pd.Series:
    """The level of each customer: a word, or the part of a number with many values.

    Raises
    ------
    DataError
        More words than can be segments.
    """
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_LEVELS:
        parts = pd.qcut(values, PARTS, duplicates="drop")
        names = parts.map(lambda part: f"{part.left:,.4g} to {part.right:,.4g}")
        return names.astype("string").fillna("missing")
    names = values.astype("string").fillna("missing")
    if (n := names.nunique()) > MOST_WORDS:
        raise DataError(
            f"segments={quoted(str(values.name))} has {n:,} levels, at most {MOST_WORDS} can be "
            "compared: group them"
        )
    return names


def _order(name: str) -> tuple[float, str]:
    """Numbers by their size, then words."""
    first = name.partition(" ")[0].replace(",", "")
    try:
        return float(first), name
    except ValueError:
        return math.inf, name


def _p_differ(effects: Sequence[Effect]) -> float:
    """Cochran's Q: the spread of the effects against their errors; NaN for fewer than two."""
    widths = np.array([effect.high - effect.low for effect in effects])
    if len(effects) < 2 or not (widths > 0).all():
        return float("nan")
    weights = 1 / (widths / (2 * 1.959964)) ** 2
    differences = np.array([effect.difference for effect in effects])
    mean = (weights * differences).sum() / weights.sum()
    return float(chdtrc(len(effects) - 1, (weights * (differences - mean) ** 2).sum()))
