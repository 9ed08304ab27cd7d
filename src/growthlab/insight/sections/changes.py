"""Changes: the sales of each month, and the products, channels, stages and cohorts that they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import pandas as pd

from growthlab.data.event_sql import sql_time
from growthlab.insight.counts import Sum, count_until, sums_by
from growthlab.insight.findings import Column, Findings, LinePlot, OverTime, ReportTable
from growthlab.insight.growth_figures import GROWTH_COLUMNS
from growthlab.insight.growth_table import period_count
from growthlab.insight.items import add_item_names
from growthlab.insight.monthly_sales import Split, monthly_sales, sales_measure, split_sales
from growthlab.insight.report_scope import ReportScope, SectionUnavailable
from growthlab.insight.sections.channels import Channels
from growthlab.insight.sections.life_cycle import LifeCycle

FIRST_ORDER = "first order"
MONTHS = 13  # of a split: a year, and the month before it


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Sales by month, and split in several ways, by which the page says what changed and where.

    Parameters
    ----------
    stages, channels
        How customers get their stage, and where channels come from; null: as the sections of these
        kinds in the same report, see `linked_to`.
    """

    chapter: ClassVar[str] = "Spending"
    title: ClassVar[str] = "Where the sales of a month come from"
    stages: LifeCycle | None = None
    channels: Channels | None = None

    def linked_to(self, sections: Mapping[str, object]) -> Changes:
        """The section with the settings of `sections`, unless it has some of its own."""
        others = list(sections.values())
        stages = next((each for each in others if isinstance(each, LifeCycle)), None)
        channels = next((each for each in others if isinstance(each, Channels)), None)
        return replace(
            self,
            stages=stages if self.stages is None else self.stages,
            channels=channels if self.channels is None else self.channels,
        )

    def find(self, scope: ReportScope) -> Findings:
        """The whole months, then a table a split with the last `MONTHS` of them."""
        months = whole_months(scope)
        totals = monthly_sales(scope.log).set_index("period").reindex(months).fillna(0)
        if not totals["buyers"].any():
            raise SectionUnavailable("changes: the log has no whole month with a purchase")
        tables = [_totals(scope, totals.rename_axis("period").reset_index())]
        for split in self._splits(scope):
            first = scope.burn_in_end if split.needs_past else scope.first_day
            shown = months[months >= pd.Timestamp(first)][-MONTHS:]
            rows = split_sales(scope.log, split)
            if len(shown) > 1 and rows[split.by].nunique() > 1:
                tables.append(_split_table(scope, split, _full_grid(rows, split, shown)))
        note = (
            "Purchases that were not cancelled, whole months only. Groups with the largest sales have "
            "rows of their own."
        )
        return Findings(tuple(tables), (note,))

    def _splits(self, scope: ReportScope) -> Iterator[Split]:
        """The splits that the log has the columns for."""
        log, items, users = scope.log, scope.log.items, scope.log.users
        if items is not None and "category" in items and items["category"].nunique() > 1:
            yield Split("category", "By category", "The category of the item.", "items.category")
        elif "item_id" in log.columns:
            yield Split("item_id", "By item", "The item.", "bought.item_id", keeps_others=False)
        attribute = (self.channels or Channels()).attribute
        if users is not None and attribute in users and users[attribute].notna().any():
            column = attribute.replace('"', '""')
            definition = f"The {attribute} of the customer in the table of users."
            yield Split(
                "channel", "By channel", definition, f'users."{column}"', one_group_a_buyer=True
            )
        elif "channel" in log.columns:
            yield Split("channel", "By channel", "The channel of the purchase.", "bought.channel")
        yield self._stages()
        yield _cohorts(scope)

    def _stages(self) -> Split:
        rules = self.stages or LifeCycle()
        days = "date_diff('day', pasts.previous, pasts.period)"
        definition = (
            f"When the month began: active, with an order at most {rules.active_days:g} days ago; at "
            f"risk, at most {rules.lapsed_days:g}; lapsed, longer ago; {FIRST_ORDER}: none before."
        )
        sql = (
            f"CASE WHEN pasts.previous IS NULL THEN '{FIRST_ORDER}' "
            f"WHEN {days} <= {rules.active_days:g} THEN 'active' "
            f"WHEN {days} <= {rules.lapsed_days:g} THEN 'at risk' ELSE 'lapsed' END"
        )
        return Split("stage", "By stage", definition, sql, one_group_a_buyer=True, needs_past=True)


def _cohorts(scope: ReportScope) -> Split:
    """The quarters of first orders; those that began by the end of the burn-in are one cohort."""
    oldest = pd.Timestamp(scope.burn_in_end).to_period("Q").start_time.to_pydatetime()
    quarter = "(year(pasts.first)::VARCHAR || ' Q' || quarter(pasts.first)::VARCHAR)"
    is_old = f"date_trunc('quarter', pasts.first) <= {sql_time(oldest)}"
    until = f"until {oldest.year} Q{(oldest.month + 2) // 3}"
    return Split(
        "cohort",
        "By cohort",
        "The quarter of the customer's first order in the log; the oldest ones are together.",
        f"CASE WHEN {is_old} THEN '{until}' ELSE {quarter} END",
        one_group_a_buyer=True,
        begins=True,
    )


