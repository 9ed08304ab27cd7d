"""Outcome: the result of one model and seed on one fold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from growthlab.training.learned_state import WarmStart


class Estimate(NamedTuple):
    """A metric with its 95 % bounds (NaN where the metric has none)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ModelEvaluation:
    """One fitted model evaluated on one future; the fields are as in `Outcome`."""

    values: dict[str, Estimate]
    per_user: pd.DataFrame
    strata: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    score_seconds: float
    coverage: float
    rough: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Outcome:
    """A fitted model with its evaluation.

    `valid` are the metrics on the validation window, by which everything is chosen, `test` those
    after the cutoff. `per_user` has ``user_id`` and one column per per-user metric (for tasks other
    than ranking: the predictions); `strata` has the columns stratum, metric, value, low, high,
    n_users. `tables` are logged as Parquet: recommendations and truth, or predictions. `curves` are
    values per epoch, from epoch 1.
    """

    model: Any
    name: str  # the model's yaml name without its family: item_knn
    seed: int
    valid: dict[str, float]
    test: dict[str, Estimate]
    per_user: pd.DataFrame
    strata: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    fit_seconds: float
    score_seconds: float
    peak_memory_mb: float
    coverage: float  # share of users (or customers) whom the model itself could score
    rough: frozenset[str] = frozenset()  # test metrics with rough bounds, see `is_rough`
    n_deciding: float = math.nan  # customers who decided on the validation window; NaN: not counted
    fit_cpu_seconds: float | None = None  # None where it was not measured
    epochs: int | None = None
    device: str = "cpu"  # on which a network was fitted
    curves: dict[str, list[float]] = field(default_factory=dict)
    scorer: Any = None  # what a bundle carries; None where the model cannot be exported
    why_not_exportable: str = ""
    learned: WarmStart | None = None  # the state from which a later run can continue
