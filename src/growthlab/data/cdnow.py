"""CDNOW: the purchases of one cohort of customers of a music shop, without items."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from growthlab.core.errors import DataError
from growthlab.core.file_settings import INPUT_FILE
from growthlab.data.columns import as_numbers
from growthlab.data.event_log import EventLog
from growthlab.data.raw_tables import read_table, rename_columns
from growthlab.data.readers.files import existing_file
from growthlab.data.source import Source

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
    An event is an order of one or more CDs on a day: `quantity` CDs at a mean `unit_price`, so that
    their product is the amount paid; several orders on one day stay separate. Orders with an amount
    of 0 stay, as the publications count them as purchases. The publications predict 39 weeks from
    39 weeks, which leaves no validation window (split.valid=none): here the horizon is 13 weeks.

    Parameters
    ----------
    path
        A Parquet or CSV file of customer_id, date, cds and amount: the master file or the sample.
    """

    name: ClassVar[str] = "cdnow"
    path: str | None = field(default=None, metadata=INPUT_FILE)
    horizon_days: float | None = 91.0
    filter_seen_reason: str = "there are no items"

    def input_files(self) -> list[Path]:
        """The file of orders."""
        if self.path is None:
            raise DataError(
                "data=cdnow needs data.path=FILE: a Parquet or CSV file of customer_id, date, cds "
                "and amount, made from the text files at http://brucehardie.com/datasets"
            )
        return [existing_file(self.path)]

    def read(self) -> EventLog:
        """One purchase event per order."""
        (path,) = self.input_files()
        orders = rename_columns(read_table(path), COLUMNS, path)
        quantity = as_numbers(orders["quantity"], "cds")
        amount = as_numbers(orders.pop("amount"), "amount")
        log = EventLog.from_frames(
            orders.assign(
                event_type="purchase",
                quantity=quantity,
                unit_price=amount / quantity.where(quantity > 0, np.nan),
                order_id=[f"{n}" for n in range(len(orders))],
            ),
            name=self.name,
        )
        log.currency = "USD"
        return log
