"""TF-IDF and BM25 on a user-item matrix: rare features weigh more than common ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix

from growthlab.core.array_schema import FLOAT, ArraySchema, Schema
from growthlab.core.errors import ConfigError, near_matches

METHODS = ("none", "tf_idf", "bm25")
K1 = 1.2  # BM25's saturation and length normalisation, as usual in text retrieval
B = 0.75


@dataclass(frozen=True)
class FeatureWeighting:
    """Weights for the entries x of a matrix of N rows, of which df hold the entry's feature.

    ``idf = ln(1 + (N - df + 0.5) / (df + 0.5))``. tf_idf: ``x idf``. bm25 (Robertson & Zaragoza,
    FnTIR 2009): ``idf x (k1 + 1) / (x + k1 (1 - b + b size / average size))``, where the size of a
    row is the sum of its entries.
    """

    schema: ClassVar[Schema] = {
        "weighting": ArraySchema(dtypes=("text",), values=METHODS),
        "idf": ArraySchema(dtypes=("float32",), shape=("n_features",), low=0),
        "average_size": ArraySchema(dtypes=FLOAT, low=0),
    }

    method: str
    idf: np.ndarray  # (n_features,) float32
    average_size: float

    @classmethod
    def fit(cls, method: str, matrix: csr_matrix) -> Self:
        """The weights estimated from the rows of `matrix`."""
        check_method(method)
        df = np.bincount(matrix.indices, minlength=matrix.shape[1])
        idf = np.log1p((matrix.shape[0] - df + 0.5) / (df + 0.5)).astype(np.float32)
        return cls(method, idf, float(matrix.sum() / max(matrix.shape[0], 1)))

    def __call__(self, matrix: csr_matrix) -> csr_matrix:
        """A weighted copy of a matrix with the same features; its rows may be new."""
        if self.method == "none":
            return matrix
        values = matrix.data * self.idf[matrix.indices]
        if self.method == "bm25":
            size_term = np.repeat(self._size_term(matrix), np.diff(matrix.indptr))
            values = values * (K1 + 1) / (matrix.data + size_term)
        csr = (values.astype(np.float32), matrix.indices, matrix.indptr)
        return csr_matrix(csr, shape=matrix.shape)

    def row_factors(self, matrix: csr_matrix) -> np.ndarray:
        """The factor of an entry of 1 due to its row, without idf; shape ``(n_rows,)``."""
        if self.method != "bm25":
            return np.ones(matrix.shape[0])
        return (K1 + 1) / (1 + self._size_term(matrix))

    def _size_term(self, matrix: csr_matrix) -> np.ndarray:
        sizes = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
        return K1 * (1 - B + B * sizes / max(self.average_size, np.finfo(float).tiny))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The method's name, the idf of every feature and the average size."""
        return {
            "weighting": np.array(self.method),
            "idf": self.idf,
            "average_size": np.array(self.average_size, dtype=np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The weights that `to_arrays` wrote."""
        return cls(str(arrays["weighting"]), arrays["idf"], float(arrays["average_size"]))


def check_method(method: str) -> None:
    """ConfigError for an unknown method."""
    if method not in METHODS:
        raise ConfigError(f"there is no weighting {method!r}: {near_matches(method, METHODS)}")
