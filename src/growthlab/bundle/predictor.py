"""One number for each request: from stored features, the request's own, or the population's mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from growthlab.bundle.answers import (
    ArmChoice,
    Features,
    Prediction,
    PredictRequest,
    PredictServed,
)
from growthlab.core.array_schema import FLOAT, LARGEST, ArraySchema, Schema
from growthlab.core.errors import AnswerError, RequestError, near_matches
from growthlab.core.histories import UNKNOWN
from growthlab.scorers.base import ComparesArms, RowScorer


@dataclass(frozen=True)
class Predictor:
    """Predicts one number a request: from stored features, the request's, or none."""

    fallback_schema: ClassVar[Schema] = {
        "base": ArraySchema(dtypes=FLOAT, low=-LARGEST, high=LARGEST),
        "texts": ArraySchema(dtypes=("text",), shape=("n_texts",)),
    }

    scorer: RowScorer
    base: float  # the mean of the population
    table: Mapping[str, np.ndarray] | None = None  # of known customers, one array a column
    texts: frozenset[str] = frozenset()  # the columns that hold names, not numbers

    def predictions(
        self, requests: Sequence[PredictRequest], places: np.ndarray
    ) -> list[Prediction]:
        """A prediction for each request; `places` are rows of the table or `UNKNOWN`."""
        has_features = np.array([bool(r.features) for r in requests], dtype=bool)
        known = ~has_features & (places != UNKNOWN)
        parts: list[tuple[np.ndarray, Mapping[str, np.ndarray]]] = []
        if known.any():
            assert self.table is not None
            rows = places[known]
            parts.append((known, {c: v[rows] for c, v in self.table.items()}))
        if has_features.any():
            features = [r.features or {} for r in requests if r.features]
            parts.append((has_features, self._columns(features)))
        served = np.where(known, "known", np.where(has_features, "features", "population_fallback"))
        if isinstance(self.scorer, ComparesArms):
            return _choices(self.scorer, parts, served.tolist())
        values = np.full(len(requests), self.base)
        for rows, table in parts:
            values[rows] = self.scorer.predict(table)
        _require_finite(values)
        return [Prediction(v, s) for v, s in zip(values.tolist(), served.tolist(), strict=True)]

    def _columns(self, features: Sequence[Features]) -> dict[str, np.ndarray]:
        """One array a column, NaN or an empty text where a request does not give the feature."""
        names = dict.fromkeys(self.scorer.columns)
        for name in {n for row in features for n in row}:
            if name not in names:
                possible = near_matches(name, names)
                raise RequestError(
                    f"the model has no feature {name}: {possible}",
                    f"the model has no such feature: {possible}",
                )
        columns: dict[str, np.ndarray] = {}
        for name in names:
            values = [row.get(name) for row in features]
            if name in self.texts:
                columns[name] = np.array(["" if v is None else str(v) for v in values], dtype=str)
            else:
                columns[name] = np.array([_number(name, v) for v in values], dtype=np.float64)
        return columns


def _choices(
    scorer: ComparesArms,
    parts: Sequence[tuple[np.ndarray, Mapping[str, np.ndarray]]],
    served: Sequence[PredictServed],
) -> list[Prediction]:
    """The best arm of each request, by the average effects where no table is about it."""
    effects = np.tile(scorer.average, (len(served), 1))
    for rows, table in parts:
        effects[rows] = scorer.effects(table)
    net = scorer.net_values(effects)
    _require_finite(net)
    best, value = net.argmax(axis=1), net.max(axis=1).clip(min=0.0)
    return [
        Prediction(
            v,
            how,
            ArmChoice(
                scorer.arms[arm] if v > 0 else scorer.control,
                dict(zip(scorer.arms, changes, strict=True)),
            ),
        )
        for v, how, arm, changes in zip(
            value.tolist(), served, best.tolist(), effects.tolist(), strict=True
        )
    ]


def _require_finite(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise AnswerError("the model's number is not finite")


def _number(name: str, value: float | int | bool | str | None) -> float:
    """A feature that is a number; NaN where it is not known."""
    if value is None:
        return np.nan
    if isinstance(value, str):
        message = f"feature {name} is a number, got a text"
        raise RequestError(message, message)  # the name is the model's
    return float(value)
