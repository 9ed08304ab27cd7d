"""Churn probability and expected value of every buyer: from files, else by BG/NBD and Gamma-Gamma."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from growthlab.core.errors import DataError
from growthlab.data.as_of import known_at
from growthlab.data.columns import as_ids, as_numbers
from growthlab.data.event_log import EventLog
from growthlab.data.privacy import names_in_data
from growthlab.data.raw_tables import read_marked_table
from growthlab.data.readers.files import existing_file
from growthlab.features.btyd import btyd_summary
from growthlab.features.examples import Examples
from growthlab.models.churn.bg_nbd import BGNBDChurn
from growthlab.models.value.bg_nbd import BGNBDValue
from growthlab.training.fit_options import FitOptions

PREDICTION_COLUMNS = {  # names of the column in files of `growthlab score` and in tables of runs
    "risk": ("risk", "churn_probability", "prediction"),
    "value": ("value", "expected_value", "prediction"),
}


def predict_risk_and_value(
    log: EventLog, as_of: datetime, horizon_days: float, *, value: bool = True
) -> pd.DataFrame:
    """One row a buyer by ``user_id``: the ``risk`` and the ``value`` in the horizon after `as_of`.

    The risk is the probability of no purchase by BG/NBD, the value the expected spend by BG/NBD and
    Gamma-Gamma (NaN without prices), both fitted to what was known at `as_of`. Returns are not
    predicted.

    Raises
    ------
    DataError
        The models cannot be fitted, as where nobody has bought twice.
    """
    examples = _examples(log, as_of, horizon_days)
    predictions = pd.DataFrame(index=pd.Index(examples.user_ids, name="user_id"))
    predictions["risk"] = BGNBDChurn().fit(examples, FitOptions()).predict(examples)
    predictions["value"] = np.nan
    if value and "unit_price" in log.columns:
        predictions["value"] = BGNBDValue().fit(examples, FitOptions()).predict(examples)
    return predictions


def predict_risks(
    log: EventLog, earlier: datetime, as_of: datetime, horizon_days: float
) -> tuple[pd.Series, pd.Series]:
    """The risk of every buyer at two dates by one BG/NBD fitted at the later date, by ``user_id``.

    With a fit at each date the risk of customers who have done nothing would move too.
    """
    now, then = (_examples(log, moment, horizon_days) for moment in (as_of, earlier))
    model = BGNBDChurn().fit(now, FitOptions())
    before, after = (
        pd.Series(model.predict(each), index=pd.Index(each.user_ids, name="user_id"), name="risk")
        for each in (then, now)
    )
    return before, after


def read_predictions(
    path: str | Path, what: str, option: str, log: EventLog | None = None
) -> pd.Series:
    """The ``risk`` or ``value`` of each customer in a CSV or Parquet file, by ``user_id``.

    The names that the column may have are in `PREDICTION_COLUMNS`. Raw ids become those of `log`.

    Raises
    ------
    DataError
        The file or the column is missing, a customer occurs twice, or a risk is outside [0, 1].
    """
    file = existing_file(path, option)
    table = read_marked_table(file)
    name = next((c for c in PREDICTION_COLUMNS[what] if c in table), None)
    if "user_id" not in table or name is None:
        names = " or ".join(PREDICTION_COLUMNS[what])
        has = ", ".join(map(str, table.columns))
        raise DataError(f"{option}={path} needs user_id and {names}: it has {has}")
    ids = as_ids(table["user_id"])
    if ids.duplicated().any():
        repeated = ids[ids.duplicated()].iloc[0]
        raise DataError(f"{option}={path} has {repeated} more than once: keep one row a customer")
    if log is not None and log.key_fingerprint is not None:
        known = log.query("SELECT DISTINCT user_id FROM events")["user_id"].to_numpy(dtype=str)
        ids = names_in_data(ids, known, log.key_fingerprint, f"{option}={path}")
    values = as_numbers(table[name], name)
    if what == "risk" and not values.dropna().between(0, 1).all():
        raise DataError(f"{option}={path}: {name} must be a probability in [0, 1]")
    return values.set_axis(pd.Index(ids, name="user_id")).rename(what).dropna()


def _examples(log: EventLog, as_of: datetime, horizon_days: float) -> Examples:
    """The purchase summary of each customer who had bought by a date."""
    summary = btyd_summary(known_at(log, as_of), as_of)
    if summary.empty:
        raise DataError(f"nobody in {log.name} bought anything before {as_of}")
    ids = summary.index.to_numpy(dtype=str)
    times = np.full(len(ids), np.datetime64(as_of, "us"))
    return Examples(summary.reset_index(drop=True), ids, times, horizon_days)
