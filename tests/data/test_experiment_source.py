"""A table of an experiment: what is read, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.pseudonyms import PseudonymKey
from growthlab.data.experiment_source import ExperimentFile
from growthlab.data.hillstrom import Hillstrom
from growthlab.data.labelled_table import LabelledTable

SAMPLES = Path(__file__).parent / "samples"
N = 300
SETTINGS: dict[str, Any] = {
    "columns": {"user_id": "id", "arm": "group", "label": "bought"},
    "control": "none",
    "probability": {"none": 0.5, "mail": 0.5},
    "cost": {"mail": 0.1},
}


def campaign(n: int = N) -> pd.DataFrame:
    """Customers in two arms in turn, who buy more often with the mail."""
    random = np.random.default_rng(0)
    mailed = np.arange(n) % 2
    return pd.DataFrame(
        {
            "id": [f"c{i:03d}" for i in random.permutation(n)],
            "age": random.integers(18, 80, n),
            "group": np.where(mailed, "mail", "none"),
            "bought": (random.uniform(size=n) < 0.2 + 0.3 * mailed).astype(int),
        }
    )


def read(folder: Path, table: pd.DataFrame, **settings: Any) -> LabelledTable:
    """The table as the source reads it from a file."""
    path = folder / "campaign.csv"
    table.to_csv(path, index=False)
    return ExperimentFile(path=str(path), **{**SETTINGS, **settings}).read()


def test_arm_and_probability_are_no_features_and_follow_their_customers(tmp_path: Path) -> None:
    table = campaign()
    table["p"] = np.where(table["age"] < 40, 0.3, 0.6)
    table["q"] = 1 - table["p"]
    found = read(tmp_path, table, probability={"none": "p", "mail": "q"})
    assert list(found.features) == ["age"]
    assert found.assignment is not None
    assert found.assignment.treatments == ("mail",)
    assert found.assignment.about() == {"control": "none", "cost": {"mail": 0.1, "none": 0.0}}
    of_file = table.set_index("id").loc[found.user_ids]
    assert found.assignment.arms.tolist() == of_file["group"].tolist()
    assert found.assignment.probability["mail"].tolist() == of_file["q"].tolist()


def test_a_saved_table_and_one_with_pseudonyms_keep_the_assignment(tmp_path: Path) -> None:
    found = read(tmp_path, campaign())
    opened = LabelledTable.open((found.save(tmp_path / "saved"), tmp_path / "saved")[1])
    assert opened.digest == found.digest
    renamed = found.with_pseudonyms(PseudonymKey(b"k" * 32))
    for table in (opened, renamed):
        assert table.assignment is not None
        bought = [table.label[table.assignment.arms == arm].mean() for arm in ("none", "mail")]
        assert bought == [found.label[found.assignment.arms == a].mean() for a in ("none", "mail")]  # type: ignore[union-attr]
        assert table.assignment.cost == {"mail": 0.1, "none": 0.0}


def test_another_arm_is_another_digest(tmp_path: Path) -> None:
    table = campaign()
    before = read(tmp_path, table).digest
    table.loc[0, "group"] = "mail"
    assert read(tmp_path, table).digest != before


def test_hillstrom_has_two_arms_and_no_outcome_among_its_features() -> None:
    found = Hillstrom(path=str(SAMPLES / "campaign.csv")).read()
    assert found.assignment is not None
    assert found.assignment.control == "No E-Mail"
    assert found.assignment.treatments == ("Mens E-Mail", "Womens E-Mail")
    assert not {"visit", "conversion", "spend", "segment"} & set(found.features)


def changed(row: int, column: str, value: Any) -> pd.DataFrame:
    """The campaign with another value in one cell."""
    table = campaign().astype(object)
    table.loc[row, column] = value
    return table


def dated(**columns: str) -> pd.DataFrame:
    """The campaign with dates of the assignment, and others."""
    return campaign().assign(date="2025-03-01", **columns)


FIRST = campaign()["id"].iloc[0]
REFUSED = [
    (campaign(30), {}, DataError, r"too few customers .*: mail \(15\), none \(15\); at least 100"),
    (campaign().assign(group="mail"), {}, DataError, "one arm only .*expected_value_heuristic"),
    (campaign(), {"control": None}, ConfigError, "data.control=ARM names the arm .* of mail, none"),
    (
        campaign(),
        {"control": "nothing"},
        ConfigError,
        "no customer of group is in this arm, so the",
    ),
    (campaign().drop(columns="group"), {}, DataError, "no column 'group' of arms"),
    (changed(7, "group", None), {}, DataError, "row 8: no arm in group"),
    (changed(2, "id", FIRST), {}, DataError, f"row 3: the customer {FIRST} is in row 1 already"),
    (changed(3, "id", FIRST), {}, DataError, f"{FIRST} is in the arm mail, and in row 1 in none"),
    (
        campaign(),
        {"probability": {}},
        ConfigError,
        "mail, none has none: .*expected_value_heuristic",
    ),
    (campaign(), {"probability": {"none": 0.5}}, ConfigError, "mail has none"),
    (
        campaign(),
        {"probability": {"none": 0.5, "mail": 0.4}},
        DataError,
        "sum to 0.9, and they must",
    ),
    (
        campaign(),
        {"probability": {"none": 1.5, "mail": -0.5}},
        DataError,
        r"is -0.5, not in \[0, 1\]",
    ),
    (campaign(), {"probability": {"none": 1, "mail": 0}}, DataError, "the arm mail had no chance"),
    (campaign(), {"probability": {"none": 0.5, "male": 0.5}}, ConfigError, "did you mean mail"),
    (campaign(), {"probability": {"none": "p", "mail": 0.5}}, ConfigError, "none=p is no column"),
    (campaign(), {"cost": {"mail": -1}}, ConfigError, "data.cost.mail=-1 must be 0 or more"),
    (campaign(), {"cost": {"mail": "free"}}, ConfigError, "data.cost.mail=free must be 0 or more"),
    (
        campaign(),
        {"probability": {"none": [1], "mail": 0}},
        ConfigError,
        "must be a number, or the",
    ),
    (
        campaign(),
        {"columns": {"user_id": "id", "arm": "age", "label": "bought"}},
        DataError,
        "age has 62 different values, as 18 and 19, and an experiment has at most 20 arms",
    ),
    (
        campaign(),
        {"columns": {"user_id": "id", "arm": "group", "label": "group"}},
        DataError,
        "group is the arm and the label",
    ),
    (campaign(), {"cost": {"post": 1}}, ConfigError, "data.cost has post"),
    (dated(features_date="2025-03-02"), {}, DataError, "row 1: its features are known after its"),
    (dated(label_date="2025-02-27"), {}, DataError, "row 1: its outcome is measured before its"),
    (
        campaign().assign(label_date="2025-03-01"),
        {},
        DataError,
        "label_date can only be checked against the date of the assignment",
    ),
]


@pytest.mark.parametrize(
    ("table", "settings", "error", "line"), REFUSED, ids=[r[3] for r in REFUSED]
)
def test_what_is_no_experiment_is_one_line(
    tmp_path: Path, table: pd.DataFrame, settings: dict[str, Any], error: type[Exception], line: str
) -> None:
    with pytest.raises(error, match=line) as caught:
        read(tmp_path, table, **settings)
    assert "\n" not in str(caught.value)


def test_dates_in_order_are_read(tmp_path: Path) -> None:
    found = read(tmp_path, dated(features_date="2025-03-01", label_date="2025-03-15"))
    assert list(found.features) == ["age"]
    assert found.dates is not None
