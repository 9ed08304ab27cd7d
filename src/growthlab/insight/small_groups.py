"""Small groups: withhold or merge them, so that no figure and no difference of figures reveals a few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

OTHERS = "(others)"


def merge_small_segments(labels: pd.Series, least: int) -> tuple[pd.Series, str]:
    """The segment of each customer, with small segments merged, and a sentence that says so.

    Segments of fewer than `least` customers become one, `OTHERS`. Where that is still too small the
    next smallest segment joins it: else the total less all other segments would reveal it. The
    sentence is empty where nothing was small. With fewer than `least` customers all labels are null.
    """
    counts = labels.value_counts()
    small = counts[counts < least]
    if small.empty:
        return labels, ""
    if len(labels) < least:
        no_labels = labels.mask(labels.notna())
        return no_labels, f"There are fewer than {least} customers: nothing is shown."
    large = counts[counts >= least].sort_values(kind="stable")
    merged = list(small.index)
    while counts[merged].sum() < least:
        merged.append(large.index[len(merged) - len(small)])
    names = labels.astype(object).where(~labels.isin(merged), OTHERS)
    why = f"{len(small)} with fewer than {least} customers"
    n_large = len(merged) - len(small)
    also = f", and {n_large} larger with them so that they cannot be worked out" if n_large else ""
    return names, f"Segments put together as {OTHERS}: {why}{also}."


def suppressed_cells(
    counts: np.ndarray, least: int, unions: Sequence[np.ndarray] = (), *, rows: bool = True
) -> np.ndarray:
    """Which cells of a table of counts must be withheld, bool of its shape.

    Those below `least`; and where the hidden cells of a row or column hold some people but fewer
    than `least`, which its total would reveal, its smallest other cell as well. `unions` are further
    sets of cells (bool of the shape) with known totals; `rows` says whether the totals of rows are
    known.
    """
    totals = [np.zeros(counts.shape, bool) for _ in range(sum(counts.shape))]
    for place in range(counts.shape[0]):
        totals[place][place] = rows
    for place in range(counts.shape[1]):
        totals[counts.shape[0] + place][:, place] = True
    return complete_suppression(counts, counts < least, [*totals, *unions], least)


def complete_suppression(
    counts: np.ndarray, hidden: np.ndarray, totals: Sequence[np.ndarray], least: int
) -> np.ndarray:
    """`hidden` with further cells, so that no total less the cells shown is a few people.

    Each of `totals` is a set of cells, bool of the shape of `counts`, whose sum is known.
    """
    hidden, changed = hidden.copy(), True
    while changed:
        changed = False
        for total in totals:
            shown = total & ~hidden
            if 0 < counts[hidden & total].sum() < least and shown.any():
                hidden.flat[np.where(shown, counts, np.inf).argmin()] = True
                changed = True
    return hidden


def suppressed_rows(
    counts: pd.Series, small: pd.Series, totals: Sequence[pd.Series], least: int
) -> pd.Series:
    """`small` with further rows, so that no total less the rows shown is a few people.

    Each series of `totals` names for each row the total that it is a part of (null: none).
    """
    numbers = counts.to_numpy(dtype=np.float64, na_value=0.0)
    known = counts.notna().to_numpy()
    parts = [
        (names == name).to_numpy(dtype=bool) & known
        for names in totals
        for name in names.dropna().unique()
    ]
    return pd.Series(
        complete_suppression(numbers, small.to_numpy(), parts, least), index=small.index
    )


def suppressed_crosstab(
    rows: pd.Series, columns: pd.Series, least: int, unions: Sequence[np.ndarray] = ()
) -> pd.DataFrame:
    """Customers by row and column in long form: row, column, customers (null where withheld).

    Both are categories in their order; pairs without anybody are null as well. For `unions` see
    `suppressed_cells`.
    """
    table = pd.crosstab(rows, columns, dropna=False)
    counts = table.to_numpy(dtype=np.int64)
    shown = pd.DataFrame(counts, index=table.index, columns=table.columns).astype("Int64")
    shown = shown.mask(suppressed_cells(counts, least, unions))
    long = shown.reset_index().melt(
        id_vars=[table.index.name], var_name=str(table.columns.name), value_name="customers"
    )
    categories = {
        axis.name: pd.CategoricalDtype([str(value) for value in axis], ordered=True)
        for axis in (table.index, table.columns)
    }
    texts = long.astype(dict.fromkeys(categories, str)).astype(categories)
    return texts.astype({"customers": "Int64"})
