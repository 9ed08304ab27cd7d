"""A churn model and the calibration map of its probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from scipy.special import expit, logit

from growthlab.core.array_schema import FLOAT, ArraySchema, Schema
from growthlab.core.errors import BundleError
from growthlab.scorers.base import RowScorer
from growthlab.scorers.nested_scorers import (
    files_of_members,
    load_nested,
    nested_arrays,
    nested_schema,
)

Method = Literal["isotonic", "platt"]
METHODS: tuple[Method, ...] = ("isotonic", "platt")
NARROW = 1e-9  # probabilities are clipped to this distance from 0 and 1


@dataclass(frozen=True)
class CalibrationMap:
    """A strictly increasing map from predicted to calibrated probabilities.

    ``isotonic``: linear between the knots ``(x, y)``. ``platt``: expit(y[0] + y[1] logit(p)); `x`
    is empty.
    """

    method: Method
    x: np.ndarray  # (n_knots,) increasing, from 0 to 1
    y: np.ndarray  # (n_knots,), or intercept and slope

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            possible = " and ".join(METHODS)
            raise BundleError(f"there is no calibration {self.method!r}: possible are {possible}")
        n_values = 2 if self.method == "platt" else len(self.x)
        if len(self.y) != n_values or (self.method == "isotonic" and not n_values):
            raise BundleError(
                f"the calibration {self.method} has {len(self.x)} knots and {len(self.y)} values"
            )

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, shape of `p`, float64."""
        if self.method == "isotonic":
            return np.interp(p, self.x, self.y)
        calibrated = expit(self.y[0] + self.y[1] * logit(np.clip(p, NARROW, 1 - NARROW)))
        return np.clip(calibrated, NARROW, 1 - NARROW)

    def to_json(self) -> dict[str, Any]:
        """Plain values, which `from_json` turns into the same map."""
        return {"method": self.method, "x": self.x.tolist(), "y": self.y.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The map that `to_json` wrote."""
        return cls(values["method"], np.array(values["x"], float), np.array(values["y"], float))


@dataclass(frozen=True)
class CalibratedRowScorer:
    """The probabilities of `model`, corrected by `calibration`."""

    kind: ClassVar[str] = "calibrated_row_scorer"
    schema: ClassVar[Schema] = {
        "method": ArraySchema(dtypes=("text",), values=METHODS),
        "x": ArraySchema(dtypes=FLOAT, shape=("n_knots",), low=0, high=1, order="increasing"),
        "y": ArraySchema(dtypes=FLOAT, shape=("n_parameters",), nonempty=True),
        **nested_schema("model"),
    }

    model: RowScorer
    calibration: CalibrationMap

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the model reads."""
        return self.model.columns

    def predict(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predictions, shape ``(n,)``; see `RowScorer.predict`."""
        return self.calibration(self.model.predict(table))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The map, and the arrays of the model."""
        own = {
            "method": np.array(self.calibration.method),
            "x": self.calibration.x,
            "y": self.calibration.y,
        }
        return {**own, **nested_arrays({"model": self.model})}

    def to_files(self) -> dict[str, bytes]:
        """The model's files."""
        return files_of_members({"model": self.model})

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` and `to_files` wrote."""
        calibration = CalibrationMap(str(arrays["method"]), arrays["x"], arrays["y"])  # type: ignore[arg-type]
        return cls(load_nested(arrays, files, "predict")["model"], calibration)
