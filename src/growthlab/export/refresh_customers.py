"""Newer customers for a bundle of a table without events: the same model, other rows of features."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from growthlab.bundle.bundle import CUSTOMERS, Bundle
from growthlab.bundle.manifest import MOST_EARLIER, Manifest
from growthlab.core.errors import BundleError, DataError
from growthlab.data.source import ReadsCustomers
from growthlab.export.refresh_state import names_of, write_state
from growthlab.export.write_bundle import exportable_column, rows_of_state


def refresh_customers(folder: str | Path, source: ReadsCustomers, data: str) -> Manifest:
    """Replace the known customers of the bundle in `folder` by those of the source; its new manifest.

    Customers who are not in the table are no longer known, and it needs no labels. The files of the
    model do not change. See `refresh` for the rest.

    Parameters
    ----------
    data : name of the data set, which must be the bundle's

    Raises
    ------
    BundleError
        The bundle is broken, of another data set, gives lists, or its pseudonym key is not here.
    DataError
        A column that the model reads is missing or of another kind, or the rows are older than those
        that the bundle knows.
    """
    folder = Path(folder)
    bundle = Bundle.load(folder)
    manifest, predictor = bundle.manifest, bundle.predictor
    if data != manifest.data or predictor is None:
        raise BundleError(
            f"{folder} is of the data set {manifest.data}, not of {data}: set data={manifest.data}"
        )
    names = names_of(manifest, folder)
    customers = source.customers(predictor.scorer.columns, predictor.texts)
    cutoff = _cutoff(manifest, customers.dates, folder)
    table = {str(c): exportable_column(values) for c, values in customers.features.items()}
    rows = rows_of_state(names.of_raw(customers.user_ids), table)
    return write_state(
        folder,
        replace(
            manifest,
            counts={**manifest.counts, "n_known_users": len(customers.user_ids)},
            state_cutoff=cutoff,
            refreshed=datetime.now(UTC).isoformat(timespec="seconds"),
            earlier=dict(list(manifest.states.items())[-MOST_EARLIER:]),
        ),
        {CUSTOMERS: rows},
    )


def _cutoff(manifest: Manifest, dates: np.ndarray | None, folder: Path) -> str | None:
    """The newest date in ISO form; None for a table without dates."""
    if dates is None:
        return None
    newest: datetime = dates.max().astype("datetime64[us]").item()
    known = manifest.states[manifest.version]
    if known is not None and newest < datetime.fromisoformat(known):
        raise DataError(
            f"the newest row is of {newest}, and {folder} already knows its customers as of {known}: a "
            "refresh does not go back in time"
        )
    return newest.isoformat()
