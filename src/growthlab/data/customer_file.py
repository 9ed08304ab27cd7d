"""A table of customers with a label and no events, from a file."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.file_settings import INPUT_FILE
from growthlab.core.pseudonyms import PSEUDONYM
from growthlab.data.cleaning_report import frame_report_row
from growthlab.data.columns import as_ids, as_times
from growthlab.data.feature_columns import chosen_columns, feature_columns, known_columns
from growthlab.data.label_values import label_values
from growthlab.data.labelled_table import ABOUT, LabelledTable
from growthlab.data.personal_columns import HASH, check_decisions, decided_table, refuse_undecided
from growthlab.data.raw_tables import read_table, rename_columns
from growthlab.data.readers.files import existing_file
from growthlab.data.readers.open_table import FileFormat
from growthlab.data.source import DataSource

COLUMNS = ("user_id", "label", "date", "split")


@dataclass(frozen=True, kw_only=True)
class CustomerFile(DataSource[LabelledTable]):
    """Customers with features and what became of them: one row each, or one row each and date.

    Without a column of ids the customers are the numbers of their rows, from 1. All columns that have
    no other role are features, and a column that cannot be one is an error that names it: a single
    value, another one in every row, more than 100 texts.

    Parameters
    ----------
    path
        A file of any kind that `open_table` reads.
    columns
        Our name -> the file's. A name mapped to null is the same in the file, if it has the column;
        `label` is required. `date`: as of when the features of a row are. `split`: train, valid or
        test.
    positive
        The word of the label that counts as 1, and every other as 0; null: see `label_values`.
    drop_unlabelled
        Whether to drop rows without a label; otherwise they are an error.
    features, leave_out, keep
        Columns that are features (null: all that are left), columns that are not, and columns that are
        read although they look like no feature or give the label away.
    horizon_days
        How long after its date a label is about: a row teaches only what was known by the cutoff. Null:
        every earlier row.
    personal_data
        What becomes of columns with e-mail addresses, phone numbers, names, addresses, IP addresses or
        free text: ``drop``, ``hash`` or ``allow``. Without it they are an error.
    """

    name: ClassVar[str] = "customer_table"
    roles: ClassVar[tuple[str, ...]] = COLUMNS  # the names of `columns`
    prepared: ClassVar[str] = ABOUT
    default_split: ClassVar[str | None] = "customers"
    path: str | None = field(default=None, metadata=INPUT_FILE)
    columns: Mapping[str, str | None] = field(default_factory=dict)
    user_ids: str = PSEUDONYM
    personal_data: Mapping[str, str] | None = None
    positive: str | int | float | bool | None = None
    drop_unlabelled: bool = False
    features: list[str] | None = None
    leave_out: list[str] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)
    timestamp_format: str | None = None
    separator: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        check_decisions(self.personal_data or {})
        for ours in self.columns:
            if ours not in self.roles:
                raise ConfigError(f"data.columns has no {ours!r}: {near_matches(ours, self.roles)}")

    def input_files(self) -> list[Path]:
        """The one file."""
        if not self.path:
            raise DataError(
                f"data={self.name} needs data.path=FILE.csv (or .parquet) with a row a customer, and "
                "data.columns.label=COLUMN where the outcome is not called label"
            )
        return [existing_file(self.path)]

    @property
    def hashes(self) -> bool:
        """See `DataSource.hashes`."""
        return HASH in (self.personal_data or {}).values()

    def open(self, folder: Path) -> LabelledTable:
        """See `DataSource.open`."""
        return LabelledTable.open(folder)

    def read(self) -> LabelledTable:
        """The table, sorted by customer and date; DataError names the wrong file, column and row."""
        table, path = self._raw()
        try:
            return self._labelled(table, path)
        except DataError as error:
            raise DataError(f"{path.name}: {error}") from None

    def customers(self, columns: Sequence[str], texts: Collection[str]) -> LabelledTable:
        """See `ReadsCustomers.customers`; the label is NaN, whether the file has one or not."""
        table, path = self._raw()
        names = {ours: self.columns.get(ours) for ours in ("user_id", "date")}
        try:
            roles = rename_columns(table, names, path)
            rows = self._rows(roles, pd.Series(np.nan, index=table.index))
            _refuse_duplicates(rows)
            rows = rows.sort_values([c for c in ("user_id", "date") if c in rows], kind="stable")
            read = known_columns(decided_table(table, self.personal_data or {}), columns, texts)
            return self._table(rows, read, path, "", []).newest()
        except DataError as error:
            raise DataError(f"{path.name}: {error}") from None

    def _raw(self) -> tuple[pd.DataFrame, Path]:
        """The file as it is, and its path."""
        (path,) = self.input_files()
        table = read_table(path, FileFormat(separator=self.separator, encoding=self.encoding))
        if not len(table):
            raise DataError(f"{path} has no rows below its header")
        table.columns = table.columns.map(str)
        return table, path

    def _labelled(self, table: pd.DataFrame, path: Path) -> LabelledTable:
        names = {ours: self.columns.get(ours) for ours in COLUMNS}
        label_column = names["label"] or "label"
        if label_column not in table:
            raise DataError(
                f"no column {label_column!r} of labels: name it with data.columns.label=COLUMN: "
                f"{near_matches(label_column, list(table.columns))}"
            )
        roles = rename_columns(table, {**names, "label": label_column}, path)
        label = pd.Series(
            label_values(roles["label"], label_column, _word(self.positive)), index=table.index
        )
        features = table.drop(columns=[names[str(ours)] or str(ours) for ours in roles])
        features = features[chosen_columns(features, self.features, self.leave_out, self.keep)]
        decisions = self.personal_data or {}
        refuse_undecided(features, decisions, self.leave_out)
        features = decided_table(features, decisions)
        rows = self._rows(roles, label)
        if "split" in roles:
            rows["split"] = roles["split"].astype(object).where(roles["split"].notna(), "").map(str)
        rows, report = self._with_labels(rows, label_column)
        _refuse_duplicates(rows)
        if rows["label"].nunique() < 2:
            raise DataError(
                f"the label {label_column} is {rows['label'].iloc[0]:g} in all of {len(rows):,} rows: "
                "there is nothing to learn"
            )
        rows = rows.sort_values([c for c in ("user_id", "date") if c in rows], kind="stable")
        one_each = table.index.isin(rows.index[~rows["user_id"].duplicated()])
        hint = (
            "" if "user_id" in roles else "; the ids of customers are data.columns.user_id=COLUMN"
        )
        read = feature_columns(features, one_each, self.keep, hint)
        return self._table(rows, read, path, label_column, report)

    def _rows(self, roles: pd.DataFrame, label: pd.Series) -> pd.DataFrame:
        """Id, label, number and date of each row."""
        number = pd.Series(np.arange(1, len(roles) + 1), index=label.index)
        ids = _ids(roles, number)
        rows = pd.DataFrame({"user_id": ids, "label": label, "number": number})
        if "date" in roles:
            rows["date"] = self._dates(roles["date"], self.columns.get("date") or "date")
        return rows

    def _table(
        self,
        rows: pd.DataFrame,
        features: pd.DataFrame,
        path: Path,
        label_column: str,
        report: list[Mapping[str, Any]],
    ) -> LabelledTable:
        """The sorted rows with their features."""
        return LabelledTable(
            name=re.sub(r"[^\w.-]+", "_", path.stem),
            file=path.name,
            label_column=label_column,
            user_ids=rows["user_id"].to_numpy(dtype=str),
            label=rows["label"].to_numpy(dtype=np.float64),
            features=features.loc[rows.index].reset_index(drop=True),
            numbers=rows["number"].to_numpy(dtype=np.int64),
            dates=rows["date"].to_numpy(dtype="datetime64[us]") if "date" in rows else None,
            parts=rows["split"].to_numpy(dtype=str) if "split" in rows else None,
            kept=tuple(self.keep),
            cleaning=report,
        )

    def _dates(self, values: pd.Series, column: str) -> pd.Series:
        times = as_times(values, column, format=self.timestamp_format)
        if times.isna().any():
            raise DataError(f"row {int(times.isna().to_numpy().argmax()) + 1}: no {column}")
        return times

    def _with_labels(
        self, rows: pd.DataFrame, column: str
    ) -> tuple[pd.DataFrame, list[Mapping[str, Any]]]:
        """The rows that have a label, and the report of those that were dropped."""
        missing = rows["label"].isna()
        if not missing.any():
            return rows, []
        if not self.drop_unlabelled:
            raise DataError(
                f"row {int(missing.to_numpy().argmax()) + 1}: no label {column} ({missing.sum():,} of "
                f"{len(rows):,} rows have none): drop them with data.drop_unlabelled=true"
            )
        labelled = rows[~missing]
        if not len(labelled):
            raise DataError(f"no row has a label {column}")
        why = "drop_unlabelled: a row without an outcome neither teaches nor tests"
        return labelled, [frame_report_row("no label", why, rows, labelled)]


def _word(positive: str | float | bool | None) -> str | None:
    """The word of ``data.positive``, which YAML may read as a number or as true."""
    return None if positive is None else str(positive)


def _ids(roles: pd.DataFrame, number: pd.Series) -> pd.Series:
    """The ids of customers, or the numbers of their rows."""
    if "user_id" not in roles:
        return number.map(str)
    ids = as_ids(roles["user_id"])
    if ids.isna().any():
        row, n = int(ids.isna().to_numpy().argmax()) + 1, int(ids.isna().sum())
        raise DataError(f"row {row}: no id of a customer ({n:,} of {len(ids):,} rows have none)")
    return ids


def _refuse_duplicates(rows: pd.DataFrame) -> None:
    """DataError for a customer with two rows, or two of one date."""
    key = [c for c in ("user_id", "date") if c in rows]
    twice = rows.duplicated(key).to_numpy()
    if not twice.any():
        return
    row = rows.iloc[int(twice.argmax())]
    first = rows[(rows[key] == row[key]).all(axis=1)].iloc[0]
    way_out = (
        "keep one row a customer and date"
        if "date" in rows
        else "keep one row a customer, or say as of when each row is with data.columns.date=COLUMN"
    )
    raise DataError(
        f"row {row['number']}: the customer {row['user_id']} is in row {first['number']} already "
        f"({twice.sum():,} such rows): {way_out}"
    )
