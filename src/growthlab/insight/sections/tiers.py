"""Membership tiers: rules on trailing spend and orders, moves between dates, distance to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, near_matches
from growthlab.data.event_log import EventLog
from growthlab.insight.buyers import buyers
from growthlab.insight.cross_table import NOT_YET, moves_table
from growthlab.insight.findings import Column, Findings, ReportTable
from growthlab.insight.report_scope import ReportScope, SectionUnavailable
from growthlab.insight.segment_table import segment_table

MEASURES = ("spend", "orders")
TIERS: dict[str, dict[str, float]] = {
    "silver": {"spend": 200, "orders": 4},
    "gold": {"spend": 1_000, "orders": 12},
    "platinum": {"spend": 5_000, "orders": 40},
}


@dataclass(frozen=True, kw_only=True)
class Tiers:
    """The tier of each customer who has bought, by spend and orders in the `window_days` before a date.

    Parameters
    ----------
    tiers
        Name -> the smallest spend (purchases less returns) and orders, from the lowest tier to the
        highest; all name the same measures, and no threshold falls from one to the next.
    match
        Whether ``all`` thresholds of a tier must be reached, or ``any``.
    base
        The name of the tier below all of them.
    compare_days
        Moves are counted from so many days before the date.
    near
        Customers with this share of the next tier's threshold are near to it.
    """

    chapter: ClassVar[str] = "Customers"
    title: ClassVar[str] = "Membership tiers"
    label: ClassVar[str] = "tier"
    tiers: Mapping[str, Mapping[str, float]] = field(
        default_factory=lambda: {name: dict(rule) for name, rule in TIERS.items()}
    )
    match: str = "any"
    base: str = "member"
    window_days: float = 365
    compare_days: float = 90
    near: float = 0.8

    def __post_init__(self) -> None:
        if self.match not in ("any", "all"):
            raise ConfigError(f"match={self.match}: possible: all, any")
        for name in ("window_days", "compare_days"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name):g}")
        if not 0 < self.near < 1:
            raise ConfigError(f"near must be between 0 and 1, got {self.near:g}")
        if not self.tiers or self.base in self.tiers or NOT_YET in (*self.tiers, self.base):
            raise ConfigError(
                f"tiers need one name or more, none of them {NOT_YET!r} or that of the base "
                f"{self.base!r}"
            )
        self._check_thresholds()

    def _check_thresholds(self) -> None:
        """Raise a `ConfigError` unless all tiers have the same measures, with thresholds that do not fall."""
        first = next(iter(self.tiers))
        below: Mapping[str, float] = dict.fromkeys(self.tiers[first], 0.0)
        for name, rule in self.tiers.items():
            for measure in rule:
                if measure not in MEASURES:
                    hint = near_matches(measure, MEASURES)
                    raise ConfigError(f"tiers.{name} has no measure {measure}: {hint}")
            if not rule or set(rule) != set(below):
                measures = " and ".join(self.tiers[first]) or "nothing"
                raise ConfigError(f"tiers.{name} must ask for what {first} does: {measures}")
            for measure, least in rule.items():
                if not least > 0 or least < below[measure]:
                    raise ConfigError(
                        f"tiers.{name}.{measure}={least:g} must be positive, and no less than "
                        f"{below[measure]:g} of the tier before it"
                    )
            if dict(rule) == dict(below):
                raise ConfigError(f"tiers.{name} asks for the same as the tier before it")
            below = rule

    @property
    def measures(self) -> list[str]:
        """The measures that have thresholds."""
        return list(next(iter(self.tiers.values())))

    def customers(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """One row a buyer by ``user_id``: trailing spend and orders, tier and distance to the next.

        ``next_tier`` is null in the highest. ``spend_to_next`` and ``orders_to_next`` are what is
        missing to its thresholds, 0 where reached, NaN in the highest; ``progress`` in [0, 1] is the
        share of the threshold that is reached: of the nearest one where any is enough, of the farthest
        where all are needed.
        """
        if "spend" in self.measures and "unit_price" not in log.columns:
            raise SectionUnavailable(
                f"tiers by spend need unit_price, which {log.name} does not have"
            )
        customers = buyers(log, as_of, since=as_of - timedelta(days=self.window_days))
        names = [self.base, *self.tiers]
        reached = np.zeros(len(customers), dtype=np.int64)
        for place, rule in enumerate(self.tiers.values(), start=1):
            reached[self._qualifies(customers, rule)] = (
                place  # thresholds rise, so the last is the highest
            )
        customers["tier"] = pd.Categorical.from_codes(
            reached, dtype=pd.CategoricalDtype(names, ordered=True)
        )
        top = reached == len(self.tiers)
        following = pd.Series(
            np.array([*names[1:], ""], dtype=object)[reached], index=customers.index
        )
        customers["next_tier"] = following.mask(top)
        shares = []
        for measure in self.measures:
            threshold = np.array([*(rule[measure] for rule in self.tiers.values()), np.nan])[
                reached
            ]
            value = customers[measure].to_numpy(dtype=np.float64)
            customers[f"{measure}_to_next"] = np.where(
                top, np.nan, np.maximum(threshold - value, 0.0)
            )
            shares.append(np.minimum(value / threshold, 1.0))
        best = np.max(shares, axis=0) if self.match == "any" else np.min(shares, axis=0)
        customers["progress"] = np.where(top, np.nan, best)
        distances = [f"{m}_to_next" for m in self.measures]
        kept = ["days_since_last", "orders", "spend", "tier", "next_tier", *distances, "progress"]
        return customers[kept]

    def find(self, scope: ReportScope) -> Findings:
        """The tiers with the share near to the next, and the moves since `compare_days` before."""
        customers = self.customers(scope.log, scope.as_of)
        customers["near"] = (customers["progress"] >= self.near).astype("float64")
        near = Column(
            "share",
            f"Share of them who have {self.near:.0%} or more of what the next tier asks.",
            ("customers",),
            ("near",),
        )
        table = segment_table(
            "tiers", "Tiers", customers, "tier", scope, self._definition,
            {"near_the_next": ("near", near)},
        )  # fmt: skip
        columns = {c: TRAILING.get(c, column) for c, column in table.columns.items()}
        trailing = f"Orders and spend are those of the {self.window_days:g} days before the date."
        tables = [replace(table, columns=columns)]
        notes, then = [trailing], scope.as_of - timedelta(days=self.compare_days)
        if then >= scope.burn_in_end:
            tables.append(self.moves(scope, customers["tier"], then))
            if then - timedelta(days=self.window_days) < scope.first_day:
                notes.append(
                    f"The log begins less than {self.window_days:g} days before {then:%Y-%m-%d}: tiers of "
                    "then rest on a shorter past, and some moves upwards come from that alone."
                )
        return Findings(tuple(tables), tuple(notes))

    def moves(self, scope: ReportScope, now: pd.Series, then: datetime) -> ReportTable:
        """How many customers went from each tier `then` to each `now`."""
        return moves_table(
            "tier_moves",
            scope,
            then,
            self.customers(scope.log, then)["tier"],
            now,
            MOVES,
            segments="tiers",
            kind="tier",
            kinds=[NOT_YET, *now.cat.categories],
        )

    def _qualifies(self, customers: pd.DataFrame, rule: Mapping[str, float]) -> np.ndarray:
        each = np.array([customers[m].to_numpy(dtype=np.float64) >= n for m, n in rule.items()])
        return np.asarray(each.any(axis=0) if self.match == "any" else each.all(axis=0))

    @property
    def _definition(self) -> str:
        joined = " or " if self.match == "any" else " and "
        rules = [
            f"{name}: {joined.join(f'{m} {n:g}' for m, n in rule.items())} or more"
            for name, rule in self.tiers.items()
        ]
        window = f"in the {self.window_days:g} days before the date"
        return f"By spend less returns and orders {window}. {'; '.join(rules)}; {self.base}: all others."


TRAILING = {
    "orders": Column("number", "Mean number of orders in the window.", ("customers",)),
    "spend": Column("money", "Mean spend less returns in the window.", ("customers",)),
    "spend_share": Column("share", "Their part of all spend in the window.", ("customers",)),
}
MOVES = {
    "before": Column("label", f"The tier then; {NOT_YET}: had not bought."),
    "now": Column("label", "The tier at the date of the report."),
    "customers": Column("customers", "Customers who went from one to the other.", ("customers",)),
}
