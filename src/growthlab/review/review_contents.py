"""What the page of a comparison shows, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from growthlab.evaluation.earlier_comparison import EarlierComparison
from growthlab.evaluation.segment_differences import Segments
from growthlab.evaluation.standings import Standings
from growthlab.pages.page import Badge


class ListedItem(NamedTuple):
    """An item of a list, whether the customer took it afterwards, and a picture that its address holds."""

    name: str
    is_hit: bool
    picture: str = ""


@dataclass(frozen=True)
class CustomerCase:
    """A customer, what came before and after the cutoff, and the list of each model shown."""

    customer: str
    history: Sequence[str]  # the newest last
    truth: Sequence[str]
    lists: Mapping[str, Sequence[ListedItem]]
    values: Mapping[str, float]  # the objective by model


@dataclass(frozen=True)
class CaseGroup:
    """Customers who are shown for the same reason."""

    title: str
    cases: Sequence[CustomerCase]


@dataclass(frozen=True)
class WrongPrediction:
    """A customer whose outcome a model predicted badly, with the features that mattered most."""

    customer: str
    label: float
    predictions: Mapping[str, float]  # by model
    reasons: Sequence[str]


@dataclass(frozen=True)
class SettingsOfModel:
    """The settings of a model that are not its own: name, the value here, and the default."""

    model: str
    changed: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class SearchCourse:
    """The trials of one model's search: values in the order of the trials, NaN where one failed.

    `importance` is the share of their spread that each setting explains; empty with too few trials.
    """

    model: str
    values: Sequence[float]
    importance: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReviewContents:
    """Everything on the page; what is None or empty has no chapter, or a line that says why.

    `traits` has ``user_id`` and a column a trait; `segments` are groups of the same customers.
    `search` is a table with a row a model. `missing` says why parts are not there, by chapter.
    """

    comparison: Standings
    badges: Sequence[Badge] = ()
    segments: Segments | None = None
    traits: pd.DataFrame | None = None
    cases: Sequence[CaseGroup] = ()
    wrong: Mapping[str, Sequence[WrongPrediction]] = field(default_factory=dict)
    earlier: EarlierComparison | None = None
    settings: Sequence[SettingsOfModel] = ()
    search: pd.DataFrame | None = None
    courses: Sequence[SearchCourse] = ()
    cleaning: Sequence[Mapping[str, Any]] = ()
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """The model that others are compared with by segment: the winner, or else the best on test."""
        comparison = self.comparison
        return comparison.winner().name if comparison.chosen else next(iter(comparison.models))

    @property
    def rival(self) -> str | None:
        """The model beside the reference: the best baseline, or else the best other one on test."""
        baseline = self.comparison.baseline
        if baseline not in (None, self.reference):
            return baseline
        return next((name for name in self.comparison.models if name != self.reference), None)
