"""How well a shadow's answers agree with the champion's answers to the same requests."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import stdtrit

from growthlab.bundle.reference import K
from growthlab.core.seeding import random_stream
from growthlab.monitoring.log_reader import Line, is_answer, is_failed
from growthlab.monitoring.proportions import Proportion
from growthlab.monitoring.tally import fallback_level_of, is_fallback, items_of
from growthlab.ranking.rank_correlation import rank_correlation

MOST_WAITING = 20_000  # champion's answers that wait for the shadow's
SAMPLE = 50_000  # pairs of numbers kept for the rank correlation
Version = tuple[str, str]  # model, version


@dataclass
class RunningMean:
    """The mean of numbers that are added one by one (Welford, Technometrics 1962)."""

    n: int = 0
    _mean: float = 0.0
    _squares: float = 0.0  # of the deviations

    def add(self, value: float) -> None:
        """Include one more number."""
        self.n += 1
        before = value - self._mean
        self._mean += before / self.n
        self._squares += before * (value - self._mean)

    @property
    def value(self) -> float:
        """The mean; NaN without numbers."""
        return self._mean if self.n else math.nan

    def bounds(self, least: float = -math.inf, most: float = math.inf) -> tuple[float, float]:
        """The 95 % interval by Student's t, clipped to the possible range; NaN for fewer than two."""
        if self.n < 2:
            return math.nan, math.nan
        error = math.sqrt(self._squares / (self.n - 1) / self.n)
        half = float(stdtrit(self.n - 1, 0.975)) * error
        return max(least, self.value - half), min(most, self.value + half)


@dataclass
class PairedAnswers:
    """Pairs of answers to one request: the champion's and the shadow's.

    `overlap` is the share of the champion's first ten items that are among the shadow's first ten
    (an empty list of the champion is no pair); for numbers, `difference` is the shadow's minus the
    champion's. Ranks are correlated over a uniform sample of at most `SAMPLE` pairs.
    """

    n: int = 0
    overlap: RunningMean = field(default_factory=RunningMean)
    n_equal_first: int = 0
    difference: RunningMean = field(default_factory=RunningMean)
    size: RunningMean = field(default_factory=RunningMean)  # of the difference
    _kept: list[tuple[float, float]] = field(default_factory=list)
    _rng: np.random.Generator = field(default_factory=lambda: random_stream(0, "agreement"))

    def add_lists(self, champion: Sequence[str], shadow: Sequence[str]) -> None:
        """Count a pair of lists."""
        if not champion:
            return
        self.n += 1
        self.overlap.add(len(set(champion) & set(shadow)) / len(set(champion)))
        self.n_equal_first += list(champion[:1]) == list(shadow[:1])

    def add_values(self, champion: float, shadow: float) -> None:
        """Count a pair of numbers."""
        self.n += 1
        self.difference.add(shadow - champion)
        self.size.add(abs(shadow - champion))
        if len(self._kept) < SAMPLE:
            self._kept.append((champion, shadow))
        elif (place := int(self._rng.integers(self.n))) < SAMPLE:  # Vitter, ACM TOMS 1985
            self._kept[place] = champion, shadow

    @property
    def equal_first(self) -> Proportion:
        """The share of pairs whose first items are the same."""
        return Proportion(self.n_equal_first, self.overlap.n)

    @property
    def spearman(self) -> float:
        """Rank correlation of both numbers; NaN for lists and where one side is constant."""
        if not self._kept:
            return math.nan
        champion, shadow = np.array(self._kept).T
        return rank_correlation(champion, shadow)

    def metrics(self) -> dict[str, float]:
        """Measures by name; empty without pairs."""
        if not self.n:
            return {}
        if not self.overlap.n:
            means = {"mean_absolute_difference": self.size, "mean_difference": self.difference}
            values = {name: mean.value for name, mean in means.items()}
            return {"pairs": self.n, "spearman": self.spearman, **values}
        low, high = self.overlap.bounds(0, 1)
        overlap = {f"overlap_at_{K}": self.overlap.value, f"overlap_at_{K}/low": low}
        same = {"same_first_item": self.equal_first.value}
        return {"pairs": self.n, **overlap, f"overlap_at_{K}/high": high, **same}


@dataclass
class ModelPair:
    """All pairs of answers of two models, and those that both gave from what they know of the customer."""

    every: PairedAnswers = field(default_factory=PairedAnswers)
    personal: PairedAnswers = field(default_factory=PairedAnswers)


class ShadowAgreement:
    """Pairs the lines of a log by request, in the order of the log.

    A shadow answers when the service is idle, which may be thousands of lines later: the latest
    `MOST_WAITING` answers of the champion are kept for it. Answers of a challenger are not compared,
    and a failed answer is no pair. `unanswered` counts what a shadow did not answer, and why.
    """

    def __init__(self, *, of_lists: bool = True) -> None:
        self._of_lists = of_lists  # else of numbers
        self.pairs: dict[tuple[Version, Version], ModelPair] = {}  # champion, shadow
        self.n_alone = (
            0  # shadow's answers without an answer of the champion in the log, or near enough
        )
        # what a shadow did not answer, by model and reason
        self.unanswered: Counter[tuple[Version, str]] = Counter()
        self._waiting: dict[str, Line | None] = {}  # None: the answer is not compared

    def add(self, lines: Sequence[Line]) -> None:
        """Pair a block of lines of one task."""
        for line in lines:
            if line["variant"] == "shadow":
                self._pair(line)
                continue
            is_compared = line["variant"] == "champion" and not is_failed(line)
            self._waiting[line["request_id"]] = _needed_fields(line) if is_compared else None
            if len(self._waiting) > MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]

    def _pair(self, shadow: Line) -> None:
        if not is_answer(shadow):
            version = shadow["model"], shadow["version"]
            reason = "failed" if is_failed(shadow) else str(shadow.get("served"))
            self.unanswered[version, reason] += 1
            self._waiting.pop(shadow["request_id"], None)
            return
        if shadow["request_id"] not in self._waiting:
            self.n_alone += 1
            return
        champion = self._waiting.pop(shadow["request_id"])
        if champion is None:
            return
        versions = (champion["model"], champion["version"]), (shadow["model"], shadow["version"])
        pair = self.pairs.setdefault(versions, ModelPair())
        sides = [pair.every]
        if _is_personal(champion) and _is_personal(shadow):
            sides.append(pair.personal)
        for side in sides:
            self._compare(side, champion, shadow)

    def _compare(self, pairs: PairedAnswers, champion: Line, shadow: Line) -> None:
        if self._of_lists:
            pairs.add_lists(champion["items"], items_of(shadow)[:K])
            return
        values = [x for line in (champion, shadow) if (x := line.get("value")) is not None]
        if len(values) == 2 and all(
            isinstance(x, (int, float)) and math.isfinite(x) for x in values
        ):
            pairs.add_values(float(values[0]), float(values[1]))


def _needed_fields(line: Line) -> Line:
    """What the comparison needs of a champion's line, with at most ten items of a list."""
    fields: dict[str, Any] = {n: line.get(n) for n in ("model", "version", "served", "level")}
    return {**fields, "items": items_of(line)[:K], "value": line.get("value")}


def _is_personal(line: Line) -> bool:
    return not is_fallback(str(line.get("served")), fallback_level_of(line))
