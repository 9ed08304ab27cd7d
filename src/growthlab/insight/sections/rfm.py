"""RFM: scores for recency, frequency and money, and the named segments that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import product
from typing import ClassVar

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, near_matches
from growthlab.data.event_log import EventLog
from growthlab.insight.buyers import buyers
from growthlab.insight.counts import Sum, count_at
from growthlab.insight.cross_table import cross_table
from growthlab.insight.findings import Column, Findings, HeatMap, ReportTable
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.segment_table import (
    SEGMENT_NOTE,
    all_buyers,
    segment_count,
    segment_table,
)

MEASURES = {"recency": "days_since_last", "frequency": "orders", "money": "spend"}
# recency score, then frequency score, each from and to: the first that fits is the segment
SEGMENTS: dict[str, dict[str, list[int]]] = {
    "champions": {"recency": [5, 5], "frequency": [4, 5]},
    "loyal": {"recency": [3, 4], "frequency": [4, 5]},
    "potential loyalists": {"recency": [4, 5], "frequency": [2, 3]},
    "new": {"recency": [5, 5], "frequency": [1, 1]},
    "promising": {"recency": [4, 4], "frequency": [1, 1]},
    "need attention": {"recency": [3, 3], "frequency": [3, 3]},
    "about to sleep": {"recency": [3, 3], "frequency": [1, 2]},
    "cannot lose": {"recency": [1, 2], "frequency": [5, 5]},
    "at risk": {"recency": [1, 2], "frequency": [3, 4]},
    "hibernating": {"recency": [1, 2], "frequency": [1, 2]},
}


def score_values(values: np.ndarray, borders: Sequence[float]) -> np.ndarray:
    """1 + the number of borders below each value, int64: a value on a border stays under it.

    Equal values have equal scores, so that with many ties some scores have no customers.
    """
    return 1 + np.searchsorted(np.asarray(borders, dtype=float), values, side="left")


def quantile_borders(values: np.ndarray, bins: int) -> list[float]:
    """The ``bins - 1`` quantiles that cut the values into parts of equal size, where ties allow."""
    return np.quantile(values, np.arange(1, bins) / bins).tolist()


@dataclass(frozen=True, kw_only=True)
class RFM:
    """Recency, frequency and money of each customer who has bought, scored from 1 to `bins` (best).

    Recency is the days since the last order (fewer are better), frequency the number of orders,
    money what was spent less returns (Hughes, Strategic Database Marketing, 1994).

    Parameters
    ----------
    bins
        Scores are 1 to `bins`.
    borders
        Fixed borders by measure (recency in days, frequency, money), ``bins - 1`` each, ascending;
        a measure without borders is cut at its quantiles.
    segments
        Name -> the range of scores of any of the measures; the first that fits counts. Every
        combination of scores must fit one.
    """

    chapter: ClassVar[str] = "Customers"
    title: ClassVar[str] = "Recency, frequency, money (RFM)"
    label: ClassVar[str] = "segment"
    bins: int = 5
    borders: Mapping[str, Sequence[float]] = field(default_factory=dict)
    segments: Mapping[str, Mapping[str, Sequence[int]]] = field(
        default_factory=lambda: {name: dict(rule) for name, rule in SEGMENTS.items()}
    )

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise ConfigError(f"bins must be at least 2, got {self.bins}")
        for measure, borders in self.borders.items():
            _check_measure(measure, "borders")
            if len(borders) != self.bins - 1 or list(borders) != sorted(set(borders)):
                raise ConfigError(
                    f"borders.{measure} must be {self.bins - 1} ascending numbers for "
                    f"{self.bins} bins, got {list(borders)}"
                )
        for name, rule in self.segments.items():
            for measure, span in rule.items():
                _check_measure(measure, f"segments.{name}")
                if len(span) != 2 or not span[0] <= span[1]:
                    raise ConfigError(f"segments.{name}.{measure} must be [from, to], got {span}")
        for combination in product(range(1, self.bins + 1), repeat=3):
            if not self._segment_of(dict(zip(MEASURES, combination, strict=True))):
                scores = ", ".join(f"{m} {s}" for m, s in zip(MEASURES, combination, strict=True))
                raise ConfigError(f"segments: none fits {scores}: widen one, or add one")

    def customers(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """One row a buyer by ``user_id``: the three values, their scores and the segment.

        Without prices there is no money score; then no segment may ask for one.
        """
        customers = buyers(log, as_of)[list(MEASURES.values())]
        for measure, column in self._measures(customers):
            borders = self._borders_of(measure, customers[column])
            score = score_values(customers[column].to_numpy(), borders)
            customers[f"{measure}_score"] = self.bins + 1 - score if measure == "recency" else score
        customers["segment"] = self._segments(customers)
        return customers

    def find(self, scope: ReportScope) -> Findings:
        """The segments, the borders of the scores, and how many have each pair of scores."""
        customers = self.customers(scope.log, scope.as_of)
        table = segment_table("rfm_segments", "Segments", customers, "segment", scope)
        borders = self._border_rows(customers)
        scores = zip(borders["measure"], borders["score"], strict=True)
        names = pd.Series([self._score_count(*pair, scope.as_of) for pair in scores], dtype=object)
        border_table = ReportTable(
            "rfm_borders",
            "Borders of the scores",
            borders,
            BORDERS,
            count_names={"customers": names.tolist()},
            sums=tuple(
                Sum(all_buyers(scope), tuple(part)) for _, part in names.groupby(borders["measure"])
            ),
        )
        return Findings((table, border_table, self._pairs(scope, customers)), (SEGMENT_NOTE,))

    def _pairs(self, scope: ReportScope, customers: pd.DataFrame) -> ReportTable:
        """How many customers have each score of recency and of frequency."""
        kinds = pd.CategoricalDtype(list(range(1, self.bins + 1)), ordered=True)
        recency, frequency = (
            customers[f"{measure}_score"].astype(kinds) for measure in ("recency", "frequency")
        )
        cell = partial(self._pair_count, moment=scope.as_of)
        table = cross_table(
            "rfm_scores",
            "Recency by frequency",
            recency,
            frequency,
            SCORES,
            HeatMap("recency_score", "frequency_score", "customers", "Customers by score"),
            wholes=(
                partial(self._score_count, "recency", moment=scope.as_of),
                partial(self._score_count, "frequency", moment=scope.as_of),
            ),
            cell_name=cell,
        )
        segments = tuple(
            Sum(segment_count("rfm_segments", name, scope.as_of), tuple(cell(*p) for p in pairs))
            for name, pairs in self._segment_pairs().items()
        )
        return replace(table, sums=(*table.sums, *segments))

    def _segment_pairs(self) -> dict[str, list[tuple[str, str]]]:
        """The pairs of scores of recency and frequency that make each segment; none where money does."""
        if any("money" in rule for rule in self.segments.values()):
            return {}
        scores = range(1, self.bins + 1)
        pairs: dict[str, list[tuple[str, str]]] = {}
        for recency, frequency in product(scores, scores):
            name = self._segment_of({"recency": recency, "frequency": frequency})
            pairs.setdefault(name, []).append((str(recency), str(frequency)))
        return pairs

    @staticmethod
    def _score_count(measure: str, score: str, moment: datetime) -> str:
        return count_at(f"rfm {measure} score {score}", moment)

    @staticmethod
    def _pair_count(recency: str, frequency: str, moment: datetime) -> str:
        return count_at(f"rfm scores {recency} and {frequency}", moment)

    def _measures(self, customers: pd.DataFrame) -> list[tuple[str, str]]:
        return [(m, c) for m, c in MEASURES.items() if customers[c].notna().any()]

    def _borders_of(self, measure: str, values: pd.Series) -> Sequence[float]:
        return self.borders.get(measure) or quantile_borders(values.to_numpy(), self.bins)

    def _segments(self, customers: pd.DataFrame) -> pd.Series:
        """The segment of each row, worked out once for each distinct combination of scores."""
        columns = [f"{m}_score" for m, _ in self._measures(customers)]
        if "money_score" not in columns and any("money" in rule for rule in self.segments.values()):
            raise ConfigError("segments ask for money, and the log has no prices: leave it out")
        distinct = customers[columns].drop_duplicates()
        measures = [c.removesuffix("_score") for c in columns]
        distinct["segment"] = [
            self._segment_of(dict(zip(measures, row, strict=True)))
            for row in distinct.itertuples(index=False, name=None)
        ]
        segments = customers[columns].merge(distinct, how="left", on=columns)["segment"]
        dtype = pd.CategoricalDtype(list(self.segments), ordered=True)
        return segments.set_axis(customers.index).astype(dtype)

    def _segment_of(self, score: Mapping[str, int]) -> str:
        """The first segment whose ranges hold the scores; empty where none does."""
        for name, rule in self.segments.items():
            if all(span[0] <= score.get(m, span[0]) <= span[1] for m, span in rule.items()):
                return name
        return ""

    def _border_rows(self, customers: pd.DataFrame) -> pd.DataFrame:
        """One row a measure and score: the values that have it, and how many customers."""
        rows = []
        for measure, column in self._measures(customers):
            borders = [-np.inf, *self._borders_of(measure, customers[column]), np.inf]
            for place in range(self.bins):
                score = self.bins - place if measure == "recency" else place + 1
                n = int((customers[f"{measure}_score"] == score).sum())
                rows.append((measure, str(score), borders[place], borders[place + 1], n))
        table = pd.DataFrame(rows, columns=list(BORDERS))
        ends = table[["above", "up_to"]].replace([-np.inf, np.inf], np.nan)
        return table.assign(**ends)


def _check_measure(measure: str, where: str) -> None:
    if measure not in MEASURES:
        raise ConfigError(f"{where} has no {measure}: {near_matches(measure, MEASURES)}")


BORDERS = {
    "measure": Column(
        "label",
        "recency: days since the last order; frequency: orders; money: purchases less returns.",
    ),
    "score": Column("label", "1 is the worst, the highest the best."),
    "above": Column(
        "number", "The values that have the score are above this.", ("customers",), reveals=()
    ),
    "up_to": Column("number", "They are at most this.", ("customers",), reveals=()),
    "customers": Column("customers", "Customers with the score.", ("customers",)),
}
SCORES = {
    "recency_score": Column("label", "Score of the days since the last order; the highest is now."),
    "frequency_score": Column("label", "Score of the number of orders."),
    "customers": Column("customers", "Customers with both scores.", ("customers",)),
}
