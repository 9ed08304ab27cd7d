"""Customers by two groupings: how many are in both groups of a pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

import pandas as pd

from growthlab.insight.counts import count_at, sums_by
from growthlab.insight.findings import Column, HeatMap, ReportTable
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.segment_table import segment_count

NOT_YET = "not yet"  # the group of customers who had not bought
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


def moves_table(
    name: str,
    scope: ReportScope,
    then: datetime,
    before: pd.Series,
    now: pd.Series,
    columns: Mapping[str, Column],
    *,
    segments: str,
    kind: str,
    kinds: Sequence[str],
    possible: Callable[[str, str], bool] = lambda before, now: True,
) -> ReportTable:
    """How many customers went from each group `then` to each `now`, by customer; `NOT_YET` had none then.

    `segments` names the groups' table, `kind` one of them in a word, and `kinds` orders those before.
    """
    earlier = before.astype(str).reindex(now.index).fillna(NOT_YET)
    ordered = earlier.astype(pd.CategoricalDtype(list(kinds), ordered=True))
    return cross_table(
        name,
        "Moves",
        ordered.rename("before"),
        now.rename("now"),
        columns,
        HeatMap("before", "now", "customers", f"From {then:%Y-%m-%d} to now"),
        wholes=(
            partial(segment_count, segments, moment=then),
            partial(segment_count, segments, moment=scope.as_of),
        ),
        cell_name=lambda old, new: count_at(f"{kind} {old} to {new} since {then}", scope.as_of),
        possible=possible,
    )
