"""A bundle on a table: a row a request in, a row an answer out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from growthlab.bundle.answers import Prediction, PredictRequest, Recommendation, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.list_maker import NO_RULES
from growthlab.core.errors import BundleError, DataError
from growthlab.ranking.rules import Rules

ASKED = ("user_id", "history", "item", "basket", "personalised")
ANSWERS = {"churn": "churn_probability", "value": "expected_value"}


def recommendations(
    bundle: Bundle,
    rows: pd.DataFrame,
    k: int,
    filter_seen: str | None = None,
    first: int = 0,
    rules: Rules = NO_RULES,
) -> list[Recommendation]:
    """The answer to each row, by those of the columns `ASKED` that are there and not empty.

    A history or a basket is a list of item ids, oldest first, or a JSON list, or ids joined by
    blanks. `first` is the number of the first row, for messages.
    """
    nothing: list[Any] = [None] * len(rows)
    lists = {
        name: [as_history(v, row, name) for row, v in enumerate(rows[name], start=first)]
        if name in rows
        else nothing
        for name in ("history", "basket")
    }
    requests = [
        RecommendRequest(
            user, history, item=item, basket=basket, filter_seen=filter_seen, personalised=personal
        )
        for user, history, item, basket, personal in zip(
            ids_of(rows, "user_id"),
            lists["history"],
            ids_of(rows, "item"),
            lists["basket"],
            _personalised(rows, first),
            strict=True,
        )
    ]
    return bundle.recommend(requests, k, rules)


def predictions(bundle: Bundle, rows: pd.DataFrame, first: int = 0) -> list[Prediction]:
    """The answer to each row, by its ``user_id``, its feature columns or neither.

    Features that are given are taken instead of the stored ones.
    """
    if bundle.predictor is None:
        raise BundleError(f"{bundle.folder} answers {bundle.manifest.task}, not churn or value")
    columns, texts = bundle.predictor.scorer.columns, bundle.predictor.texts
    given = {c: _feature(rows, c, c in texts, first) for c in columns if c in rows}
    requests = []
    for place, user in enumerate(user_ids(rows)):
        features: Mapping[str, float | str] = {
            c: v for c, values in given.items() if (v := values[place]) is not None
        }
        requests.append(PredictRequest(user, features))
    return bundle.predict(requests)


def user_ids(rows: pd.DataFrame) -> list[str | None]:
    """The column ``user_id`` as texts; None where it is empty, or not there at all."""
    return ids_of(rows, "user_id")


def ids_of(rows: pd.DataFrame, column: str) -> list[str | None]:
    """A column of ids as texts; None where it is empty, or not there at all."""
    if column not in rows:
        return [None] * len(rows)
    values = rows[column]
    if pd.api.types.is_float_dtype(values):  # whole numbers beside missing ones
        values = values.astype("Int64") if (values.dropna() % 1 == 0).all() else values
    return [None if missing else str(v) for v, missing in zip(values, values.isna(), strict=True)]


def _personalised(rows: pd.DataFrame, first: int) -> list[bool]:
    """Whether a personal list is wanted: everywhere, but where the column says no."""
    if "personalised" not in rows:
        return [True] * len(rows)
    said = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    out = []
    for row, value in enumerate(rows["personalised"], start=first):
        word = "true" if pd.isna(value) else str(value).strip().lower()
        if word not in said:
            raise DataError(f"row {row}: personalised is true or false, got {value!r}")
        out.append(said[word])
    return out


def as_history(value: Any, row: int, name: str = "history") -> list[str] | None:
    """One cell as item ids, None where it is empty; DataError names the row."""
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    if not isinstance(value, (str, list, tuple, np.ndarray)):
        raise DataError(f"row {row}: the {name} {value!r} is neither a list nor a text of item ids")
    if not isinstance(value, str):
        return [str(item) for item in value]
    if not value.lstrip().startswith("["):
        return value.split()
    try:
        return [str(item) for item in json.loads(value)]
    except ValueError as error:
        raise DataError(f"row {row}: the {name} {value[:60]!r} is no JSON list") from error


def _feature(rows: pd.DataFrame, column: str, text: bool, first: int) -> list[float | str | None]:
    """One feature's column; None where it is not known."""
    values = rows[column]
    missing = values.isna().to_numpy()
    if text:
        return [None if m else str(v) for v, m in zip(values, missing, strict=True)]
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=float("nan"))
    wrong = (numbers != numbers) & ~missing
    if wrong.any():
        place = int(wrong.argmax())
        given = values.iloc[place]
        raise DataError(f"row {first + place}: {column} is a number, got {given!r}")
    return [None if m else float(n) for n, m in zip(numbers, missing, strict=True)]
