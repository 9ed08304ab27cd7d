"""Features that give the answer away: alone, each of them orders the outcomes almost without a mistake."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from growthlab.core.seeding import random_stream
from growthlab.features.examples import Examples
from growthlab.metrics.binary.roc_auc import RocAuc

REVEALING_AUC = 0.95
FEWEST = 100  # examples; with fewer a feature could do so by chance
FULL_WEIGHT = 5.0  # examples of a category as many as which the mean of all counts


def revealing_features(*parts: Examples) -> list[str]:
    """The features that in one of the parts tell an outcome of 0 from all others with an AUC above 0.95.

    A number counts by its order, and by where it is missing. A text or category counts by the share of
    its other examples with the outcome: each half of the examples is scored by the other half, so that
    a text that nobody else has tells nothing. Parts without outcomes, with fewer than 100 examples or
    with one outcome only are left out.
    """
    found = {name: None for part in parts for name in _revealing_in(part)}
    return list(found)


def _revealing_in(examples: Examples) -> Iterator[str]:
    if examples.target is None or len(examples) < FEWEST:
        return
    label = (examples.target > 0).astype(np.float64)
    if label.min() == label.max():
        return
    auc = RocAuc()
    for name, values in examples.table.items():
        scores = _number_scores(values) if _is_number(values) else [_category_score(values, label)]
        for score in scores:
            value = auc(label, score)
            if max(value, 1 - value) > REVEALING_AUC:
                yield str(name)


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values.dtype)


def _number_scores(values: pd.Series) -> Iterator[np.ndarray]:
    """The numbers themselves, and where there is none."""
    yield values.fillna(values.median()).fillna(0.0).to_numpy(dtype=np.float64)
    missing = values.isna()
    if missing.any():
        yield missing.to_numpy(dtype=np.float64)


def _category_score(values: pd.Series, label: np.ndarray) -> np.ndarray:
    """The share of the outcome among the other half's examples of each value, drawn to that of all."""
    codes, _ = pd.factorize(values.astype(object), use_na_sentinel=False)
    n = int(codes.max()) + 1
    halves = random_stream(0, "revealing_features").permutation(len(label)) % 2
    score = np.empty(len(label))
    for half in (0, 1):
        own, other = halves == half, halves != half
        counts = np.bincount(codes[other], minlength=n)
        sums = np.bincount(codes[other], label[other], minlength=n)
        shares = (sums + FULL_WEIGHT * label[other].mean()) / (counts + FULL_WEIGHT)
        score[own] = shares[codes[own]]
    return score
