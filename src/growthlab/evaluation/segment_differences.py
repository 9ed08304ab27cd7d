"""Where one model beats another: paired differences by segment of customers, and slices that stand out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import stdtr

from growthlab.evaluation.intervals import NO_BOUNDS
from growthlab.evaluation.significance import (
    holm,
    mean_bounds,
    resampled_metric,
)
from growthlab.evaluation.standings import Standings, mean_per_user, predictions_of
from growthlab.evaluation.strata import STRATA, stratum_column
from growthlab.metrics.predictions import PredictionMetric

SMALLEST = 50  # customers, below which nothing is said of a segment
LEVEL = 0.05  # of p, corrected
N_BOOTSTRAP = 300
MOST_CATEGORIES = 8
SLICE_COLUMNS = ("segment", "n_users", "difference", "low", "high", "elsewhere", "p")
COLUMNS = ("segment", "model", "n_users", "difference", "low", "high", "p")


@dataclass(frozen=True)
class Segments:
    """Groups of customers that may overlap: a mask over `user_ids` by name."""

    user_ids: np.ndarray
    masks: Mapping[str, np.ndarray]


def segment_differences(standings: Standings, against: str, segments: Segments) -> pd.DataFrame:
    """Every model's objective less that of `against`, by segment and by stratum of the items.

    Returns
    -------
    DataFrame with `COLUMNS` and p_holm, over all rows of it; a segment of fewer than `SMALLEST`
    customers has no p. p is of Student's t over customers, or, where the objective has no value a
    customer, of the bootstrap's standard error. Positive differences are better models only where
    more of the objective is better.
    """
    rows = [*_of_strata(standings, against), *_of_customers(standings, against, segments)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["p_holm"] = holm(table["p"].to_numpy(dtype=float))
    return table


def gains_by_customer(standings: Standings, model: str, against: str) -> pd.Series:
    """How much better a model was than `against`, by user id; positive is better.

    By the objective, or where it has no value a customer by the error of the prediction: the squared
    one of a probability, the absolute one of an amount. Empty where a prediction is no probability, and
    where the truth is not one number a customer, as that of an effect.
    """
    objective = standings.objective
    if all(objective in o.per_user for o in standings.outcomes[0]):
        first, second = (
            mean_per_user(standings.models[name], objective).set_index("user_id")[objective]
            for name in (model, against)
        )
        return (first - second if standings.maximise else second - first).dropna()
    errors = [_errors(predictions_of(standings.models[n][0])) for n in (model, against)]
    return (errors[1] - errors[0]).dropna()


def _errors(table: pd.DataFrame) -> pd.Series:
    by_user = table.set_index("user_id")
    if "label" not in by_user:
        return by_user["prediction"] * np.nan
    label, prediction = by_user["label"], by_user["prediction"]
    if not label.isin([0, 1]).all():
        return (label - prediction).abs()
    squared: pd.Series = (label - prediction) ** 2
    return squared if prediction.between(0, 1).all() else squared * np.nan


def find_slices(gains: pd.Series, traits: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Parts of the customers, by one trait or two, in which a gain is not what it is elsewhere.

    `gains` are by user id, as in `gains_by_customer`; `traits` has ``user_id`` and columns of numbers
    or texts.

    Returns
    -------
    table : segment, n_users, difference, low, high, elsewhere (the mean of the others), p (of Welch's
        test of slice and others) and p_holm (over all that were tried), of those with a corrected p
        below `LEVEL`, the smallest gain first
    n_tried : the number of slices that were tried
    """
    known = traits.set_index("user_id").reindex(gains.index)
    d = gains.to_numpy(dtype=float)
    masks = dict(_slices(known))
    fits = {n: m for n, m in masks.items() if SMALLEST <= m.sum() <= len(d) - SMALLEST}
    rows = [
        (name, *_row_of(d[mask])[:4], float(d[~mask].mean()), _welch_p(d[mask], d[~mask]))
        for name, mask in fits.items()
    ]
    table = pd.DataFrame(rows, columns=SLICE_COLUMNS)
    table["p_holm"] = holm(table["p"].to_numpy(dtype=float))
    found = table[table["p_holm"] < LEVEL].sort_values("difference", ignore_index=True)
    return found, len(fits)


def _of_strata(standings: Standings, against: str) -> Iterator[tuple[object, ...]]:
    for stratum in STRATA:
        column = stratum_column(standings.objective, stratum)
        if not all(column in o.per_user for o in standings.outcomes[0]):
            continue
        means = {
            name: mean_per_user(seeds, column).set_index("user_id")[column]
            for name, seeds in standings.models.items()
        }
        for name in standings.models:
            if name != against:
                d = (means[name] - means[against]).dropna().to_numpy(dtype=float)
                yield (stratum, name, *_row_of(d))


