"""A table of customers, put together from parts without a second copy of all of them."""

from __future__ import annotations

import numpy as np
import pandas as pd


class TableAssembly:
    """`n_rows` rows, filled by parts with the same columns: float64, and texts that become categories."""

    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows
        self._columns: list[str] = []
        self._numbers = np.zeros((0, n_rows))  # (n_columns, n_rows), as pandas holds them
        self._texts: dict[str, list[pd.Series]] = {}

    def add(self, rows: np.ndarray, part: pd.DataFrame) -> None:
        """Fill these rows; the first part decides which columns there are, and their order."""
        texts = [c for c in part if not pd.api.types.is_float_dtype(part[c])]
        numbers = part.drop(columns=texts)
        if not self._columns:
            self._columns = [str(c) for c in part]
            self._numbers = np.full((numbers.shape[1], self._n_rows), np.nan)
            self._texts = {str(c): [] for c in texts}
        for place, column in enumerate(numbers):
            self._numbers[place, rows] = numbers[column].to_numpy()
        for column, pieces in self._texts.items():
            pieces.append(part[column].set_axis(pd.Index(rows)))

    def table(self) -> pd.DataFrame:
        """The whole table."""
        names = [c for c in self._columns if c not in self._texts]
        table = pd.DataFrame(self._numbers.T, columns=names, copy=False)
        for column, pieces in self._texts.items():
            texts = pd.concat(pieces).sort_index().astype("category")
            table.insert(self._columns.index(column), column, texts)
        return table
