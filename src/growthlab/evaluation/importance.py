"""Permutation importance: what a model loses where one feature says nothing any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from growthlab.core.errors import ExportError
from growthlab.core.seeding import stream
from growthlab.features.event_steps import FACTS, NAMES
from growthlab.features.examples import Examples
from growthlab.models.base import Estimator

REPEATS = 2
MOST_ROWS = 1000  # a sample of the customers is enough for an order of features

Predict = Callable[[Mapping[str, np.ndarray]], np.ndarray]


def permutation_importance(
    model: Estimator, examples: Examples, metric: Any, *, seed: int = 0
) -> pd.DataFrame:
    """By how much `metric` gets worse where a column is shuffled among the customers, largest first.

    Columns: ``feature``, ``importance`` (mean over shuffles, in units of the metric; below 0 by
    chance only), ``sd``. A fact of the event steps is shuffled in all steps of a customer together.
    Features that say the same share what they say: each alone may look unimportant. Empty where the
    metric is not defined. Breiman, Random Forests, Machine Learning 2001.
    """
    random = stream(seed, "importance", len(examples))
    if len(examples) > MOST_ROWS:
        examples = examples.select(random.choice(len(examples), MOST_ROWS, replace=False))
    assert examples.target is not None
    predict, columns = _asked(model, examples)
    sign = 1.0 if metric.larger_is_better else -1.0
    base = metric(examples.target, predict(columns))
    if not np.isfinite(base):
        return pd.DataFrame({"feature": [], "importance": [], "sd": []})
    rows = []
    for feature, members in _features_of(columns).items():
        losses = []
        for _ in range(REPEATS):
            order = random.permutation(len(examples))
            shuffled = {c: columns[c][order] for c in members}
            losses.append(sign * (base - metric(examples.target, predict({**columns, **shuffled}))))
        rows.append((feature, float(np.mean(losses)), float(np.std(losses))))
    found = pd.DataFrame(rows, columns=["feature", "importance", "sd"])
    return found.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def _asked(model: Any, examples: Examples) -> tuple[Predict, dict[str, np.ndarray]]:
    """A function from columns to predictions, and the columns: as the exported model, or the table's."""
    try:
        scorer = model.scorer()
    except (AttributeError, ExportError):
        table = {str(c): examples.table[c].array for c in examples.table}
        return lambda columns: model.predict(replace(examples, table=pd.DataFrame(columns))), table
    return scorer.predict, {c: examples.column(c).to_numpy() for c in scorer.columns}


def _features_of(columns: Mapping[str, Any]) -> dict[str, list[str]]:
    """The columns that are shuffled together, by the name of the feature."""
    features: dict[str, list[str]] = {}
    steps = set(NAMES)
    for column in columns:
        fact = column.partition("_")[2] if column in steps else ""
        features.setdefault(f"steps: {fact}" if fact in FACTS else column, []).append(column)
    return features
