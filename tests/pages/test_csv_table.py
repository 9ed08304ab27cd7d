"""A table of any texts is read back as it was, and none of its cells is a formula."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
from tests.core.test_csv_text import FORMULAS

from growthlab.pages.csv_table import csv_of_table, table_of_csv


def test_texts_and_column_names_are_marked_and_numbers_are_not(tmp_path: Path) -> None:
    table = pd.DataFrame({"stratum": FORMULAS, "=x": -1.5, "n": -2, "ok": True})
    path = tmp_path / "table.csv"
    path.write_text(csv_of_table(table), encoding="utf-8", newline="")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["stratum", "'=x", "n", "ok"]
    assert all(
        row == [f"'{text}", "-1.5", "-2", "True"]
        for row, text in zip(rows[1:], FORMULAS, strict=True)
    )
    pd.testing.assert_frame_equal(table_of_csv(path), table)


def test_a_column_of_texts_and_missing_values_keeps_both(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(csv_of_table(pd.DataFrame({"why": ["=1", None], "x": [1.0, np.nan]})))
    assert path.read_text() == "why,x\n'=1,1.0\n,\n"
