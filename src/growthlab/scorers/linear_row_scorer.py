"""Linear models of customer tables, including the preparation of their columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from scipy.special import expit

from growthlab.core.array_schema import FLOAT, ArraySchema, Schema
from growthlab.core.errors import BundleError

Link = Literal["identity", "logit", "log"]
INVERSE = {"identity": lambda z: z, "logit": expit, "log": np.exp}


@dataclass(frozen=True)
class Design:
    """From named columns to a matrix without gaps.

    A number becomes sign(x) log(1 + |x|), its median where it is not known, less `mean` and divided
    by `scale`; a text becomes one column of 0 and 1 for each of its `levels` (``channel=web``), all
    0 for a level that was not there at the fit.
    """

    schema: ClassVar[Schema] = {
        "numbers": ArraySchema(dtypes=("text",), shape=("n_numbers",)),
        "median": ArraySchema(dtypes=("float64",), shape=("n_numbers",)),
        "mean": ArraySchema(dtypes=("float64",), shape=("n_numbers",)),
        "scale": ArraySchema(dtypes=("float64",), shape=("n_numbers",), low=1e-12),
        "levels": ArraySchema(dtypes=("text",), shape=("n_levels", 2)),
    }

    numbers: tuple[str, ...]
    median: np.ndarray  # (n_numbers,) after the logarithm
    mean: np.ndarray  # (n_numbers,)
    scale: np.ndarray  # (n_numbers,)
    levels: tuple[tuple[str, str], ...] = ()  # (column, value), grouped by column

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (*self.numbers, *dict.fromkeys(column for column, _ in self.levels))

    def matrix(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """The design, shape ``(n, n_numbers + n_levels)``, float64, finite."""
        logs = [signed_log(table[c]) for c in self.numbers]
        texts = {column: np.asarray(table[column], dtype=str) for column, _ in self.levels}
        scaled = [
            (np.where(np.isnan(x), median, x) - mean) / scale
            for x, median, mean, scale in zip(logs, self.median, self.mean, self.scale, strict=True)
        ]
        flags = [(texts[column] == value).astype(np.float64) for column, value in self.levels]
        return np.column_stack([*scaled, *flags])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Every part, as safe arrays."""
        return {
            "numbers": np.array(self.numbers, dtype=str),
            "median": self.median,
            "mean": self.mean,
            "scale": self.scale,
            "levels": np.array(self.levels, dtype=str).reshape(-1, 2),
        }

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The design that `to_arrays` wrote."""
        return cls(
            tuple(arrays["numbers"].tolist()),
            arrays["median"],
            arrays["mean"],
            arrays["scale"],
            tuple((column, value) for column, value in arrays["levels"].tolist()),
        )


def signed_log(values: np.ndarray) -> np.ndarray:
    """sign(x) log(1 + |x|) in float64: money and counts of all sizes on one scale."""
    x = np.asarray(values, dtype=np.float64)
    return np.sign(x) * np.log1p(np.abs(x))


@dataclass(frozen=True)
class LinearRowScorer:
    """A linear model: the inverse `link` of ``design @ coefficients + intercept``."""

    kind: ClassVar[str] = "linear_row_scorer"
    schema: ClassVar[Schema] = {
        **Design.schema,
        "coefficients": ArraySchema(dtypes=("float64",), shape=("n_numbers+n_levels",)),
        "intercept": ArraySchema(dtypes=FLOAT),
        "link": ArraySchema(dtypes=("text",), values=tuple(INVERSE)),
    }

    design: Design
    coefficients: np.ndarray  # (n_numbers + n_levels,)
    intercept: float
    link: Link

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the design reads."""
        return self.design.columns

    def predict(self, table: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predictions, shape ``(n,)``; see `RowScorer.predict`."""
        return INVERSE[self.link](self.design.matrix(table) @ self.coefficients + self.intercept)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The design and the coefficients."""
        return {
            **self.design.to_arrays(),
            "coefficients": self.coefficients,
            "intercept": np.array(self.intercept),
            "link": np.array(self.link),
        }

    def to_files(self) -> dict[str, bytes]:
        """No files: everything is an array."""
        return {}

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray], files: Mapping[str, bytes]) -> Self:
        """The scorer that `to_arrays` wrote."""
        link = str(arrays["link"])
        if link not in INVERSE:
            raise BundleError(
                f"the link of linear_row_scorer is one of {', '.join(INVERSE)}, not {link}"
            )
        return cls(Design.load(arrays), arrays["coefficients"], float(arrays["intercept"]), link)  # type: ignore[arg-type]
