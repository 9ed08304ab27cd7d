"""Personal data that nobody has decided about stops the reading; what was decided is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.pseudonyms import find_or_create_key
from growthlab.data.customer_file import CustomerFile
from growthlab.data.tabular_file import TabularFile

EVENTS = pd.DataFrame(
    {
        "user_id": ["u1", "u2", "u3", "u4"],
        "item_id": ["tea", "cup", "tea", "pot"],
        "event_type": ["purchase", "search", "search", "purchase"],
        "timestamp": ["2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04"],
        "query": [None, "green tea", "anna@example.com", None],
        "channel": ["web", "shop", "web", "app"],
    }
)
USERS = pd.DataFrame(
    {
        "user_id": ["u1", "u2", "u3", "u4"],
        "plan": ["gold", "basic", "basic", "gold"],
        "surname": ["Nowak", "Rossi", "Smith", "Weber"],
        "home_phone": ["+49 170 5551234", None, "+44 20 7946 0958", "+49 170 5551235"],
    }
)


def shop(folder: Path, **settings: Any) -> TabularFile:
    """A shop's events and users as files."""
    EVENTS.to_csv(folder / "events.csv", index=False)
    USERS.to_csv(folder / "users.csv", index=False)
    return TabularFile(
        path=str(folder / "events.csv"), users_path=str(folder / "users.csv"), **settings
    )


def test_every_undecided_column_is_named_with_the_line_to_type(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        shop(tmp_path).read()
    message = str(caught.value)
    assert "query (e-mail, by its content)" in message
    assert "surname (person's name, by its name)" in message
    assert "home_phone (phone, by its content)" in message
    assert "data.personal_data={query: drop, surname: drop, home_phone: drop}" in message
    assert "channel" not in message
    assert "plan" not in message


def test_columns_are_dropped_hashed_and_allowed(tmp_path: Path) -> None:
    decided = {"query": "hash", "surname": "drop", "home_phone": "allow"}
    log = shop(tmp_path, personal_data=decided).read()
    key = find_or_create_key()
    queries = log.query("SELECT user_id, query FROM events ORDER BY user_id")["query"].tolist()
    assert queries[1:3] == [
        key.pseudonym("column/query", "green tea"),
        key.pseudonym("column/query", "anna@example.com"),
    ]
    assert pd.isna(queries[0])
    assert pd.isna(queries[3])
    assert log.users is not None
    assert list(log.users) == ["user_id", "plan", "home_phone"]
    assert log.users["home_phone"].tolist()[0] == "+49 170 5551234"
    dropped = shop(tmp_path, personal_data={**decided, "query": "drop"}).read()
    assert "query" not in dropped.columns
    assert dropped.query("SELECT count(query) AS n FROM events")["n"].item() == 0


def test_an_address_in_one_of_many_cells_is_found(tmp_path: Path) -> None:
    many = pd.concat([EVENTS.assign(query=f"tea {n}") for n in range(12_000)], ignore_index=True)
    many.loc[31_007, "query"] = "parcel for bob@example.org please"
    many.to_parquet(tmp_path / "many.parquet")
    with pytest.raises(DataError, match=r"personal data in query \(e-mail, by its content\)"):
        TabularFile(path=str(tmp_path / "many.parquet")).read()


def test_the_name_in_the_file_counts_too(tmp_path: Path) -> None:
    renamed = EVENTS.assign(customer_email=["(at)", "a(at)b", "c(at)d", "e(at)f"])
    renamed.drop(columns="query").to_csv(tmp_path / "events.csv", index=False)
    source = TabularFile(
        path=str(tmp_path / "events.csv"), columns={"session_id": "customer_email"}
    )
    with pytest.raises(DataError, match=r"personal data in session_id \(e-mail, by its name\)"):
        source.read()


@pytest.mark.parametrize(
    ("decided", "error", "line"),
    [
        ({"query": "forget"}, ConfigError, "data.personal_data.query=forget"),
        ({"qeury": "drop"}, DataError, "there is no column 'qeury' to decide about: did you mean"),
    ],
)
def test_a_decision_that_is_none_is_one_line(
    tmp_path: Path, decided: dict[str, str], error: type[Exception], line: str
) -> None:
    with pytest.raises(error, match=line):
        shop(tmp_path, personal_data=decided).read()


def test_a_customer_table_asks_alike(tmp_path: Path) -> None:
    people = [f"{first} {last}" for first in ("Anna", "John") for last in ("Nowak", "Li", "Weber")]
    table = pd.DataFrame(
        {
            "customer": range(60),
            "months": [n // 2 for n in range(60)],
            "contact": [people[n % 6] for n in range(60)],
            "left": [n % 3 == 0 for n in range(60)],
        }
    )
    table.to_csv(tmp_path / "telecom.csv", index=False)
    settings: dict[str, Any] = {
        "path": str(tmp_path / "telecom.csv"),
        "columns": {"user_id": "customer", "label": "left"},
    }
    with pytest.raises(DataError, match=r"personal data in contact \(person's name"):
        CustomerFile(**settings).read()
    read = {
        decision: CustomerFile(**settings, personal_data={"contact": decision}).read().features
        for decision in ("drop", "hash", "allow")
    }
    assert list(read["drop"]) == ["months"]
    assert set(read["allow"]["contact"]) == set(people)
    hashed = find_or_create_key().pseudonyms("column/contact", people)
    assert set(read["hash"]["contact"]) == set(hashed)
    assert list(CustomerFile(**settings, leave_out=["contact"]).read().features) == ["months"]
