"""From a fold of a customer table to labelled customers: its rows are the examples."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import pandas as pd

from growthlab.core.errors import DataError
from growthlab.data.feature_columns import setting
from growthlab.data.labelled_table import LabelledTable
from growthlab.features.examples import Examples
from growthlab.split.fold import TableFold
from growthlab.tasks.revealing_features import revealing_features
from growthlab.tasks.snapshots import CustomerData

log = logging.getLogger(__name__)

Labels = Callable[[LabelledTable], np.ndarray]  # a table -> the outcome of each row


def table_data(fold: TableFold, labels: Labels, *, task_label: str) -> CustomerData:
    """The rows of the past as training examples, those of the future to evaluate.

    `present` is the newest row of every customer of both. Models see the texts of the past only.

    Raises
    ------
    DataError
        All labels of the past are the same, or a feature alone gives the label away and was not named
        in ``data.keep``.
    """
    train, evaluated = (_examples(part, fold, labels) for part in (fold.past, fold.future))
    assert train.target is not None
    if np.ptp(train.target) == 0:
        raise DataError(
            f"{fold.past.file}: the label {fold.past.label_column} is {train.target[0]:g} in all of "
            f"{len(train):,} rows to learn from: there is nothing to learn"
        )
    _refuse_revealing(revealing_features(train, evaluated), fold.past)
    past = train.select(np.flatnonzero(_newest_rows(fold.past.user_ids)))
    of_past_only = np.flatnonzero(~np.isin(past.user_ids, evaluated.user_ids))
    present = Examples.concat([evaluated, past.select(of_past_only)])
    known = train.table.apply(_with_known_texts)
    train = Examples(
        known,
        train.user_ids,
        train.snapshots,
        train.horizon_days,
        target=train.target,
        present=Examples(present.table, present.user_ids, present.snapshots, present.horizon_days),
    )
    log.info("%s: %d examples, %d to evaluate", task_label, len(train), len(evaluated))
    return CustomerData(train, evaluated, float(train.labels(task_label).mean()))


def _examples(table: LabelledTable, fold: TableFold, labels: Labels) -> Examples:
    """The rows with their outcomes."""
    dates = table.dates
    if dates is None:
        dates = np.full(len(table), np.datetime64("NaT", "us"))
    days = np.nan if fold.horizon is None else fold.horizon / timedelta(days=1)
    return Examples(table.features, table.user_ids, dates, days, target=labels(table))


def _newest_rows(user_ids: np.ndarray) -> np.ndarray:
    """A mask of the last row of each customer, where rows are sorted by customer."""
    return np.append(user_ids[1:] != user_ids[:-1], True)


def _with_known_texts(values: pd.Series) -> pd.Series:
    """A category without the texts that no row has."""
    is_text = isinstance(values.dtype, pd.CategoricalDtype)
    return values.cat.remove_unused_categories() if is_text else values


def _refuse_revealing(names: Sequence[str], table: LabelledTable) -> None:
    for name in names:
        if name in table.kept:
            log.warning("feature %s alone gives the label away: is it from the future?", name)
    found = [name for name in names if name not in table.kept]
    if found:
        what = "columns that each alone give" if len(found) > 1 else "a column that alone gives"
        raise DataError(
            f"{table.file} has {what} the label {table.label_column} away, as if written after it: "
            f"{', '.join(found)}; leave out with {setting('leave_out', found)}, or read all the same "
            f"with {setting('keep', found)}"
        )
