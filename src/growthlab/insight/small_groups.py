"""Small groups: what is done so that no reported segment, and no difference of two, is a few people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

OTHERS = "(others)"


def grouped(labels: pd.Series, least: int) -> tuple[pd.Series, str]:
    """The segment of each customer with small segments put together, and a sentence that says so.

    Segments of fewer than `least` customers become one, `OTHERS`. Where that is still too small the
    next smallest segment joins it, so that the rest of a known total is never a few people either.
    The sentence is empty where nothing was small. Where all are fewer than `least`, all are null.
    """
    counts = labels.value_counts()
    small = counts[counts < least]
    if small.empty:
        return labels, ""
    if len(labels) < least:
        return labels.mask(
            labels.notna()
        ), f"There are fewer than {least} customers: nothing is shown."
    rest = counts[counts >= least].sort_values(kind="stable")
    joined = list(small.index)
    while counts[joined].sum() < least:
        joined.append(rest.index[len(joined) - len(small)])
    names = labels.astype(object).where(~labels.isin(joined), OTHERS)
    why = f"{len(small)} with fewer than {least} customers"
    more = len(joined) - len(small)
    also = f", and {more} larger with them so that they cannot be worked out" if more else ""
    return names, f"Segments put together as {OTHERS}: {why}{also}."


def hidden_cells(
    counts: np.ndarray, least: int, unions: Sequence[np.ndarray] = (), *, rows: bool = True
) -> np.ndarray:
    """Which cells of a table of counts may not be shown, bool of its shape.

    Those below `least`; and where the hidden cells of a row or column hold some people but fewer
    than `least`, who could be worked out from its total, its smallest shown cell as well. `unions`
    are further sets of cells (bool of the shape) with known totals; `rows` says whether the totals
    of rows are known.
    """
    known = [np.zeros(counts.shape, bool) for _ in range(sum(counts.shape))]
    for place in range(counts.shape[0]):
        known[place][place] = rows
    for place in range(counts.shape[1]):
        known[counts.shape[0] + place][:, place] = True
    return completed(counts, counts < least, [*known, *unions], least)


def completed(
    counts: np.ndarray, hidden: np.ndarray, totals: Sequence[np.ndarray], least: int
) -> np.ndarray:
    """`hidden`, and what must go with it so that no total less what is shown is a few people.

    `totals` are sets of cells, bool of the shape of `counts`, whose sums are known.
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


def rest_of_totals(
    counts: pd.Series, few: pd.Series, sums: Sequence[pd.Series], least: int
) -> pd.Series:
    """`few`, and the rows that must go with them: `completed`, where each of `sums` names the total
    that a row is a part of (null: none)."""
    numbers = counts.to_numpy(dtype=np.float64, na_value=0.0)
    known = counts.notna().to_numpy()
    totals = [
        (by == name).to_numpy(dtype=bool) & known for by in sums for name in by.dropna().unique()
    ]
    return pd.Series(completed(numbers, few.to_numpy(), totals, least), index=few.index)


def crossed(
    rows: pd.Series, columns: pd.Series, least: int, unions: Sequence[np.ndarray] = ()
) -> pd.DataFrame:
    """How many customers are in each row and column, long: row, column, customers (null if hidden).

    Both are categories in their order; pairs without anybody have a null as well. For `unions` see
    `hidden_cells`.
    """
    table = pd.crosstab(rows, columns, dropna=False)
    counts = table.to_numpy(dtype=np.int64)
    shown = pd.DataFrame(counts, index=table.index, columns=table.columns).astype("Int64")
    shown = shown.mask(hidden_cells(counts, least, unions))
    long = shown.reset_index().melt(
        id_vars=[table.index.name], var_name=str(table.columns.name), value_name="customers"
    )
    kinds = {
        axis.name: pd.CategoricalDtype([str(value) for value in axis], ordered=True)
        for axis in (table.index, table.columns)
    }
    words = long.astype(dict.fromkeys(kinds, str)).astype(kinds)
    return words.astype({"customers": "Int64"})
