"""Small groups: what is done so that no reported segment, and no difference of two, is a few people."""

from __future__ import annotations

import numpy as np
import pandas as pd

OTHERS = "(too few)"


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


def hidden_cells(counts: np.ndarray, least: int) -> np.ndarray:
    """Which cells of a table of counts may not be shown, bool of its shape.

    Those below `least`; and where the hidden cells of a row or column hold some people but fewer
    than `least`, who could be worked out from its total, its smallest shown cell as well.
    """
    hidden = counts < least
    while True:
        for axis in (0, 1):
            inside = np.where(hidden, counts, 0).sum(axis=axis)
            telling = np.flatnonzero((inside > 0) & (inside < least) & ~hidden.all(axis=axis))
            if len(telling):
                line = (slice(None), telling[0]) if axis == 0 else (telling[0], slice(None))
                shown = np.where(hidden[line], np.iinfo(np.int64).max, counts[line])
                hidden[line] |= np.arange(len(shown)) == shown.argmin()
                break
        else:
            return hidden


def crossed(rows: pd.Series, columns: pd.Series, least: int) -> pd.DataFrame:
    """How many customers are in each row and column, long: row, column, customers (null if hidden).

    Both are categories in their order; pairs without anybody have a null as well.
    """
    table = pd.crosstab(rows, columns, dropna=False)
    counts = table.to_numpy(dtype=np.int64)
    shown = pd.DataFrame(counts, index=table.index, columns=table.columns).astype("Int64")
    shown = shown.mask(hidden_cells(counts, least))
    long = shown.reset_index().melt(
        id_vars=[table.index.name], var_name=str(table.columns.name), value_name="customers"
    )
    kinds = {
        axis.name: pd.CategoricalDtype([str(value) for value in axis], ordered=True)
        for axis in (table.index, table.columns)
    }
    words = long.astype(dict.fromkeys(kinds, str)).astype(kinds)
    return words.astype({"customers": "Int64"})
