"""Acquisition channels: how loyal and how valuable the customers of each channel are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, near_matches
from growthlab.data.calendar import Period
from growthlab.insight.cohorts import (
    ACTIVE_AGAIN,
    BUYERS,
    CUSTOMERS,
    RETENTION,
    VALUE,
    cohorts_in_scope,
    pool_cohorts,
    pooled_names,
    since_column,
)
from growthlab.insight.counts import Sum, count_at, sums_by
from growthlab.insight.findings import Column, Findings, LinePlot, ReportTable, select_columns
from growthlab.insight.report_scope import ReportScope, SectionUnavailable, check_period

CURVE_COLUMNS = ("channel", "since", "customers", "active", "cohort_retention", "buyers", "value")


def channel_quality(
    curves: pd.DataFrame, at: int, costs: Mapping[str, float], margin: float = 1.0
) -> pd.DataFrame:
    """One row a channel: its curve (columns `CURVE_COLUMNS`) at `since` = `at`, with further figures.

    Where a channel has no cohort as old as `at`, its last row counts. Further columns: share of all
    customers, buyer_share, and with `costs` (channel -> cost of a new customer) cost, margin_on_cost
    (margin x value / cost) and payback, the first `since` at which margin x value reaches the cost
    (NaN where it has not yet).
    """
    within = curves[curves["since"] <= at]
    rows = within.sort_values("since").groupby("channel", sort=True).tail(1).copy()
    rows = rows.sort_values("channel", ignore_index=True)
    rows.insert(3, "share", rows["customers"] / rows["customers"].sum())
    rows.insert(7, "buyer_share", rows["buyers"] / rows["customers"])
    if costs:
        rows["cost"] = rows["channel"].map(dict(costs)).astype("float64")
        rows["margin_on_cost"] = margin * rows["value"] / rows["cost"]
        earned = curves.assign(cost=curves["channel"].map(dict(costs)))
        earned = earned[margin * earned["value"] >= earned["cost"]]
        rows["payback"] = rows["channel"].map(earned.groupby("channel")["since"].min())
        rows["payback"] = rows["payback"].astype("float64")
    return rows


@dataclass(frozen=True, kw_only=True)
class Channels:
    """Retention, value and payback of each acquisition channel.

    A customer's channel is the `attribute` of the table of users, or else the channel of the first
    active event. `costs` are the costs of a new customer by channel, `margin` the share of the spend
    that is kept.
    """

    chapter: ClassVar[str] = "Channels"
    title: ClassVar[str] = "What each acquisition channel brings"
    attribute: str = "acquisition"
    period: Period = "month"
    at: int = 2
    costs: Mapping[str, float] = field(default_factory=dict)
    margin: float = 1.0

    def __post_init__(self) -> None:
        check_period(self.period)
        if self.at < 1:
            raise ConfigError(f"at must be 1 {self.period} or more, got {self.at}")
        if not 0 < self.margin <= 1:
            raise ConfigError(f"margin must be above 0 and at most 1, got {self.margin}")
        for channel, cost in self.costs.items():
            if not isinstance(cost, (int, float)) or not cost > 0:
                raise ConfigError(f"costs.{channel} must be a positive number, got {cost!r}")

    def find(self, scope: ReportScope) -> Findings:
        """The comparison of channels, then their curves."""
        where, group = self._group(scope)
        rows = cohorts_in_scope(scope, self.period, group).rename(columns={"part": "channel"})
        rows = rows[rows["cohort"] >= scope.burn_in_end]
        nameless = pool_cohorts(rows[rows["channel"].isna()])
        rows = rows[rows["channel"].notna()]
        if rows.empty:
            raise SectionUnavailable(f"channels: no cohort after the burn-in has a {where}")
        for channel in self.costs:
            if channel not in set(rows["channel"]):
                hint = near_matches(channel, rows["channel"])
                raise ConfigError(f"section.channels.costs has no customers of {channel}: {hint}")
        curves = pool_cohorts(rows, ("channel", "since"))[list(CURVE_COLUMNS)]
        if "unit_price" not in scope.log.columns:
            curves["value"] = np.nan
        note = (
            f"A customer's channel is the {where}. Customers choose their channel themselves: a "
            "difference between channels is no effect of the channel. Cohorts from "
            f"{scope.burn_in_end:%Y-%m-%d} on."
        )
        tables = (self._quality(scope, curves), self._curves(scope, curves, nameless))
        return Findings(tables, (note,))

    def _group(self, scope: ReportScope) -> tuple[str, str]:
        """Where the channel comes from: in words, and as an SQL expression."""
        users = scope.log.users
        if users is not None and self.attribute in users and users[self.attribute].notna().any():
            name = self.attribute.replace('"', '""')
            return f"{self.attribute} in the table of users", f'users."{name}"'
        scope.require(
            "channel", needed_by=f"channels (without a users table with {self.attribute})"
        )
        return "channel of the first active event", "firsts.channel"

    def _quality(self, scope: ReportScope, curves: pd.DataFrame) -> ReportTable:
        rows = channel_quality(curves, self.at, self.costs, self.margin)
        if not scope.browses:
            rows = rows.drop(columns="buyer_share")
        columns = select_columns(self._columns(), rows)
        title = f"After {self.at} whole {self.period}s"
        note = (
            "" if self.costs else "Payback needs section.channels.costs: what a new customer costs."
        )
        names = self._names(scope, rows)
        total = count_at("customers of all channels", scope.as_of)
        return ReportTable(
            "channel_quality",
            title,
            rows,
            columns,
            behind=pd.DataFrame({"of_all": rows["customers"].sum()}, index=rows.index),
            count_names={**names, "of_all": [total] * len(rows)},
            sums=(Sum(total, tuple(names["customers"])),),
            note=note,
        )

    def _names(self, scope: ReportScope, rows: pd.DataFrame) -> dict[str, list[str]]:
        """The names of the counts of rows with a channel and a ``since``."""
        names: dict[str, list[str]] = {figure: [] for figure in COUNTS}
        for channel, since in zip(rows["channel"], rows["since"], strict=True):
            own = pooled_names(
                scope, self.period, pd.DataFrame({"since": [since]}), f"channel {channel}"
            )
            for figure in COUNTS:
                names[figure] += own[figure]
        return names

    def _curves(
        self, scope: ReportScope, curves: pd.DataFrame, nameless: pd.DataFrame
    ) -> ReportTable:
        columns = select_columns(self._columns(), curves)
        plots = [
            LinePlot("since", ("cohort_retention",), "Share who are active again", by="channel")
        ]
        if curves["value"].notna().any():
            plots.append(LinePlot("since", ("value",), "Spent by a customer so far", by="channel"))
        title = f"By {self.period}s since"
        names, wholes = self._names(scope, curves), pooled_names(scope, self.period, curves)
        without = pooled_names(scope, self.period, nameless, "without channel")
        also = pooled_names(scope, self.period, nameless)
        return ReportTable(
            "channel_curves",
            title,
            curves,
            columns,
            plots=tuple(plots),
            rows_shown=0,
            count_names=names,
            sums=tuple(
                each
                for figure in COUNTS
                for each in sums_by(
                    [*wholes[figure], *also[figure]], [*names[figure], *without[figure]]
                )
            ),
            counts={
                name: int(value)
                for figure in COUNTS
                for name, value in zip(without[figure], nameless[figure], strict=True)
            },
        )

    def _columns(self) -> dict[str, Column]:
        of, buyers = ("customers",), ("buyers",)
        return {
            "channel": Column("label", "The acquisition channel."),
            "since": since_column(self.period),
            "customers": CUSTOMERS_OF_CHANNEL,
            "share": Column(
                "share",
                "Of the customers of all channels.",
                ("customers",),
                reveals=("customers", "of_all"),
            ),
            "active": ACTIVE_AGAIN,
            "cohort_retention": RETENTION,
            "buyers": BUYERS,
            "buyer_share": Column("share", "buyers / customers.", of, buyers),
            "value": VALUE,
            "cost": Column(
                "money", "What a new customer of the channel cost.", ("customers",), reveals=()
            ),
            "margin_on_cost": Column(
                "ratio", f"{self.margin:g} x value / cost.", of, buyers, reveals=of
            ),
            "payback": Column(
                "periods",
                f"The first {self.period} at which {self.margin:g} x value reaches the cost; empty "
                "where it has not yet.",
                of,
                buyers,
                reveals=(),
            ),
        }


CUSTOMERS_OF_CHANNEL = Column(
    "customers",
    "Customers of the channel whose cohort is old enough for that period to be over.",
    CUSTOMERS.group_counts,
)
COUNTS = ("customers", "active", "buyers")
