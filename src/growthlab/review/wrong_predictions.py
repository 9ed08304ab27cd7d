"""The most wrong predictions of a model beside those of others, for the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping

import pandas as pd

from growthlab.evaluation.largest_mistakes import MISTAKES
from growthlab.evaluation.standings import Standings, predictions_of
from growthlab.review.review_contents import WrongPrediction


def wrong_predictions(
    comparison: Standings, model: str, others: list[str], pseudonym: Callable[[str], str]
) -> list[WrongPrediction]:
    """The customers of the model's table of mistakes; empty where the run has none."""
    table = comparison.models[model][0].tables.get(MISTAKES, pd.DataFrame())
    if table.empty:
        return []
    predicted = {
        name: predictions_of(comparison.models[name][0]).set_index("user_id")["prediction"]
        for name in (model, *others)
    }
    found = []
    for user, rows in table.groupby("user_id", sort=False):
        known = {n: float(column[user]) for n, column in predicted.items() if user in column.index}
        reasons = [_reason(r) for r in rows.to_dict("records") if r["feature"]]
        label = float(rows["label"].iloc[0])
        found.append(WrongPrediction(pseudonym(str(user)), label, known, reasons))
    return found


def _reason(row: Mapping[Hashable, object]) -> str:
    name, percentile = str(row["feature"]).replace("_", " "), float(str(row["percentile"]))
    if math.isnan(percentile):
        return f"{name} {row['value']}"
    return f"{name} {row['value']} ({percentile:.0f} of 100 have less)"
