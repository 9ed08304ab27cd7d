"""Permutation importance: how much worse a model gets when one feature is shuffled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from growthlab.core.seeding import random_stream
from growthlab.features.examples import STEPS, Examples
from growthlab.features.step_facts import FACTS
from growthlab.models.base import Estimator

REPEATS = 2
MOST_ROWS = 1000  # a sample of the customers is enough for an order of features


def permutation_importance(
    model: Estimator, examples: Examples, metric: Any, *, seed: int = 0
) -> pd.DataFrame:
    """How much worse `metric` gets when a column is shuffled among the customers, largest first.

    Columns: ``feature``, ``importance`` (mean over shuffles, in units of the metric; below 0 only by
    chance), ``sd``; features that the model does not use are left out. A feature of the event steps
    is shuffled for all steps of a customer together. Correlated features share their importance:
    each alone may look unimportant. Empty where the metric is not defined. Breiman, Random Forests,
    Machine Learning 2001.
    """
    random = random_stream(seed, "importance", len(examples))
    if len(examples) > MOST_ROWS:
        examples = examples.select(random.choice(len(examples), MOST_ROWS, replace=False))
    sign = 1.0 if metric.larger_is_better else -1.0
    prediction = model.predict(examples)
    base = metric(examples.truth, prediction)
    features = [str(c) for c in examples.table]
    features += [STEPS + fact for fact in FACTS] if examples.has_steps else []
    rows = []
    for feature in features if np.isfinite(base) else []:
        shuffled = [
            model.predict(examples.permuted(feature, random.permutation(len(examples))))
            for _ in range(REPEATS)
        ]
        if any((p != prediction).any() for p in shuffled):
            losses = [sign * (base - metric(examples.truth, p)) for p in shuffled]
            rows.append((feature, float(np.mean(losses)), float(np.std(losses))))
    table = pd.DataFrame(rows, columns=["feature", "importance", "sd"])
    return table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)