def whole_months(scope: ReportScope) -> pd.DatetimeIndex:
    """The first days of the calendar months that the log covers as a whole."""
    starts = pd.date_range(scope.first_day, scope.as_of, freq="MS", unit="us", normalize=True)
    starts = starts[starts >= pd.Timestamp(scope.first_day)]
    return starts[starts + pd.offsets.MonthBegin(1) <= pd.Timestamp(scope.as_of)]


def _full_grid(rows: pd.DataFrame, split: Split, months: pd.DatetimeIndex) -> pd.DataFrame:
    """A row for each of the months and each group, with 0 where it has none."""
    inside = rows[rows["period"].isin(months)]
    groups = sorted(inside[split.by].unique())
    full = pd.MultiIndex.from_product([months, groups], names=["period", split.by])
    grid = inside.set_index(["period", split.by]).reindex(full).fillna(0).reset_index()
    first = rows.groupby(split.by)["period"].min()
    begun = grid["period"] >= grid[split.by].map(first)
    return grid[begun].reset_index(drop=True) if split.begins else grid


def _totals(scope: ReportScope, rows: pd.DataFrame) -> ReportTable:
    measure = sales_measure(scope.log)
    names = {"buyers": [period_count(scope, "buyers", "month", start) for start in rows["period"]]}
    return ReportTable(
        "monthly_sales",
        "All purchases",
        rows[["period", "buyers", "orders", measure]],
        {
            "period": GROWTH_COLUMNS["period"],
            "buyers": BUYERS,
            "orders": GROWTH_COLUMNS["orders"],
            measure: MEASURES[measure],
        },
        rows_shown=MONTHS,
        count_names=names,
        over_time=OverTime(measure, factors=("buyers", "orders")),
    )


def _split_table(scope: ReportScope, split: Split, rows: pd.DataFrame) -> ReportTable:
    """The measure by month and group; how many bought is behind it, and named for the audit.

    Where the groups are all purchases, the reader knows the measure of what is withheld together.
    Then the customers of the groups add up: to the buyers of the month, or, where a customer can be
    in several groups, to a sum that is taken as known.
    """
    measure = sales_measure(scope.log)
    key = f"buyers of {split.by}"
    names = [
        count_until(f"{key} {group} in {start:%Y-%m}", _end(start))
        for start, group in zip(rows["period"], rows[split.by], strict=True)
    ]
    wholes = [
        period_count(scope, "buyers", "month", start)
        if split.one_group_a_buyer
        else count_until(f"{key} each in {start:%Y-%m}", _end(start))
        for start in rows["period"]
    ]
    labelled = rows[["period", split.by, measure]]
    columns = {
        "period": GROWTH_COLUMNS["period"],
        split.by: Column("label", split.definition),
        measure: replace(MEASURES[measure], reveals=("buyers",)),
    }
    if split.by == "item_id":
        labelled = add_item_names(labelled, scope.log, "item_id")
        if "item_id_name" in labelled:
            columns["item_id_name"] = Column("label", "Its name.")
            columns = {str(name): columns[str(name)] for name in labelled}
    sums = list(sums_by(wholes, names)) if split.keeps_others else []
    if split.by == "stage":
        sums += _returning(scope, rows, names)
    plot = LinePlot("period", (measure,), f"{measure.capitalize()} {split.title.lower()}", split.by)
    return ReportTable(
        f"sales_by_{split.by.removesuffix('_id')}",
        split.title,
        labelled,
        columns,
        plots=(plot,),
        rows_shown=0,
        behind=rows[["buyers"]],
        count_names={"buyers": names},
        sums=tuple(sums),
        public=()
        if split.one_group_a_buyer or not split.keeps_others
        else tuple(dict.fromkeys(wholes)),
        over_time=OverTime(measure, split.by, "item_id_name" if "item_id_name" in columns else ""),
    )


def _returning(scope: ReportScope, rows: pd.DataFrame, names: list[str]) -> list[Sum]:
    """The buyers of all stages but the first order are those who had bought before."""
    again = (rows["stage"] != FIRST_ORDER).to_numpy()
    starts = rows["period"][again]
    wholes = [period_count(scope, "returning_buyers", "month", start) for start in starts]
    return list(sums_by(wholes, [n for n, is_again in zip(names, again, strict=True) if is_again]))


def _end(start: pd.Timestamp) -> pd.Timestamp:
    return start + pd.offsets.MonthBegin(1)


_BUYERS = ("buyers",)
BUYERS = replace(GROWTH_COLUMNS["buyers"], group_counts=_BUYERS, subset_counts=(), part_of="")
MEASURES = {
    "sales": Column("money", GROWTH_COLUMNS["sales"].definition, _BUYERS, reveals=()),
    "units": Column("count", "Units of the purchases that were not cancelled.", _BUYERS),
}
