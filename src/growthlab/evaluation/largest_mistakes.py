"""The customers whose outcome a model predicted worst, with the features that matter most to it."""

from __future__ import annotations

import numpy as np
import pandas as pd

MISTAKES = "mistakes"  # the table of an outcome
N_CUSTOMERS = 10
N_FEATURES = 4
COLUMNS = ("user_id", "label", "prediction", "feature", "value", "percentile")


def largest_mistakes(
    predictions: pd.DataFrame, features: pd.DataFrame, importance: pd.DataFrame
) -> pd.DataFrame:
    """A row a customer and feature: the largest mistake first, the most important feature first.

    Parameters
    ----------
    predictions : user_id, label, prediction
    features : the table that the model read, with the same rows
    importance : feature and importance, the largest first; those of no importance are left out

    Returns
    -------
    DataFrame with `COLUMNS`: ``value`` is a text, ``percentile`` the share of customers with a smaller
    value in percent (NaN for a text or an unknown value). A mistake is the distance of an amount from
    the prediction, and for outcomes of 0 and 1 that of the outcome from the rank of the prediction, as
    not every score is a probability.
    """
    label = predictions["label"].to_numpy(dtype=float)
    predicted = predictions["prediction"].to_numpy(dtype=float)
    if np.isin(label, (0, 1)).all():
        ranks = pd.Series(predicted).rank(pct=True).to_numpy()
        mistakes = np.abs(label - ranks)
    else:
        mistakes = np.abs(label - predicted)
    worst = np.argsort(-mistakes, kind="stable")[:N_CUSTOMERS]
    weights = importance if len(importance) else pd.DataFrame({"feature": [], "importance": []})
    named = weights.loc[weights["importance"] > 0, "feature"]
    shown = [name for name in named if name in features][:N_FEATURES]
    rows = []
    for row in worst:
        about = tuple(predictions.iloc[row][["user_id", "label", "prediction"]])
        for name in shown:
            rows.append((*about, name, *_value_at(features[name], int(row))))
        if not shown:
            rows.append((*about, "", "", np.nan))
    return pd.DataFrame(rows, columns=COLUMNS)


def _value_at(column: pd.Series, row: int) -> tuple[str, float]:
    """The value of a row as a text, and the percentage of rows with a smaller one."""
    value = column.iloc[row]
    if column.dtype.kind not in "biuf" or not np.isfinite(value):
        return str(value), np.nan
    return f"{float(value):,.4g}", 100.0 * float((column < value).mean())
