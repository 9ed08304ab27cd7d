"""Customers by risk and value: whom to keep, whom to win back, whom to leave alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.evaluation.intervals import jackknife_bounds, unless_without_width
from growthlab.insight.counts import count_at, sums_by
from growthlab.insight.findings import Column, Findings, HeatMap, ReportTable
from growthlab.insight.levels import assign_levels, check_borders, value_borders
from growthlab.insight.predicted import predict_risk_and_value, read_predictions
from growthlab.insight.report_scope import ReportScope, SectionUnavailable


@dataclass(frozen=True, kw_only=True)
class RiskValue:
    """Buyers by their probability of leaving and their expected value, three levels each.

    Parameters
    ----------
    risk, value
        CSV or Parquet files with a row a customer (what `growthlab score` writes, or the
        predictions of a run); null: BG/NBD and Gamma-Gamma as of the date.
    horizon_days
        Of the built-in models: leaving is no purchase in so many days, value the spend in them.
    risk_borders
        Above the first the risk is middle, above the second high.
    value_borders
        The same for values; null: thirds of the customers.
    """

    chapter: ClassVar[str] = "Customers"
    title: ClassVar[str] = "Risk and value"
    risk: str | None = None
    value: str | None = None
    horizon_days: float = 90
    risk_borders: Sequence[float] = (0.4, 0.8)
    value_borders: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if not self.horizon_days > 0:
            raise ConfigError(f"horizon_days must be positive, got {self.horizon_days:g}")
        check_borders(self.risk_borders, self.value_borders)

    def customers(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """One row a customer by ``user_id``: risk, value and the level of each.

        Customers who are in only one of two files are left out.

        Raises
        ------
        DataError
            A file that cannot be read; models that cannot be fitted; or no value, as without prices.
        """
        parts = [
            read_predictions(path, what, f"section.risk_value.{what}", log)
            for what, path in (("risk", self.risk), ("value", self.value))
            if path is not None
        ]
        if len(parts) < 2:
            fitted = predict_risk_and_value(log, as_of, self.horizon_days, value=self.value is None)
            parts += [fitted[c] for c in ("risk", "value") if getattr(self, c) is None]
        customers = pd.concat(parts, axis=1, join="inner")[["risk", "value"]].dropna().sort_index()
        if customers.empty:
            raise DataError("risk and value have no customer in common, or there are no prices")
        borders = value_borders(customers["value"], self.value_borders)
        customers["risk_level"] = assign_levels(customers["risk"], self.risk_borders)
        customers["value_level"] = assign_levels(customers["value"], borders)
        return customers

    def find(self, scope: ReportScope) -> Findings:
        """A row for each level of risk and value: customers, mean risk, mean and total value."""
        try:
            customers = self.customers(scope.log, scope.as_of)
        except DataError as error:
            if self.risk or self.value:
                raise
            raise SectionUnavailable(f"risk and value: {error}") from error
        table = self.grid_table(risk_value_grid(customers), scope.as_of)
        source = (
            "Risk and value come from files."
            if self.risk and self.value
            else f"Risk is the probability of no purchase in {self.horizon_days:g} days by BG/NBD, "
            "value the spend expected in them by BG/NBD and Gamma-Gamma, unless they come from a file."
        )
        bounds = (
            "Bounds hold the figure of 95 % of shops whose customers come from the same many; that the "
            "models themselves can be wrong is not in them."
        )
        return Findings((table,), (source, bounds))

    def grid_table(self, rows: pd.DataFrame, as_of: datetime) -> ReportTable:
        """The table of `risk_value_grid`."""
        pairs = zip(rows["risk_level"], rows["value_level"], strict=True)
        names = [count_at(f"risk {risk} and value {value}", as_of) for risk, value in pairs]
        levels = [count_at(f"value {value}", as_of) for value in rows["value_level"]]
        return ReportTable(
            "risk_value",
            "Risk by value",
            rows,
            self._columns(),
            plots=(
                HeatMap("risk_level", "value_level", "customers", "Customers by risk and value"),
            ),
            count_names={"customers": names},
            sums=sums_by(levels, names),
            # a third of all customers, unless borders are set
            public=tuple(dict.fromkeys(levels)) if self.value_borders is None else (),
        )

    def _columns(self) -> dict[str, Column]:
        low, high = self.risk_borders
        counts = ("customers",)
        return {
            "risk_level": Column("label", f"middle: risk above {low:g}; high: above {high:g}."),
            "value_level": Column(
                "label",
                "By thirds of the customers."
                if self.value_borders is None
                else "middle: above {:g}; high: above {:g}.".format(*self.value_borders),
            ),
            "customers": Column("customers", "Customers of both levels.", counts),
            **_with_bounds("risk", Column("share", "Mean probability of leaving.", counts)),
            **_with_bounds("value", Column("money", "Mean value expected.", counts)),
            **_with_bounds(
                "total_value", Column("money", "Value expected of all of them.", counts)
            ),
        }


def risk_value_grid(customers: pd.DataFrame) -> pd.DataFrame:
    """One row a pair of levels: customers, mean risk and value, total value, each with 95 % bounds.

    Bounds are over customers, see `jackknife_bounds`; of a total also because others could be in the
    cell. They are NaN for fewer than two customers, and where these do not differ.
    """
    groups = customers.groupby(["risk_level", "value_level"], observed=False)
    cells = [(levels, cell[["risk", "value"]].to_numpy(np.float64)) for levels, cell in groups]
    rows = [
        [
            *levels,
            len(cell),
            *_mean(cell[:, 0]),
            *_mean(cell[:, 1]),
            *_total(cell[:, 1], len(customers)),
        ]
        for levels, cell in cells
    ]
    names = [f"{name}{end}" for name in ("risk", "value", "total_value") for end in ("", *ENDS)]
    grid = pd.DataFrame(rows, columns=["risk_level", "value_level", "customers", *names])
    risks = [f"risk{end}" for end in ENDS]
    grid[risks] = grid[risks].clip(0.0, 1.0)
    kinds = {level: customers[level].dtype for level in ("risk_level", "value_level")}
    return grid.astype(kinds)


def _mean(values: np.ndarray) -> tuple[float, float, float]:
    """The mean with its bounds; NaN for none."""
    n = len(values)
    if not n:
        return math.nan, math.nan, math.nan
    mean = float(values.mean())
    without = (values.sum() - values) / max(n - 1, 1)
    return mean, *unless_without_width(jackknife_bounds(mean, without))


def _total(values: np.ndarray, n_customers: int) -> tuple[float, float, float]:
    """The sum with its bounds, where any of `n_customers` could have been in the cell."""
    total = float(values.sum())
    of_all = np.zeros(n_customers)
    of_all[: len(values)] = values
    without = (total - of_all) * n_customers / max(n_customers - 1, 1)
    return total, *unless_without_width(jackknife_bounds(total, without))


def _with_bounds(name: str, column: Column) -> dict[str, Column]:
    """The column, and those of its bounds."""
    low, high = (
        replace(column, definition=f"{end} 95 % bound of {name}.") for end in ("Lower", "Upper")
    )
    return {name: column, f"{name}_low": low, f"{name}_high": high}


ENDS = ("_low", "_high")
