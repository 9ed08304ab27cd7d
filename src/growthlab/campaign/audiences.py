"""Whom an offer is for, by lists of customers: care triggers, tiers, repurchase, cross-sell, lookalikes.

An offer's ``audience`` names a table in a folder of lists, as ``growthlab segment`` writes them, and which
of its rows: ``triggers:trigger=birthday``, ``tiers:progress>=0.8``, ``lookalike:rank<=1000``. Rows with a
``date`` are open from ``days_before`` it to ``days_after`` it; others as long as the offer is.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.table_columns import (
    CampaignColumn,
    column_of,
    read_rows,
    read_table,
    table_path,
)
from growthlab.core.errors import ConfigError, DataError, near_matches, quoted

FORM = re.compile(r"(?P<table>[\w-]+)(:(?P<column>\w+)(?P<sign>=|>=|<=)(?P<value>.+))?")
USER, DATE, ITEM = "user_id", "date", "item_id"
ELIGIBILITY = {
    "offer": CampaignColumn("text"),
    "customer": CampaignColumn("text"),
    "start": CampaignColumn("time", default=pd.Timestamp.min),
    "end": CampaignColumn("time", default=pd.Timestamp.max),
    "item": CampaignColumn("text", default=""),
}


@dataclass(frozen=True)
class Audience:
    """A table of a folder of lists, and the rows of it that count; without a column all."""

    table: str
    column: str = ""
    sign: str = ""
    value: str = ""

    @classmethod
    def parse(cls, text: str, where: str) -> Audience:
        """The audience in words; DataError where they are none."""
        found = FORM.fullmatch(text)
        if found is None:
            raise DataError(
                f"{where} is {quoted(text)}, not a list such as triggers:trigger=birthday, or lookalike"
            )
        return cls(**{name: part or "" for name, part in found.groupdict().items()})

    def customers(self, folder: Path, where: str) -> pd.DataFrame:
        """Columns `USER` and, where the table has dates or items, `DATE` and `ITEM`.

        Raises
        ------
        ConfigError, DataError
            The folder has no such table, or the table no such column.
        """
        if table_path(folder, self.table) is None:
            there = [path.stem for path in folder.glob("*") if path.is_file()]
            near = near_matches(self.table, there)
            raise ConfigError(f"{where}: {folder} has no list {self.table}: {near}")
        rows, path = read_rows(folder, self.table)
        for name in (USER, self.column or USER):
            if name not in rows:
                raise DataError(
                    f"{path} has no column {name}: {near_matches(name, map(str, rows))}"
                )
        rows = rows[self._counts(rows, where)]
        columns = {USER: column_of(rows, USER, CampaignColumn("text"), path)}
        if DATE in rows:
            columns[DATE] = column_of(rows, DATE, CampaignColumn("time"), path)
        if ITEM in rows:
            columns[ITEM] = column_of(rows, ITEM, CampaignColumn("text"), path)
        return pd.DataFrame(columns)

    def _counts(self, rows: pd.DataFrame, where: str) -> np.ndarray:
        if not self.column:
            return np.ones(len(rows), dtype=bool)
        given = rows[self.column]
        if self.sign == "=":
            return (given.astype(str) == self.value).to_numpy()
        try:
            border = float(self.value)
        except ValueError:
            raise DataError(f"{where}: {quoted(self.value)} is no number to compare with") from None
        numbers = pd.to_numeric(given, errors="coerce").to_numpy(dtype=float)
        return numbers >= border if self.sign == ">=" else numbers <= border


def with_audiences(tables: CampaignTables, folder: Path, lists: Path | None) -> CampaignTables:
    """The tables with who may get which offer when: by the table ``eligibility`` and the offers' audiences.

    Customers of a list who are not among those of the campaign are left out.

    Raises
    ------
    ConfigError, DataError
        There are audiences and no lists, a list knows none of the customers, or the table names an
        unknown customer or offer.
    """
    parts = [_own(tables, folder)]
    known = pd.Index(tables.customers["customer"])
    for offer in tables.offers.to_dict("records"):
        if not offer["audience"]:
            continue
        where = f"offers: audience of {offer['offer']}"
        if lists is None:
            raise ConfigError(
                f"{where} needs lists: the folder of tables that growthlab segment wrote"
            )
        found = Audience.parse(offer["audience"], where).customers(lists, where)
        mine = found[found[USER].isin(known)]
        if len(found) and not len(mine):
            raise DataError(
                f"{where}: the list knows none of the customers (its first is {found[USER].iloc[0]}): their "
                "ids are of another system"
            )
        parts.append(_windows(mine, offer))
    filled = [part for part in parts if len(part)]
    if not filled:
        return tables
    return replace(tables, eligibility=pd.concat(filled, ignore_index=True))


def _own(tables: CampaignTables, folder: Path) -> pd.DataFrame:
    """The table ``eligibility``; no row without one."""
    if table_path(folder, "eligibility") is None:
        return CampaignTables.nobody()
    table = read_table(folder, "eligibility", ELIGIBILITY)
    for column, known in (("offer", tables.offers), ("customer", tables.customers)):
        unknown = table[~table[column].isin(known[column])]
        if len(unknown):
            name = str(unknown[column].iloc[0])
            near = near_matches(name, known[column].tolist(), 5)
            raise DataError(
                f"{folder / 'eligibility'}: {column} {name} is not known ({len(unknown)} rows): {near}"
            )
    wrong = table["end"] <= table["start"]
    if wrong.any():
        row = table[wrong].iloc[0]
        raise DataError(
            f"{folder / 'eligibility'}: {row['offer']} ends for {row['customer']} before its start"
        )
    return table


def _windows(mine: pd.DataFrame, offer: Mapping[Hashable, Any]) -> pd.DataFrame:
    """The rows of a list with the window of the offer."""
    item = mine.get(ITEM, "")
    columns = {"offer": offer["offer"], "customer": mine[USER], "item": item}
    if DATE not in mine:
        return pd.DataFrame(columns).assign(start=pd.Timestamp.min, end=pd.Timestamp.max)
    days = mine[DATE].dt.normalize()
    before, after = (pd.to_timedelta(offer[n], unit="D") for n in ("days_before", "days_after"))
    return pd.DataFrame({**columns, "start": days - before, "end": days + after})
