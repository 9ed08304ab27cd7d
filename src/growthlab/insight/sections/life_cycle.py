"""Life-cycle stages: new, active, at risk, lapsed and won back, as of a date."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.insight.buyers import buyers, purchase_gaps
from growthlab.insight.cross_table import NOT_YET, moves_table
from growthlab.insight.findings import Column, Findings, ReportTable
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.segment_table import SEGMENT_NOTE, segment_table

STAGES = ("new", "active", "won back", "at risk", "lapsed")


@dataclass(frozen=True, kw_only=True)
class LifeCycle:
    """The stage of each customer who has bought: the first of these that applies.

    ``lapsed``: no order for more than `lapsed_days`; ``at risk``: none for more than `active_days`;
    ``new``: the first order is at most `new_days` old; ``won back``: a silence of more than
    `lapsed_days` ended within the last `active_days`; ``active``: all others.

    Parameters
    ----------
    compare_days
        The stages of so many days earlier are compared with those of the date.
    """

    chapter: ClassVar[str] = "Customers"
    title: ClassVar[str] = "Life-cycle stages"
    label: ClassVar[str] = "stage"
    new_days: float = 30
    active_days: float = 90
    lapsed_days: float = 180
    compare_days: float = 90

    def __post_init__(self) -> None:
        if not 0 < self.new_days <= self.active_days < self.lapsed_days:
            raise ConfigError(
                "stages need 0 < new_days <= active_days < lapsed_days, got "
                f"{self.new_days:g}, {self.active_days:g} and {self.lapsed_days:g}"
            )
        if not self.compare_days > 0:
            raise ConfigError(f"compare_days must be positive, got {self.compare_days:g}")

    def customers(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """One row a buyer by ``user_id``: days_since_last, orders, spend and the stage."""
        customers = buyers(log, as_of)
        gaps = purchase_gaps(log, as_of)
        since = (as_of - gaps["day"]).dt.total_seconds() / 86_400
        won_back = gaps[(gaps["gap"] > self.lapsed_days) & (since <= self.active_days)]["user_id"]
        silence = customers["days_since_last"]
        age = (as_of - customers["first_day"]).dt.total_seconds() / 86_400
        applies = {
            "won back": customers.index.isin(won_back),
            "new": (age <= self.new_days).to_numpy(),
            "at risk": (silence > self.active_days).to_numpy(),
            "lapsed": (silence > self.lapsed_days).to_numpy(),
        }
        code = np.full(len(customers), STAGES.index("active"))
        for stage, where in applies.items():  # a later stage wins
            code[where] = STAGES.index(stage)
        kinds = pd.CategoricalDtype(list(STAGES), ordered=True)
        customers["stage"] = pd.Categorical.from_codes(code, dtype=kinds)
        return customers[["days_since_last", "orders", "spend", "stage"]]

    def find(self, scope: ReportScope) -> Findings:
        """The stages now, and where the customers of each earlier stage are now."""
        customers = self.customers(scope.log, scope.as_of)
        stages = segment_table("life_cycle", "Stages", customers, "stage", scope, self._definition)
        tables = [stages]
        then = scope.as_of - timedelta(days=self.compare_days)
        if then > max(scope.first_day + timedelta(days=self.active_days), scope.burn_in_end):
            tables.append(self._moves(scope, customers["stage"], then))
        return Findings(tuple(tables), (SEGMENT_NOTE,))

    @property
    def _definition(self) -> str:
        return (
            f"lapsed: no order for more than {self.lapsed_days:g} days; at risk: for more than "
            f"{self.active_days:g}; new: first order at most {self.new_days:g} days ago; won back: "
            f"a silence of more than {self.lapsed_days:g} days ended in the last "
            f"{self.active_days:g}; active: all others."
        )

    def _moves(self, scope: ReportScope, now: pd.Series, then: datetime) -> ReportTable:
        return moves_table(
            "life_cycle_moves",
            scope,
            then,
            self.customers(scope.log, then)["stage"],
            now,
            MOVES,
            segments="life_cycle",
            kind="stage",
            kinds=[*STAGES, NOT_YET],
            possible=self._can_move,
        )

    def _can_move(self, before: str, now: str) -> bool:
        """Whether a customer can have gone from one stage to the other in `compare_days`."""
        since, active, lapsed = self.compare_days, self.active_days, self.lapsed_days
        if now == "new":
            return before == NOT_YET or (before == "new" and self.new_days > since)
        if before == NOT_YET:
            return since > {"at risk": active, "active": 0.0}.get(now, lapsed)
        # how long the customer had been silent then, in days
        least, most = {"lapsed": (lapsed, math.inf), "at risk": (active, lapsed)}.get(
            before, (0.0, active)
        )
        if now == "lapsed":
            return most + since > lapsed
        if now == "at risk":
            return since > active or (least + since < lapsed and most + since > active)
        if now == "won back":
            return most + since > lapsed or (before == "won back" and active > since)
        return least < lapsed or since > active


MOVES = {
    "before": Column("label", f"The stage then; {NOT_YET}: had not bought."),
    "now": Column("label", "The stage at the date of the report."),
    "customers": Column("customers", "Customers who went from one to the other.", ("customers",)),
}
