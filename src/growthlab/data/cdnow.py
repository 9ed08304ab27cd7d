"""CDNOW: the purchases of one cohort of customers of a music shop, without items."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from growthlab.core.errors import DataError
from growthlab.data.columns import as_numbers
from growthlab.data.event_log import EventLog
from growthlab.data.raw_tables import existing, read_table, renamed
from growthlab.data.source import INPUT_FILE, Source

COLUMNS: dict[str, str | None] = {
    "user_id": "customer_id",
    "timestamp": "date",
    "quantity": "cds",
    "amount": "amount",
}


@dataclass(frozen=True, kw_only=True)
class CDNOW(Source):
    """All purchases until June 1998 of customers who first bought in the first quarter of 1997.

    23,570 customers, or the published sample of 2,357 of them (Fader and Hardie, Interfaces 2001).
    An event is an order of one or more CDs on a day: `quantity` CDs at `unit_price` in the mean,
    so that their product is what was paid; several orders on one day stay apart. Orders of nothing
    to pay, which the publications count as purchases, stay. They foretell 39 weeks from 39 weeks,
    which leaves no window to choose a model on: here the horizon is 13 weeks.

    Parameters
    ----------
    path
        A Parquet or CSV file of customer_id, date, cds and amount: the master file or the sample.
    """

    name: ClassVar[str] = "cdnow"
    path: str | None = field(default=None, metadata=INPUT_FILE)
    horizon_days: float | None = 91.0
    filter_seen_reason: str = "there are no items"

    def files(self) -> list[Path]:
        """The one file."""
        if self.path is None:
            raise DataError(
                "data=cdnow needs data.path=FILE: a Parquet or CSV file of customer_id, date, cds "
                "and amount, made from the text files at http://brucehardie.com/datasets"
            )
        return [existing(self.path)]

    def read(self) -> EventLog:
        """One purchase event an order."""
        (path,) = self.files()
        orders = renamed(read_table(path), COLUMNS, path)
        quantity = as_numbers(orders["quantity"], "cds")
        amount = as_numbers(orders.pop("amount"), "amount")
        return EventLog.from_frames(
            orders.assign(
                event_type="purchase",
                quantity=quantity,
                unit_price=amount / quantity.where(quantity > 0, np.nan),
                order_id=[f"{n}" for n in range(len(orders))],
            ),
            name=self.name,
        )
