"""The leakage report of a fold of a customer table: whether its parts overlap."""

from __future__ import annotations

from typing import Any

import numpy as np

from growthlab.data.labelled_table import LabelledTable
from growthlab.split.fold import TableFold


def table_leakage_report(fold: TableFold) -> dict[str, Any]:
    """Facts about a fold, as values for JSON.

    `clean`: with dates every row of the past is older than every row of the future; without them no
    customer is in both. `known_from` of each feature is not in a table: what its columns held at the
    date is for its makers to say, and `note` says so.
    """
    shared = int(np.isin(np.unique(fold.future.user_ids), fold.past.user_ids).sum())
    newest, oldest = _newest(fold.past), _oldest(fold.future)
    timed = fold.cutoff is not None
    clean = newest < oldest if timed and newest and oldest else shared == 0
    return {
        "clean": bool(clean),
        "warning": None,
        "cutoff": fold.cutoff.isoformat() if fold.cutoff else None,
        "horizon_days": fold.horizon.total_seconds() / 86_400 if fold.horizon else None,
        "newest_past_row": newest or None,
        "oldest_future_row": oldest or None,
        "customers_in_both": shared,
        "note": "whether each column was known before the label is for the makers of the table to say",
        "past": _counts(fold.past),
        "future": _counts(fold.future),
    }


def _counts(table: LabelledTable) -> dict[str, Any]:
    return {"rows": len(table), "users": table.n_users, "mean_label": float(table.label.mean())}


def _newest(table: LabelledTable) -> str:
    return "" if table.dates is None else str(table.dates.max())


def _oldest(table: LabelledTable) -> str:
    return "" if table.dates is None else str(table.dates.min())
