"""A customer table without events: roles of columns, labels as numbers, features, mistakes with their row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.customer_file import CustomerFile
from growthlab.data.label_values import label_values
from growthlab.data.labelled_table import LabelledTable

HEADER = "id,plan,months,left"
ROWS = ("b,year,3,Yes", "a,month, ,no", "c,month,7,no")


def source(folder: Path, rows: tuple[str, ...] = ROWS, header: str = HEADER, **more: Any) -> Any:
    """A source of a CSV file with these rows."""
    path = folder / "telecom.csv"
    path.write_text("\n".join((header, *rows)) + "\n")
    columns = more.pop("columns", {"user_id": "id", "label": "left"})
    return CustomerFile(path=str(path), columns=columns, **more)


def test_rows_are_sorted_by_customer_with_numbers_texts_and_blanks(tmp_path: Path) -> None:
    table = source(tmp_path).read()
    assert table.user_ids.tolist() == ["a", "b", "c"]
    assert table.label.tolist() == [0.0, 1.0, 0.0]
    assert table.features["months"].tolist()[1:] == [3.0, 7.0]
    assert np.isnan(table.features["months"][0])  # a cell of blanks is missing
    assert table.features["plan"].astype(str).tolist() == ["month", "year", "month"]
    assert table.place(0) == "telecom.csv, row 2"


def test_customers_without_ids_are_the_numbers_of_their_rows(tmp_path: Path) -> None:
    table = source(tmp_path, columns={"label": "left"}, leave_out=["id"]).read()
    assert table.user_ids.tolist() == ["1", "2", "3"]


def test_the_cache_keeps_the_table_and_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    first = source(tmp_path).prepare(tmp_path / "cache")
    again = source(tmp_path).prepare(tmp_path / "cache")
    assert isinstance(again, LabelledTable)
    assert again.digest == first.digest
    pd.testing.assert_frame_equal(again.features, first.features)
    cache = tmp_path / "cache"
    assert source(tmp_path, ROWS[::-1]).prepare(cache).digest == first.digest
    other = ("b,year,3,no", "a,month, ,Yes", "c,month,7,no")
    assert source(tmp_path, other).prepare(cache).digest != first.digest


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["Yes", "no", "Y"], [1, 0, 1]),
        (["True", "FALSE", "t"], [1, 0, 1]),
        (["1", "0", " 1 "], [1, 0, 1]),
        (["12.5", "0", "-3"], [12.5, 0, -3]),
    ],
)
def test_words_of_yes_and_no_are_one_and_zero_and_amounts_stay(
    words: list[str], expected: list[float]
) -> None:
    assert label_values(pd.Series(words), "left", None).tolist() == expected


def test_a_positive_word_is_one_and_every_other_zero() -> None:
    words = pd.Series(["Attrited Customer", "Existing Customer", None])
    values = label_values(words, "flag", "attrited customer")
    assert values[:2].tolist() == [1, 0]
    assert np.isnan(values[2])
    numbers = pd.Series([1, 2, 1])  # as of a Parquet file
    assert label_values(numbers, "flag", "2").tolist() == [0, 1, 0]


def test_rows_without_a_label_are_dropped_on_request_and_reported(tmp_path: Path) -> None:
    rows = (*ROWS, "d,year,2,")
    table = source(tmp_path, rows, drop_unlabelled=True).read()
    assert table.user_ids.tolist() == ["a", "b", "c"]
    assert table.cleaning[0]["rule"] == "no label"


def test_the_same_customer_may_have_a_row_for_each_date(tmp_path: Path) -> None:
    rows = ("a,1,2025-02-01,no", "a,2,2025-01-01,yes", "b,3,2025-01-01,no")
    columns = {"user_id": "id", "label": "left", "date": "day"}
    table = source(tmp_path, rows, "id,months,day,left", columns=columns).read()
    assert table.features["months"].tolist() == [2, 1, 3]  # by customer, then date
    assert table.newest().features["months"].tolist() == [1, 3]


def test_columns_without_meaning_for_others_are_one_error_that_names_them_all(
    tmp_path: Path,
) -> None:
    rows = tuple(f"c{i},{i},name {i},here,{i % 7},{i % 2}" for i in range(120))
    header = "id,number,name,country,months,left"
    expected = (
        r"number \(another whole number for every customer, as an id\), name \(120 texts\), "
        r"country \(one value\): leave out with data\.leave_out=\[number,name,country\]"
    )
    with pytest.raises(DataError, match=expected):
        source(tmp_path, rows, header).read()
    named = ["number", "name", "country"]
    assert list(source(tmp_path, rows, header, leave_out=named).read().features) == ["months"]
    assert list(source(tmp_path, rows, header, keep=named).read().features)[:3] == named


def test_codes_with_leading_zeros_are_texts(tmp_path: Path) -> None:
    rows = ("a,007,3,yes", "b,010,3,no", "c,007,4,no")
    table = source(tmp_path, rows).read()
    assert table.features["plan"].astype(str).tolist() == ["007", "010", "007"]


MISTAKES = [
    (
        {},
        ("a,x,1,maybe", "b,y,2,no"),
        r"telecom\.csv: row 1: left 'maybe' is neither a number nor yes",
    ),
    ({}, ("a,x,1,yes", "b,y,2,"), r"row 2: no label left \(1 of 2 rows"),
    ({}, ("a,x,1,no", "b,y,2,no"), r"the label left is 0 in all of 2 rows"),
    ({}, ("a,x,1,yes", "b,y,2,no", "a,z,3,no"), r"row 3: the customer a is in row 1 already"),
    ({}, ("a,x,1,yes", ",y,2,no"), r"row 2: no id of a customer"),
    ({"positive": "gone"}, ROWS, r"data\.positive=gone: left never has this word"),
    ({"columns": {"label": "lft"}}, ROWS, r"no column 'lft' of labels.*did you mean left"),
    ({"columns": {"label": "left", "date": "day"}}, ROWS, r"no column 'day' \(for date\)"),
    ({"leave_out": ["pln"]}, ROWS, r"data\.leave_out has pln: did you mean plan"),
    (
        {"leave_out": ["plan"], "keep": ["plan"]},
        ROWS,
        r"data\.leave_out has plan, which is to be read",
    ),
    ({"leave_out": ["plan", "months"]}, ROWS, r"no column is left as a feature"),
    (
        {"features": ["months"]},
        (*ROWS, *(f"x{i},m,{i % 5},no" for i in range(20)), "y,m,many,no"),
        r"row 24: months 'many' is not a finite number, and 22 of 23 values of it are",
    ),
]


@pytest.mark.parametrize(("settings", "rows", "line"), MISTAKES, ids=[m[2][:30] for m in MISTAKES])
def test_a_mistake_is_one_line_with_file_column_and_row(
    tmp_path: Path, settings: dict[str, Any], rows: tuple[str, ...], line: str
) -> None:
    with pytest.raises((DataError, ConfigError), match=line) as error:
        source(tmp_path, rows, **settings).read()
    assert "\n" not in str(error.value)


def test_an_unknown_role_of_a_column_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.columns has no 'lable': did you mean label"):
        CustomerFile(columns={"lable": "left"})
