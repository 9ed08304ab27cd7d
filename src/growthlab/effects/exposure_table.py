"""A table of exposures: who met which arm of an experiment, when, and what else is known of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from growthlab.core.errors import DataError, near_matches, quoted
from growthlab.core.file_settings import INPUT_FILE
from growthlab.data.columns import as_ids, as_numbers, as_times
from growthlab.data.raw_tables import read_marked_table
from growthlab.data.readers.files import existing_file
from growthlab.effects.experiment_data import ARM, EXPOSED, USER

MOST_SHOWN = 5  # experiments named in a message


@dataclass(frozen=True, kw_only=True)
class ExposureTable:
    """A file with a row a customer or an exposure; our name of a column -> the file's.

    Parameters
    ----------
    user_id
        null: every row is a customer of its own.
    exposed_at
        When the customer met the experiment; of several exposures to one arm the first counts.
    experiment
        The column that says which experiment a row is of; null: the file holds one.
    outcome_at, features_at
        When outcomes and features of the row were measured, to check that the former lie after the
        exposure and the latter before it.
    """

    path: str | None = field(default=None, metadata=INPUT_FILE)
    user_id: str | None = USER
    arm: str = ARM
    exposed_at: str | None = None
    experiment: str | None = None
    outcome_at: str | None = None
    features_at: str | None = None

    def read(self, experiment: str) -> pd.DataFrame:
        """The rows of an experiment, with `arm`, `user_id` and `exposed_at` where mapped, and the rest.

        Raises
        ------
        DataError
            A column that is missing, no row of the experiment, outcomes from before the exposure, or
            features from after it.
        """
        if self.path is None:
            raise DataError(
                "an experiment needs exposures.path (a table of who met which arm), log= (a "
                "request log), or "
                "data= with timeline.event"
            )
        file = existing_file(self.path, "exposures.path")
        table = read_marked_table(file)
        for setting in ("user_id", "arm", "exposed_at", "experiment", "outcome_at", "features_at"):
            column = getattr(self, setting)
            if column is not None and column not in table:
                hint = "; null: every row is a customer" if setting == "user_id" else ""
                near = near_matches(column, map(str, table))
                raise DataError(
                    f"{file.name} has no column {quoted(column)} (exposures.{setting}): "
                    f"{near}{hint}"
                )
        table = _of_experiment(table, self.experiment, experiment, file)
        mapped = self._mapped(table)
        _check_order(mapped, self)
        own = {self.user_id, self.arm, self.exposed_at, self.experiment, self.outcome_at}
        own |= {self.features_at, ARM, USER, EXPOSED}
        others = {str(name): numbers_or_words(table[name]) for name in table if name not in own}
        frame = pd.DataFrame({**mapped, **others})
        return _first_exposures(frame.drop(columns=["outcome_at", "features_at"], errors="ignore"))

    def _mapped(self, table: pd.DataFrame) -> dict[str, pd.Series]:
        """Our columns."""
        mapped = {ARM: as_ids(table[self.arm].rename(ARM))}
        if self.user_id is not None:
            mapped[USER] = as_ids(table[self.user_id].rename(USER))
        for name in (EXPOSED, "outcome_at", "features_at"):
            column = getattr(self, name)
            if column is not None:
                mapped[name] = as_times(table[column], column)
        return mapped


def numbers_or_words(values: pd.Series) -> pd.Series:
    """The values as numbers where all of them are, else as they are."""
    if pd.api.types.is_bool_dtype(values):
        return values.astype(float)
    if pd.api.types.is_numeric_dtype(values):
        return values
    try:
        return as_numbers(values, str(values.name))
    except DataError:
        return values


def _of_experiment(
    table: pd.DataFrame, column: str | None, experiment: str, file: Path
) -> pd.DataFrame:
    """The rows of an experiment, numbered from 0."""
    if column is not None:
        names = table[column].astype("string")
        there = sorted(names.dropna().unique())
        table = table[(names == experiment).fillna(False).to_numpy()]
        if table.empty:
            near = near_matches(experiment, there, MOST_SHOWN)
            raise DataError(f"name={quoted(experiment)} is no experiment of {file.name}: {near}")
    if table.empty:
        raise DataError(f"{file.name} has no rows")
    return table.reset_index(drop=True)


def _check_order(columns: dict[str, pd.Series], table: ExposureTable) -> None:
    """DataError for outcomes before the exposure, and for features after it."""
    exposed = columns.get(EXPOSED)
    if exposed is None:
        return
    if exposed.isna().any():
        raise DataError(
            f"{int(exposed.isna().sum()):,} of {len(exposed):,} exposures have no time "
            f"({table.exposed_at})"
        )
    if "outcome_at" in columns and (early := columns["outcome_at"] < exposed).any():
        raise DataError(
            f"{int(early.sum()):,} of {len(exposed):,} outcomes ({table.outcome_at}) lie before "
            f"the exposure ({table.exposed_at}): they cannot follow from it"
        )
    if "features_at" in columns and (late := columns["features_at"] > exposed).any():
        raise DataError(
            f"{int(late.sum()):,} of {len(exposed):,} features ({table.features_at}) were "
            f"measured after the exposure ({table.exposed_at}): the experiment may have changed "
            "them"
        )


def _first_exposures(frame: pd.DataFrame) -> pd.DataFrame:
    """The first exposure of each customer to an arm; all rows where times or customers are not known."""
    if USER not in frame or EXPOSED not in frame:
        return frame
    first = frame.sort_values(EXPOSED, kind="stable").drop_duplicates([USER, ARM])
    return first.sort_index().reset_index(drop=True)
