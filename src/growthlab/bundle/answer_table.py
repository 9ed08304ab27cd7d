"""A bundle on the rows of a table: a row a request in, an answer for each out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from growthlab.bundle.answers import Prediction, PredictRequest, Recommendation, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.list_maker import NO_RULES
from growthlab.bundle.table_files import Columns
from growthlab.core.errors import DataError
from growthlab.core.ids import LostDigitsError, kept_ids
from growthlab.ranking.rules import Rules

REQUEST_COLUMNS = ("user_id", "history", "item", "basket", "personalised")
SEPARATORS = ("|", ";", ",")  # of ids in a cell; without them blanks
YES_OR_NO = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


@dataclass(frozen=True)
class RequestRows:
    """Rows of a table, each a request; a cell that is None or NaN is empty.

    `first` is the number of rows before them in the table. Messages call the first row of a table row 1.
    """

    columns: Mapping[str, Sequence[Any]]
    n_rows: int
    first: int = 0

    def __len__(self) -> int:
        return self.n_rows

    def column(self, name: str) -> list[Any]:
        """The cells of a column, None where they are empty or the table has no such column."""
        if name not in self.columns:
            return [None] * self.n_rows
        return [None if _is_missing(value) else value for value in self.columns[name]]

    @property
    def user_ids(self) -> list[str | None]:
        """The column ``user_id`` as texts."""
        return self.ids("user_id")

    @property
    def given_user_ids(self) -> list[str | None]:
        """The column ``user_id`` as it was given, for the answers."""
        pairs = zip(self.column("user_id"), self.user_ids, strict=True)
        return [given if isinstance(given, str) else kept for given, kept in pairs]

    def ids(self, name: str) -> list[str | None]:
        """A column of ids by the rule of `core/ids.py`; DataError where one has lost digits."""
        try:
            return kept_ids(self.column(name))
        except LostDigitsError as error:
            raise DataError(error.line(self.first + error.place + 1, name)) from None


def recommendations(
    bundle: Bundle,
    rows: RequestRows,
    k: int,
    filter_seen: str | None = None,
    rules: Rules = NO_RULES,
) -> list[Recommendation]:
    """The list for each row, by the columns of `REQUEST_COLUMNS` that are there and not empty.

    A history or a basket is a list of item ids, oldest first, see `item_ids_of`.
    """
    lists = {
        name: [
            item_ids_of(value, row, name)
            for row, value in enumerate(rows.column(name), start=rows.first + 1)
        ]
        for name in ("history", "basket")
    }
    requests = [
        RecommendRequest(
            user, history, item=item, basket=basket, filter_seen=filter_seen, personalised=personal
        )
        for user, history, item, basket, personal in zip(
            rows.user_ids,
            lists["history"],
            rows.ids("item"),
            lists["basket"],
            _personalised(rows),
            strict=True,
        )
    ]
    return bundle.recommend(requests, k, rules)


def predictions(bundle: Bundle, rows: RequestRows) -> list[Prediction]:
    """The number for each row, by its ``user_id``, its feature columns or neither.

    Features of the row are taken instead of the stored ones.
    """
    features_of_rows: list[dict[str, float | str]] = [{} for _ in range(len(rows))]
    if bundle.predictor is not None:
        texts = bundle.predictor.texts
        for name in bundle.predictor.scorer.columns:
            for features, value in zip(
                features_of_rows, _feature(rows, name, name in texts), strict=True
            ):
                if value is not None:
                    features[name] = value
    requests = [
        PredictRequest(user, features)
        for user, features in zip(rows.user_ids, features_of_rows, strict=True)
    ]
    return bundle.predict(requests)


def columns_of_lists(rows: RequestRows, lists: Sequence[Recommendation]) -> Columns:
    """A row a listed item: row, user_id, item_id, score, rank, served, level and reason."""
    listed = [
        (row, user, answer, item)
        for row, (user, answer) in enumerate(
            zip(rows.given_user_ids, lists, strict=True), start=rows.first
        )
        for item in answer.items
    ]
    return {
        "row": np.array([row for row, *_ in listed], dtype=np.int64),
        "user_id": [user for _, user, *_ in listed],
        "item_id": [item.item for *_, item in listed],
        "score": np.array([item.score for *_, item in listed], dtype=np.float32),
        "rank": np.array([item.rank for *_, item in listed], dtype=np.int32),
        "served": [answer.served for _, _, answer, _ in listed],
        "level": np.array([answer.level for _, _, answer, _ in listed], dtype=np.int8),
        "reason": [item.reason for *_, item in listed],
    }


def columns_of_numbers(rows: RequestRows, numbers: Sequence[Prediction], field: str) -> Columns:
    """A row an answer: row, user_id, the number under the name `field`, the action, if any, and served."""
    return {
        "row": np.arange(rows.first, rows.first + len(rows), dtype=np.int64),
        "user_id": rows.given_user_ids,
        field: np.array([number.value for number in numbers], dtype=np.float64),
        **_arms_of(numbers),
        "served": [number.served for number in numbers],
    }


def item_ids_of(value: Any, row: int, name: str = "history") -> list[str] | None:
    """One cell as item ids, None where it is empty: a list, a JSON list, or ids joined by | ; , or blanks.

    DataError names the row, of which the first is 1.
    """
    if value is None:
        return None
    if not isinstance(value, (str, list, tuple, np.ndarray)):
        raise DataError(f"row {row}: the {name} {value!r} is neither a list nor a text of item ids")
    items: Sequence[Any]
    if not isinstance(value, str):
        items = list(value)
    elif value.lstrip().startswith("["):
        try:
            items = list(json.loads(value, parse_int=str, parse_float=str))
        except (ValueError, TypeError, RecursionError) as error:
            raise DataError(f"row {row}: the {name} {value[:60]!r} is no JSON list") from error
    else:
        separator = next((s for s in SEPARATORS if s in value), None)
        items = value.split(separator)
    try:
        return [item for item in kept_ids(items) if item is not None]
    except LostDigitsError as error:
        raise DataError(error.line(row, name)) from None


def _personalised(rows: RequestRows) -> list[bool]:
    """Whether a personal list is wanted: yes, unless the column says no."""
    wanted = []
    for row, value in enumerate(rows.column("personalised"), start=rows.first + 1):
        word = "true" if value is None else str(value).strip().lower()
        if word not in YES_OR_NO:
            raise DataError(f"row {row}: personalised is true or false, got {value!r}")
        wanted.append(YES_OR_NO[word])
    return wanted


def _feature(rows: RequestRows, name: str, text: bool) -> list[float | str | None]:
    """One feature's column; None where it is not known, as in a cell of blanks."""
    values = [None if isinstance(v, str) and not v.strip() else v for v in rows.column(name)]
    if text:
        return [None if value is None else str(value) for value in values]
    numbers: list[float | str | None] = []
    for row, value in enumerate(values, start=rows.first + 1):
        number = None if value is None else _number(value)
        if number is not None and number != number:
            raise DataError(f"row {row}: {name} is a number, got {value!r}")
        numbers.append(number)
    return numbers


def _number(value: Any) -> float:
    """The value as a number; NaN where it is none."""
    if isinstance(value, str) and "_" in value:  # which Python takes for a number
        return np.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, (float, np.floating)) and bool(np.isnan(value)))


def _arms_of(numbers: Sequence[Prediction]) -> Columns:
    """The columns of the actions that the numbers are of; none where they are of no action."""
    choices = [number.choice for number in numbers if number.choice is not None]
    if not choices:
        return {}
    effects = {
        f"effect_{arm}": np.array([choice.effects[arm] for choice in choices])
        for arm in choices[0].effects
    }
    return {"arm": [choice.arm for choice in choices], **effects}