def _of_customers(
    standings: Standings, against: str, segments: Segments
) -> Iterator[tuple[object, ...]]:
    objective = standings.objective
    if all(objective in o.per_user for o in standings.outcomes[0]):
        means = {
            name: mean_per_user(seeds, objective).set_index("user_id")[objective]
            for name, seeds in standings.models.items()
        }
        for segment, mask in segments.masks.items():
            ids = segments.user_ids[mask]
            for name in standings.models:
                if name != against:
                    d = (means[name] - means[against]).reindex(ids).dropna()
                    yield (segment, name, *_row_of(d.to_numpy(dtype=float)))
        return
    named = {m.name: m for m in standings.metrics.values() if isinstance(m, PredictionMetric)}
    if objective not in named:
        return
    for segment, mask in segments.masks.items():
        ids = pd.Index(segments.user_ids[mask])
        tables = {
            name: [(t := predictions_of(o))[t["user_id"].isin(ids)] for o in seeds]
            for name, seeds in standings.models.items()
        }
        values, drawn = resampled_metric(tables, named[objective], n_resamples=N_BOOTSTRAP)
        for name in standings.models:
            if name != against:
                value = values[name] - values[against]
                d = drawn[name] - drawn[against]
                spread = float(d[~np.isnan(d)].std()) if not np.isnan(d).all() else np.nan
                yield (segment, name, *_row_of_spread(value, spread, len(ids)))


def _row_of(d: np.ndarray) -> tuple[int, float, float, float, float]:
    """Customers, mean difference, bounds and p of differences by customer."""
    n = len(d)
    mean = float(d.mean()) if n else np.nan
    low, high = mean_bounds(d) if n >= 2 else NO_BOUNDS
    spread = float(d.std(ddof=1) / np.sqrt(n)) if n >= 2 else np.nan
    return n, mean, low, high, _p(mean, spread, n)


def _row_of_spread(value: float, spread: float, n: int) -> tuple[int, float, float, float, float]:
    """The same from a standard error."""
    return n, value, value - 1.96 * spread, value + 1.96 * spread, _p(value, spread, n)


def _p(mean: float, error: float, n: int) -> float:
    """The two-sided p of a mean with this standard error; NaN for few customers."""
    if n < SMALLEST or not error > 0:
        return np.nan
    return float(2 * stdtr(n - 1, -abs(mean) / error))


def _welch_p(inside: np.ndarray, outside: np.ndarray) -> float:
    """The two-sided p of a difference of two means; NaN where neither part varies."""
    parts = [part.var(ddof=1) / len(part) for part in (inside, outside)]
    if not sum(parts) > 0:
        return np.nan
    t = abs(inside.mean() - outside.mean()) / np.sqrt(sum(parts))
    pairs = zip(parts, (inside, outside), strict=True)
    freedom = sum(parts) ** 2 / sum(v**2 / (len(part) - 1) for v, part in pairs)
    return float(2 * stdtr(freedom, -t))


def _slices(traits: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """Names and masks: quarters of a number, its halves crossed with those of another, categories."""
    halves: dict[str, dict[str, np.ndarray]] = {}
    for trait in traits.columns:
        label, column = str(trait).replace("_", " "), traits[trait]
        if column.dtype.kind not in "biuf":
            texts = column.astype(str)
            for value in texts.value_counts().index[:MOST_CATEGORIES]:
                yield f"{label}: {value}", (texts == value).to_numpy()
            continue
        values = column.to_numpy(dtype=float)
        if not np.isfinite(values).any():
            continue
        cuts = np.unique(np.nanquantile(values, [0.25, 0.5, 0.75]))
        bins = np.searchsorted(cuts, values, side="left")
        for place in range(len(cuts) + 1):
            yield f"{label} {_range(cuts, place)}", (bins == place) & np.isfinite(values)
        middle = float(np.nanmedian(values))
        halves[label] = {
            f"{label} up to {middle:,.4g}": values <= middle,
            f"{label} over {middle:,.4g}": values > middle,
        }
    for first, second in combinations(halves.values(), 2):
        for (name, mask), (other, more) in ((a, b) for a in first.items() for b in second.items()):
            yield f"{name}, {other}", mask & more


def _range(cuts: np.ndarray, place: int) -> str:
    """What the values of a bin are: those above the cut before it, up to its own."""
    if place == 0:
        return f"up to {cuts[0]:,.4g}"
    over = f"over {cuts[place - 1]:,.4g}"
    return over if place == len(cuts) else f"{over} up to {cuts[place]:,.4g}"
