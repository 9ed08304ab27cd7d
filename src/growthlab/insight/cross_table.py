"""Customers by two groupings: how many are in both groups of a pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from growthlab.insight.counts import sums_by
from growthlab.insight.findings import Column, HeatMap, ReportTable

Name = Callable[[str], str]


def cross_table(
    name: str,
    title: str,
    first: pd.Series,
    second: pd.Series,
    columns: Mapping[str, Column],
    plot: HeatMap,
    *,
    wholes: tuple[Name, Name],
    cell_name: Callable[[str, str], str],
    possible: Callable[[str, str], bool] = lambda first, second: True,
) -> ReportTable:
    """One row a pair of categories of two series of labels, which have a name each.

    `wholes` name the counts of the groups of the first and of the second grouping, `cell_name` those
    of pairs. Pairs without customers that are not `possible` have no row.
    """
    table = pd.crosstab(first, second, dropna=False)
    long = table.reset_index().melt(
        id_vars=[first.name], var_name=str(second.name), value_name="customers"
    )
    kinds = {
        axis.name: pd.CategoricalDtype([str(value) for value in axis], ordered=True)
        for axis in (table.index, table.columns)
    }
    long = long.astype(dict.fromkeys(kinds, str)).astype(kinds)
    pairs = list(zip(long[first.name].astype(str), long[second.name].astype(str), strict=True))
    kept = [n > 0 or possible(*pair) for n, pair in zip(long["customers"], pairs, strict=True)]
    long = long[kept].reset_index(drop=True)
    pairs = [pair for pair, is_kept in zip(pairs, kept, strict=True) if is_kept]
    names = [cell_name(*pair) for pair in pairs]
    sums = [sums_by([whole(p[place]) for p in pairs], names) for place, whole in enumerate(wholes)]
    return ReportTable(
        name,
        title,
        long,
        columns,
        plots=(plot,),
        rows_shown=0,
        count_names={"customers": names},
        sums=tuple(each for part in sums for each in part),
    )
