"""LabelledTable: customers with features and a label, where there are no events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from growthlab.core.atomic_write import atomic_folder
from growthlab.core.errors import DataError
from growthlab.core.pseudonyms import NAMES_IN_DATA, PseudonymKey
from growthlab.data.arm_assignment import Assignment
from growthlab.data.privacy import KeptIds

SCHEMA_VERSION = 1
ABOUT, ROWS, FEATURES = "table.json", "rows.parquet", "features.parquet"


@dataclass(frozen=True)
class LabelledTable:
    """One row a customer, or with dates one row a customer and date, sorted by both.

    `features` holds numbers as float64 and texts as categories, as they were at the date. `label` is
    what became of the customer after it: 0 or 1, or an amount; NaN where nobody knows. `parts` are the
    words of a column that says which rows are to train, validate and test. `numbers` are the numbers of
    the rows in the file, from 1, for messages. `kept` are the features that somebody chose to keep
    although they look like no feature. User ids are raw, or pseudonyms by the key of `key_fingerprint`.
    `assignment` says which arm of a randomised experiment each row was given; None: there was none.
    """

    name: str
    file: str
    label_column: str
    user_ids: np.ndarray  # (n,) str
    label: np.ndarray  # (n,) float64
    features: pd.DataFrame
    numbers: np.ndarray  # (n,) int64
    dates: np.ndarray | None = None  # (n,) datetime64[us]
    parts: np.ndarray | None = None  # (n,) str
    kept: tuple[str, ...] = ()
    cleaning: Sequence[Mapping[str, Any]] = ()
    key_fingerprint: str | None = None
    assignment: Assignment | None = None

    def __len__(self) -> int:
        return len(self.user_ids)

    @property
    def n_users(self) -> int:
        """The number of customers."""
        return len(np.unique(self.user_ids))

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of rows, customers and features."""
        return {"rows": len(self), "customers": self.n_users, "features": self.features.shape[1]}

    def summary(self) -> str:
        """What the table holds, for people: its size, its label, and which features are numbers and texts."""
        counts = ", ".join(f"{n:,} {what}" for what, n in self.counts.items())
        lines = [f"{counts}; {self.label_column} has a mean of {self.label.mean():.4g}"]
        texts = {n for n, v in self.features.items() if isinstance(v.dtype, pd.CategoricalDtype)}
        for kind, is_kind in (("numbers", False), ("texts", True)):
            names = [str(n) for n in self.features if (n in texts) == is_kind]
            lines += [f"{kind}: {', '.join(names)}"] if names else []
        return "\n".join(lines)

    def select(self, rows: np.ndarray) -> Self:
        """The given rows: a mask, or places in their order."""
        return replace(
            self,
            user_ids=self.user_ids[rows],
            label=self.label[rows],
            features=self.features.iloc[
                np.flatnonzero(rows) if rows.dtype == bool else rows
            ].reset_index(drop=True),
            numbers=self.numbers[rows],
            dates=None if self.dates is None else self.dates[rows],
            parts=None if self.parts is None else self.parts[rows],
            assignment=None if self.assignment is None else self.assignment.select(rows),
        )

    def newest(self) -> Self:
        """The newest row of each customer."""
        last = np.append(self.user_ids[1:] != self.user_ids[:-1], True)
        return self if last.all() else self.select(last)

    def with_pseudonyms(self, key: PseudonymKey, kept: KeptIds | None = None) -> Self:
        """The same table with keyed pseudonyms for user ids; the raw ones go to `kept`.

        Raises
        ------
        ConfigError
            The raw ids cannot be kept.
        """
        names = key.pseudonyms(NAMES_IN_DATA, self.user_ids)
        if kept is not None:
            pairs = pa.table({"pseudonym": names.tolist(), "user_id": self.user_ids.tolist()})
            with duckdb.connect() as connection:
                connection.register("pairs", pairs)
                kept.add(connection, "pairs")
        order = np.lexsort((*(() if self.dates is None else (self.dates,)), names))
        renamed = replace(self, user_ids=names, key_fingerprint=key.fingerprint)
        return renamed.select(order)

    def place(self, row: int) -> str:
        """Where a row stands in the file, for messages: ``telecom.csv, row 17``."""
        return f"{self.file}, row {self.numbers[row]}"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content: ids, labels, dates, parts, arms and features."""
        total = hashlib.sha256()
        for name, values in self._columns().items():
            total.update(f"{name}:{values.dtype.kind}:".encode())
            total.update(
                "\x1f".join(values.tolist()).encode()
                if values.dtype.kind == "U"
                else np.ascontiguousarray(values).tobytes()
            )
        return total.hexdigest()

    def _columns(self) -> dict[str, np.ndarray]:
        """Every column as an array without objects."""
        columns = {"user_id": self.user_ids, "label": self.label}
        columns |= {n: v for n, v in (("date", self.dates), ("split", self.parts)) if v is not None}
        columns |= {} if self.assignment is None else self.assignment.columns()
        for name, values in self.features.items():
            is_text = isinstance(values.dtype, pd.CategoricalDtype)
            plain = (
                values.astype(object).where(values.notna(), "").astype(str) if is_text else values
            )
            columns[f"feature {name}"] = plain.to_numpy(dtype=str if is_text else np.float64)
        return columns

    def save(self, folder: Path) -> Self:
        """Write the table to the folder, replacing what is there in one step.

        Raises
        ------
        DataError
            It cannot be written, as on a full disk.
        """
        rows = {"user_id": self.user_ids, "label": self.label, "number": self.numbers}
        rows |= {n: v for n, v in (("date", self.dates), ("split", self.parts)) if v is not None}
        rows |= {} if self.assignment is None else self.assignment.columns()
        about = {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "file": self.file,
            "label_column": self.label_column,
            "kept": list(self.kept),
            "key_fingerprint": self.key_fingerprint,
            "cleaning": list(self.cleaning),
            "assignment": None if self.assignment is None else self.assignment.about(),
        }
        try:
            with atomic_folder(Path(folder)) as new:
                pd.DataFrame(rows).to_parquet(new / ROWS, index=False)
                self.features.to_parquet(new / FEATURES, index=False)
                (new / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
        except OSError as error:
            raise DataError(f"{folder} cannot be written: {error}") from error
        return self

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The table that `save` wrote to the folder; DataError where it is damaged."""
        try:
            about = json.loads((Path(folder) / ABOUT).read_text(encoding="utf-8"))
            if about.pop("schema_version", None) != SCHEMA_VERSION:
                raise DataError(f"{folder} has another format version")
            rows = pd.read_parquet(Path(folder) / ROWS)
            features = pd.read_parquet(Path(folder) / FEATURES)
        except (OSError, ValueError, pa.ArrowException) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{folder} is damaged ({str(error).splitlines()[0]})") from None
        assigned = about.pop("assignment", None)
        return cls(
            user_ids=rows["user_id"].to_numpy(dtype=str),
            label=rows["label"].to_numpy(dtype=np.float64),
            numbers=rows["number"].to_numpy(dtype=np.int64),
            dates=rows["date"].to_numpy(dtype="datetime64[us]") if "date" in rows else None,
            parts=rows["split"].to_numpy(dtype=str) if "split" in rows else None,
            features=features,
            kept=tuple(about.pop("kept")),
            assignment=None if assigned is None else Assignment.of_columns(rows, assigned),
            **about,
        )
