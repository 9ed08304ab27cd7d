"""The split of a customer table: a customer in one part, the newest dates, a published column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.labelled_table import LabelledTable
from growthlab.split.customers import Customers
from growthlab.split.table_leakage import table_leakage_report


def table_of(user_ids: list[str], dates: list[str] | None = None, **more: Any) -> LabelledTable:
    """A table with these customers, labelled 1 and 0 in turn."""
    n = len(user_ids)
    return LabelledTable(
        name="bank",
        file="bank.csv",
        label_column="left",
        user_ids=np.array(user_ids),
        label=np.arange(n) % 2 * 1.0,
        features=pd.DataFrame({"age": np.arange(n) * 1.0}),
        numbers=np.arange(1, n + 1),
        dates=None if dates is None else np.array(dates, dtype="datetime64[us]"),
        **more,
    )


CUSTOMERS = table_of(sorted(f"c{i}" for i in range(1000)))
MONTHS = ["2025-01-01", "2025-02-01", "2025-03-01"]
SNAPSHOTS = table_of(sorted(f"c{i}" for i in range(30) for _ in MONTHS), MONTHS * 30)


def test_a_seeded_share_of_the_customers_is_the_test_and_nobody_is_in_two_parts() -> None:
    (fold,) = Customers().table_folds(CUSTOMERS)
    inner = fold.for_choosing()
    parts = [set(part.user_ids) for part in (inner.past, inner.future, fold.future)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 1000
    assert set(fold.past.user_ids) == parts[0] | parts[1]
    # shares of 0.64, 0.16 and 0.2, within three standard deviations of a thousand draws
    assert [abs(len(p) - n) < 45 for p, n in zip(parts, (640, 160, 200), strict=True)] == [True] * 3
    assert table_leakage_report(fold)["clean"] is True


def test_the_seed_chooses_the_customers_and_new_customers_move_nobody() -> None:
    test = set(Customers().table_folds(CUSTOMERS)[0].future.user_ids)
    assert test != set(Customers(seed=1).table_folds(CUSTOMERS)[0].future.user_ids)
    longer = table_of(sorted([*CUSTOMERS.user_ids.tolist(), "new 1", "new 2"]))
    assert test <= set(Customers().table_folds(longer)[0].future.user_ids)


def test_the_newest_of_several_snapshots_is_the_test_and_the_one_before_validates() -> None:
    (fold,) = Customers().table_folds(SNAPSHOTS)
    assert fold.cutoff is not None
    assert fold.cutoff.month == 3
    months = [
        sorted({d.astype("datetime64[M]").astype(int) % 12 + 1 for d in part.dates})
        for part in (fold.for_choosing().past, fold.for_choosing().future, fold.future)
    ]
    assert months == [[1], [2], [3]]
    assert len(fold.future) == 30  # one row a customer
    assert table_leakage_report(fold)["clean"] is True


def test_a_row_teaches_only_once_its_label_was_known() -> None:
    # by March the label of the row of February is known after 20 days, not after 40
    short = Customers(valid_share=0).table_folds(SNAPSHOTS, horizon_days=20)[0]
    long = Customers(valid_share=0).table_folds(SNAPSHOTS, horizon_days=40)[0]
    assert len(short.past) == 60
    assert len(long.past) == 30
    assert set(long.past.dates) == {np.datetime64("2025-01-01", "us")}


def test_a_column_of_parts_is_taken_in_capitals_or_not() -> None:
    table = table_of(["a", "b", "c"], parts=np.array(["Train", "valid ", "TEST"]))
    (fold,) = Customers().table_folds(table)
    assert fold.past.user_ids.tolist() == ["a", "b"]
    assert fold.for_choosing().future.user_ids.tolist() == ["b"]
    assert fold.future.user_ids.tolist() == ["c"]


def test_validation_comes_from_a_share_of_train_where_the_column_has_none() -> None:
    parts = np.where(np.arange(1000) < 800, "train", "test")
    table = table_of(CUSTOMERS.user_ids.tolist(), parts=parts)
    (fold,) = Customers().table_folds(table)
    assert 100 < len(fold.for_choosing().future) < 220
    assert Customers(valid_share=0).table_folds(table)[0].inner is None


@pytest.mark.parametrize(
    ("table", "settings", "line"),
    [
        (
            table_of(["a", "b"], parts=np.array(["train", "tset"])),
            {},
            r"bank\.csv, row 2: 'tset' in the",
        ),
        (
            table_of(["a", "a"], parts=np.array(["train", "test"])),
            {},
            r"bank\.csv, row 2: the customer a is in test and in train",
        ),
        (
            table_of(["a", "b"], parts=np.array(["train", "train"])),
            {},
            r"no row is in the test window",
        ),
        (CUSTOMERS, {"by": "date"}, r"split\.by=date: name it with data\.columns\.date"),
        (CUSTOMERS, {"by": "dates"}, r"split\.by=dates: did you mean date"),
        (CUSTOMERS, {"cutoff": "2025-01-01"}, r"split\.cutoff=2025-01-01 needs dates"),
        (SNAPSHOTS, {"cutoff": "2024-01-01"}, r"no row is before or outside the test window"),
        (CUSTOMERS, {"test_share": 1.0}, r"split\.test_share must be above 0 and below 1"),
        (CUSTOMERS, {"valid_share": -0.1}, r"split\.valid_share must be 0 or more"),
    ],
)
def test_a_mistake_is_one_line(table: LabelledTable, settings: dict[str, Any], line: str) -> None:
    with pytest.raises((DataError, ConfigError), match=line) as error:
        Customers(**settings).table_folds(table)
    assert "\n" not in str(error.value)


def test_a_table_is_cut_once() -> None:
    with pytest.raises(ConfigError, match="origins=2: a customer table is cut once"):
        Customers().table_folds(CUSTOMERS, origins=2)
