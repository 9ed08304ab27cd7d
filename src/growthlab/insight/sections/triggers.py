"""Care triggers: the dates, after a given one, on which there is a reason to write to a customer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.insight.buyers import buyers, purchase_gaps
from growthlab.insight.findings import BarPlot, Column, Findings, ReportTable
from growthlab.insight.predicted import predict_risks
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.sections.tiers import Tiers

console = logging.getLogger(__name__)

COLUMNS = ["user_id", "trigger", "date", "detail"]
YES = ("true", "1", "yes", "y")
MEANINGS = {
    "first_purchase_anniversary": "the day and month of the first purchase, a year or more ago",
    "birthday": "the day and month of the birthday, where it is supplied and its use consented to",
    "repurchase_due": "the last purchase day and the median of the customer's own gaps, two or more",
    "tier_change": "the tier is another than so many days before",
    "risk_crossing": "the probability of leaving has come above the border in these days",
}


@dataclass(frozen=True, kw_only=True)
class MessageTriggers:
    """Reasons to write to a customer on a day of ``[as_of, as_of + days)``; changes on `as_of`.

    They are plans: whoever sends messages must see to consent, caps and channels.

    Parameters
    ----------
    birthday, birthday_consent
        Columns of the users: a date (or month and day, ``--05-31``), and whether it may be used.
        Without either there are no birthdays.
    repurchase_max_days
        Customers whose usual gap is longer than this are not reminded.
    risk_border, horizon_days
        The border of the probability of no purchase in the horizon, by BG/NBD fitted at `as_of`.
    tiers
        The rules of tiers; null: those of the section of tiers in the same report, see `linked_to`.
    """

    chapter: ClassVar[str] = "Customers"
    title: ClassVar[str] = "Care triggers"
    days: int = 14
    birthday: str = "birthday"
    birthday_consent: str = "consent_birthday"
    repurchase_max_days: float = 180
    risk_border: float = 0.8
    horizon_days: float = 90
    tiers: Tiers | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.days <= 366:
            raise ConfigError(f"days must be 1 to 366, got {self.days}")
        if not 0 < self.risk_border < 1:
            raise ConfigError(f"risk_border must be in (0, 1), got {self.risk_border:g}")
        for name in ("horizon_days", "repurchase_max_days"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name):g}")

    def linked_to(self, sections: Mapping[str, object]) -> MessageTriggers:
        """These triggers with the tiers of `sections`, unless they have some of their own."""
        rules = next((each for each in sections.values() if isinstance(each, Tiers)), None)
        return self if self.tiers is not None else replace(self, tiers=rules)

    def customers(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """One row a customer and trigger: user_id, trigger, date, detail; by date, then customer.

        The program's log says which kinds the data cannot give, and why.
        """
        rows, absent = self.rows_and_absent(log, as_of)
        for kind, why in absent.items():
            console.info("no %s: %s", kind, why)
        return rows

    def rows_and_absent(
        self, log: EventLog, as_of: datetime
    ) -> tuple[pd.DataFrame, dict[str, str]]:
        """The rows, and the reason for each kind of trigger that the data cannot give."""
        kinds = {
            "first_purchase_anniversary": self._anniversaries,
            "birthday": self._birthdays,
            "repurchase_due": self._repurchases,
            "tier_change": self._tier_changes,
            "risk_crossing": self._crossings,
        }
        parts, absent = [], {}
        for kind, rows_of in kinds.items():
            try:
                parts.append(rows_of(log, as_of).assign(trigger=kind)[COLUMNS])
            except DataError as error:
                absent[kind] = str(error)
        if not parts:
            return pd.DataFrame(columns=COLUMNS), absent
        rows = pd.concat(parts, ignore_index=True).sort_values(COLUMNS[2::-1], ignore_index=True)
        return rows.astype({"date": "datetime64[us]", "detail": str}), absent

    def find(self, scope: ReportScope) -> Findings:
        """How many customers have each trigger; the rows themselves would reveal individuals."""
        rows, absent = self.rows_and_absent(scope.log, scope.as_of)
        counts = rows.groupby("trigger")["user_id"].nunique()
        table = pd.DataFrame(
            [
                (kind, MEANINGS[kind], int(counts.get(kind, 0)))
                for kind in MEANINGS
                if kind not in absent
            ],
            columns=list(TRIGGERS),
        )
        until = scope.as_of + timedelta(days=self.days)
        notes = [
            f"From {scope.as_of:%Y-%m-%d} until before {until:%Y-%m-%d}; changes are those of the "
            f"{self.days} days before. The rows a customer come from `growthlab segment`.",
            *(f"No {kind}: {why}." for kind, why in absent.items()),
        ]
        bars = BarPlot("trigger", "customers", "Customers by trigger")
        return Findings(
            (ReportTable("triggers", "MessageTriggers", table, TRIGGERS, plots=(bars,)),),
            tuple(notes),
        )

    def _anniversaries(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        first = buyers(log, as_of)["first_day"]
        rows = recurring_dates(first, as_of, self.days)
        years = rows["date"].dt.year - first.reindex(rows["user_id"]).dt.year.to_numpy()
        rows["detail"] = [f"{n} year" if n == 1 else f"{n} years" for n in years]
        return rows[years >= 1]

    def _birthdays(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        users = log.users
        needed = (self.birthday, self.birthday_consent)
        missing = [c for c in needed if users is None or c not in users]
        if users is None or missing:
            raise DataError(f"the users have no column {' and '.join(missing)}")
        agreed = users[self.birthday_consent].astype(str).str.lower().isin(YES)
        known = users[agreed].set_index("user_id")[self.birthday].dropna().astype(str)
        # a birthday without its year is read as one of a leap year, which has all days
        full = known.str.replace(r"^--?(\d\d-\d\d)$", r"2000-\1", regex=True)
        days = pd.to_datetime(full, errors="coerce", format="ISO8601")
        if days.isna().any():
            raise DataError(
                f"{self.birthday} {known[days.isna()].iloc[0]!r} is no date like 1990-05-31"
            )
        return recurring_dates(days, as_of, self.days).assign(detail="")

    def _repurchases(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        gaps = purchase_gaps(log, as_of).groupby("user_id")["gap"].agg(["median", "size"])
        usual = gaps["median"][(gaps["size"] >= 2) & (gaps["median"] <= self.repurchase_max_days)]
        last = buyers(log, as_of)["last_day"].reindex(usual.index)
        due = last + pd.to_timedelta(usual.round(), unit="D")
        inside = (due >= _day(as_of)) & (due < _day(as_of) + timedelta(days=self.days))
        detail = usual[inside].map("every {:g} days".format)
        return pd.DataFrame(
            {
                "user_id": due.index[inside],
                "date": due[inside].to_numpy(),
                "detail": detail.to_numpy(),
            }
        )

    def _tier_changes(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        if self.tiers is None:
            raise DataError("tiers are not among the sections: name them too")
        now = self.tiers.customers(log, as_of)["tier"].astype(str)
        then = as_of - timedelta(days=self.days)
        before = self.tiers.customers(log, then)["tier"].astype(str).reindex(now.index)
        before = before.fillna(self.tiers.base)  # those who had not bought
        moved = now[now != before]
        detail = before[moved.index] + " to " + moved
        return pd.DataFrame(
            {"user_id": moved.index, "date": _day(as_of), "detail": detail.to_numpy()}
        )

    def _crossings(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        then = as_of - timedelta(days=self.days)
        before, now = predict_risks(log, then, as_of, self.horizon_days)
        before = before.reindex(now.index)
        crossed = (before < self.risk_border) & (now >= self.risk_border)
        pairs = zip(before[crossed], now[crossed], strict=True)
        return pd.DataFrame(
            {
                "user_id": now.index[crossed],
                "date": _day(as_of),
                "detail": [f"{was:.2f} to {is_now:.2f}" for was, is_now in pairs],
            }
        )


def recurring_dates(days: pd.Series, as_of: datetime, within: int) -> pd.DataFrame:
    """The customers whose day and month recur in ``[as_of, as_of + within)``, with the date.

    `days` are dates by ``user_id``. The 29th of February recurs on the 28th in other years.
    """
    start, parts = _day(as_of), []
    for year in {start.year, (start + timedelta(days=within)).year}:
        parts.append(pd.DataFrame({"user_id": days.index, "date": _in_year(days, year)}))
    rows = pd.concat(parts, ignore_index=True)
    inside = (rows["date"] >= start) & (rows["date"] < start + timedelta(days=within))
    return rows[inside].reset_index(drop=True)


def _in_year(days: pd.Series, year: int) -> np.ndarray:
    """The same days and months in another year."""
    leap = pd.Timestamp(date(year, 1, 1)).is_leap_year
    day = days.dt.day.mask((days.dt.month == 2) & (days.dt.day == 29) & (not leap), 28)
    parts = {"year": year, "month": days.dt.month, "day": day}
    return pd.to_datetime(pd.DataFrame(parts, index=days.index)).to_numpy()


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


TRIGGERS = {
    "trigger": Column("label", "The kind of trigger."),
    "meaning": Column("label", "When it is."),
    "customers": Column("customers", "Customers with such a date.", subset_counts=("customers",)),
}
