"""What changed in the last whole month, and where, in three sentences made of published figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from growthlab.insight.change_parts import (
    factor_contributions,
    is_unusual,
    rounded_parts,
    usual_change,
)
from growthlab.insight.findings import ReportTable
from growthlab.insight.report.value_format import (
    format_amount,
    format_change,
    format_difference,
)
from growthlab.insight.report.wording import Wording

MAX_MOVES = 2  # sentences on where it changed
NEARLY_ALL = 0.9  # a group with this share of all says nothing about where


@dataclass(frozen=True)
class Move:
    """The change of one group: its values of the two months, its part of the change, and the others'."""

    table: ReportTable
    group: str
    before: float
    now: float
    contribution: float
    rest: float
    unusual: bool | None

    @property
    def weight(self) -> tuple[bool, float]:
        """What comes first: a group with a history, such as no new cohort has; then the largest part."""
        return self.unusual is not None, abs(self.contribution)


def lead_sentences(
    tables: Sequence[ReportTable], words: Wording, currency: str | None
) -> list[str]:
    """Up to three sentences: the change of all, and the two groups with the largest parts of it.

    `tables` are protected tables of months (`ReportTable.over_time`): one of all, the others by
    group. Of each split the group counts whose part in the change is the largest. No sentence
    where there are no two months to compare.
    """
    of_all = [table for table in tables if table.over_time and not table.over_time.by]
    if not of_all:
        return []
    total = _TotalChange(of_all[0], words, currency)
    if not total.is_known:
        return []
    moves = [m for table in tables if (m := _largest_move(table, total))]
    moves.sort(key=lambda move: move.weight, reverse=True)
    chosen = moves[:MAX_MOVES]
    first = total.sentence()
    if total.unusual is False and not any(move.unusual for move in chosen):
        first = words.joined([words.phrase("nothing"), first])
    where = [_move_sentence(move, total) for move in chosen]
    return [first, *(where or [words.phrase("no_split")])]


class _TotalChange:
    """The change of all in the last month, as published."""

    def __init__(self, table: ReportTable, words: Wording, currency: str | None) -> None:
        assert table.over_time is not None
        self.words, self.currency = words, currency
        self.over_time, self.rows = table.over_time, table.rows
        self.measure = self.over_time.measure
        self.unit = table.columns[self.measure].unit
        self.values = _numbers(table.rows[self.measure])
        self.periods = pd.DatetimeIndex(table.rows["period"])
        self.is_known = len(self.values) > 1 and bool((self.values[-2:] > 0).all())
        self.unusual = is_unusual(self.values.tolist()) if self.is_known else None
        last_two = self.values[-2:].tolist() if self.is_known else [math.nan, math.nan]
        self.before, self.now = float(last_two[0]), float(last_two[1])

    @property
    def digits(self) -> int:
        """Digits after the point in which parts of the change are given."""
        return 0 if abs(self.now - self.before) >= 100 or self.unit != "money" else 2

    def amount(self, value: float) -> str:
        """A value of the measure."""
        return format_amount(value, self.unit, self.currency)

    def difference(self, value: float) -> str:
        """A difference of two values of the measure."""
        return format_difference(value, self.digits, self.unit, self.currency)

    def percent(self, before: float) -> str:
        """The change since `before`."""
        return format_change(self.now, before, self.unit, self.words)

    def sentence(self) -> str:
        """The change, whether it is usual, what it is made of, and the same month a year before."""
        kinds = {None: "total_unknown", True: "total_more", False: "total_usual"}
        usual = usual_change(self.values[:-1].tolist())
        said = self.words.phrase(
            kinds[self.unusual],
            measure=self._measure_in_front,
            month=self.words.month(self.periods[-1]),
            before=self.words.month(self.periods[-2]),
            now=self.amount(self.now),
            change=self.difference(round(self.now - self.before, self.digits)),
            percent=self.percent(self.before),
            usual="" if usual is None else f"{100 * math.expm1(usual):.0f} %",
        )
        return self.words.joined([said, *self._factors(), *self._year()])

    @property
    def _measure_in_front(self) -> str:
        name = self.words.name(self.measure)
        return name[:1].upper() + name[1:]

    def _factors(self) -> Iterator[str]:
        """What the number of buyers, their orders and the measure of an order add."""
        ratios: list[dict[str, float]] = []
        for row in (-2, -1):
            counts = [float(_numbers(self.rows[name])[row]) for name in self.over_time.factors]
            values = [*counts, float(self.values[row])]
            shares = [
                b / a if a else math.nan for a, b in zip([1.0, *values], values, strict=False)
            ]
            ratios.append(dict(zip((*self.over_time.factors, "amount"), shares, strict=True)))
        parts = factor_contributions(*ratios) if self.over_time.factors else None
        if parts is not None:
            rounded = rounded_parts(parts, self.digits)
            texts = {name: self.difference(value) for name, value in rounded.items()}
            yield self.words.phrase("factors", measure=self.words.name(self.measure), **texts)

    def _year(self) -> Iterator[str]:
        """The same month a year before, where the log has it."""
        then = self.periods[-1] - pd.DateOffset(years=1)
        place = np.flatnonzero(self.periods == then)
        if len(place) and self.values[place[0]] > 0:
            value = float(self.values[place[0]])
            month = self.words.month(then)
            percent = self.percent(value)
            yield self.words.phrase(
                "a_year_before", month=month, value=self.amount(value), percent=percent
            )


def _largest_move(table: ReportTable, total: _TotalChange) -> Move | None:
    """The published group with the largest part in the change of all; None where there is none."""
    over_time = table.over_time
    if over_time is None or not over_time.by:
        return None
    rows = table.rows.assign(value=_numbers(table.rows[over_time.measure]))
    series = rows.pivot_table("value", "period", over_time.by, "first", dropna=False)
    series = series.reindex(total.periods)
    moves = []
    for group, values in series.items():
        before, now = (float(value) for value in values.iloc[-2:])
        if math.isnan(before) or math.isnan(now) or now > NEARLY_ALL * total.now:
            continue
        part = now - before
        rest = total.now - total.before - part
        unusual = is_unusual(values.tolist())
        moves.append(Move(table, str(group), before, now, part, rest, unusual))
    return max(moves, key=lambda move: move.weight, default=None)


def _move_sentence(move: Move, total: _TotalChange) -> str:
    assert move.table.over_time is not None
    by, words = move.table.over_time.by, total.words
    kinds = {None: "move_unknown", True: "move_more", False: "move_usual"}
    parts = rounded_parts({"group": move.contribution, "rest": move.rest}, total.digits)
    return words.phrase(
        kinds[move.unusual],
        by=words.name(by),
        group=words.label(by, move.table.over_time.group_name(move.table.rows, move.group)),
        change=total.difference(parts["group"]),
        before=total.amount(move.before),
        now=total.amount(move.now),
        rest=total.difference(parts["rest"]),
    )


def _numbers(values: pd.Series) -> np.ndarray:
    return values.to_numpy(dtype=float, na_value=np.nan)
