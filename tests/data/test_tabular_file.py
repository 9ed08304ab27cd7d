"""Any table as a source: a mapping of columns, errors that name file, column and row."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.data.tabular_file import TabularFile

ORDERS = """customer,sku,when,pieces,price
007,a,2024-05-01T10:00:00,1,2.5
008,b,2024-05-02T10:00:00,2,
007,b,2024-05-03,1,1.0
"""
COLUMNS: dict[str, str | None] = {
    "user_id": "customer",
    "item_id": "sku",
    "timestamp": "when",
    "quantity": "pieces",
    "unit_price": "price",
}


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders 2024.csv"
    path.write_text(ORDERS)
    return path


def source(path: Path, **more: Any) -> TabularFile:
    settings: dict[str, Any] = {"columns": COLUMNS, "event_type": "purchase", **more}
    return TabularFile(path=str(path), **settings)


def read(folder: Path, text: str, **more: Any) -> EventLog:
    path = folder / "events.csv"
    path.write_text(text)
    settings: dict[str, Any] = {"event_type": "view", **more}
    return TabularFile(path=str(path), **settings).read()


def test_columns_are_mapped_and_ids_keep_their_zeros(orders: Path) -> None:
    log = source(orders).read()
    assert (log.name, log.n_events, log.n_users, log.n_items) == ("orders_2024", 3, 2, 2)
    assert list(log.to_pandas()["user_id"]) == ["007", "007", "008"]
    assert log.to_pandas()["unit_price"].sum() == 3.5
    assert log.span() == (datetime(2024, 5, 1, 10), datetime(2024, 5, 3))


def test_parquet_and_csv_are_the_same_data(orders: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(orders, dtype={"customer": str})
    frame.to_parquet(tmp_path / "orders.parquet")
    frame.to_csv(tmp_path / "orders.tsv.gz", sep="\t", index=False)
    digests = {
        source(orders.with_name(n)).read().digest
        for n in ("orders 2024.csv", "orders.parquet", "orders.tsv.gz")
    }
    assert len(digests) == 1


def test_columns_of_our_names_need_no_mapping(tmp_path: Path) -> None:
    log = read(tmp_path, "user_id,event_type,position,note\nu,cart,1,x\n", event_type=None)
    assert log.columns == {"user_id", "event_type", "position"}


def test_without_times_the_order_of_a_users_rows_counts(tmp_path: Path) -> None:
    log = read(tmp_path, "user_id,item_id\nu,a\nv,a\nu,c\nu,b\n")
    assert log.ordered_by == "position"
    assert list(log.to_pandas()["item_id"]) == ["a", "c", "b", "a"]


def test_event_types_of_the_file_are_translated(tmp_path: Path) -> None:
    log = read(
        tmp_path,
        "user_id,event_type\nu,order\nu,view\n",
        event_type=None,
        event_types={"order": "purchase"},
    )
    assert list(log.to_pandas()["event_type"]) == ["purchase", "view"]


@pytest.mark.parametrize(("unit", "value"), [("s", 86400), ("ms", 86400000), ("us", 86400000000)])
def test_times_as_numbers_count_from_1970(tmp_path: Path, unit: str, value: int) -> None:
    log = read(tmp_path, f"user_id,timestamp\nu,{value}\n", unit=unit)
    assert log.span()[0] == datetime(1970, 1, 2)


def test_times_of_another_format_and_zone_become_utc(tmp_path: Path) -> None:
    log = read(
        tmp_path,
        "user_id,timestamp\nu,01.07.2024 12:00\nu,01.01.2024 12:00\n",
        timestamp_format="%d.%m.%Y %H:%M",
        timezone="Europe/London",
    )
    # summer time is an hour ahead of UTC, winter time is UTC
    assert log.span() == (datetime(2024, 1, 1, 12), datetime(2024, 7, 1, 11))


def test_hours_that_occur_twice_are_counted_in_the_report(tmp_path: Path) -> None:
    text = "user_id,timestamp\nu,2024-10-27T01:30\nu,2024-10-27T03:30\n"
    log = read(tmp_path, text, timezone="Europe/London")
    assert [(r["rule"], r["changed_events"]) for r in log.cleaning] == [
        ("unclear local timestamp", 1)
    ]


def test_undated_events_are_an_error_or_counted(tmp_path: Path) -> None:
    text = "user_id,timestamp\nu,2024-01-01\nv,\n"
    with pytest.raises(
        DataError, match=r"events.csv: row 2: no timestamp .*data.drop_undated=true"
    ):
        read(tmp_path, text)
    log = read(tmp_path, text, drop_undated=True)
    assert log.n_events == 1
    assert [(r["rule"], r["dropped_events"]) for r in log.cleaning] == [("no timestamp", 1)]


def test_prices_of_several_currencies_become_one(tmp_path: Path) -> None:
    text = "user_id,unit_price,currency\nu,10,EUR\nu,10,USD\n"
    rates = {"EUR": 1.17, "USD": 1.0}
    log = read(tmp_path, text, rates=rates)
    assert list(log.to_pandas()["unit_price"]) == pytest.approx([11.7, 10.0])
    with pytest.raises(DataError, match="row 2: no rate for the currency 'USD': possible: EUR"):
        read(tmp_path, text, rates={"EUR": 1.17})
    with pytest.raises(DataError, match="row 1: no rate for the currency 'GPB': did you mean GBP"):
        read(tmp_path, "user_id,unit_price,currency\nu,10,GPB\n", rates={"GBP": 1.0})
    unpriced = read(tmp_path, "user_id,unit_price,currency\nu,10,EUR\nu,,\n", rates=rates)
    assert unpriced.n_events == 2  # a missing amount needs no rate
    one = read(tmp_path, "user_id,unit_price\nu,10\n", rates=rates, currency="EUR")
    assert one.to_pandas()["unit_price"].item() == pytest.approx(11.7)
    with pytest.raises(DataError, match=r"data.rates needs the currency of each price"):
        read(tmp_path, "user_id,unit_price\nu,10\n", rates=rates)


def test_ids_of_several_files_join_by_the_identity_map(tmp_path: Path) -> None:
    (tmp_path / "web.csv").write_text("user_id,item_id\n1,a\n2,a\n")
    (tmp_path / "store.csv").write_text("user_id,item_id\n1,b\n9,b\n")
    (tmp_path / "map.csv").write_text(
        "source,source_id,user_id\nweb,1,ann\nstore,9,ann\nstore,1,bob\n"
    )
    log = TabularFile(
        path=[str(tmp_path / "web.csv"), str(tmp_path / "store.csv")],
        identity_path=str(tmp_path / "map.csv"),
        event_type="purchase",
    ).read()
    people = log.to_pandas().groupby("user_id")["item_id"].agg("".join).to_dict()
    assert people == {"ann": "ab", "bob": "b", "web:2": "a"}
    assert [r["why"][:5] for r in log.cleaning] == ["1 ids", "0 ids"]


def test_items_and_users_come_from_their_own_files(orders: Path, tmp_path: Path) -> None:
    (tmp_path / "goods.csv").write_text("sku,name,since\na,Apple,2024-01-01\n")
    (tmp_path / "people.csv").write_text("id,city,consent_mail\n007,Bath,yes\n")
    log = source(
        orders,
        items_path=str(tmp_path / "goods.csv"),
        item_columns={"item_id": "sku", "text": "name", "available_from": "since"},
        users_path=str(tmp_path / "people.csv"),
        user_columns={"user_id": "id"},
    ).read()
    assert log.items is not None
    assert log.users is not None
    assert log.items.to_dict("records") == [
        {"item_id": "a", "text": "Apple", "available_from": pd.Timestamp("2024-01-01")}
    ]
    assert log.users.to_dict("records") == [
        {"user_id": "007", "city": "Bath", "consent_mail": "yes"}
    ]


def test_a_missing_file_is_named_with_similar_files(orders: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no such file: did you mean orders 2024.csv"):
        source(orders.with_name("orders_2024.csv")).input_files()
    with pytest.raises(DataError, match="there is no file, nor a folder"):
        source(tmp_path / "no" / "orders.csv").input_files()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="is a folder without a file in it"):
        source(tmp_path / "empty").input_files()
    with pytest.raises(DataError, match=r"data.items_path=.*there is no such file"):
        source(orders, items_path=str(tmp_path / "goods.csv")).input_files()
    with pytest.raises(DataError, match=r"data=tabular_file needs data.path=FILE.csv"):
        TabularFile().input_files()


def test_a_misspelt_column_gets_its_near_matches(orders: Path) -> None:
    columns = {**COLUMNS, "user_id": "custommer"}
    message = r"orders 2024.csv has no column 'custommer' \(for user_id\): did you mean customer"
    with pytest.raises(DataError, match=message):
        source(orders, columns=columns).read()
    with pytest.raises(DataError, match=r"has no column 'user_id' \(for user_id\): possible"):
        source(orders, columns={}).read()
    with pytest.raises(ConfigError, match="columns has no 'userid': did you mean user_id"):
        source(orders, columns={"userid": "customer"})


def test_unknown_event_types_are_refused(orders: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'purchace' is not an event type: did you mean purchase"):
        source(orders, event_type="purchace")
    with pytest.raises(DataError, match="no column of event types: map one with"):
        source(orders, event_type=None).read()


def test_an_unreadable_time_is_named_with_file_and_row(tmp_path: Path) -> None:
    text = "user_id,timestamp\nu,2024-01-01\nu,2024-01-02\nu,yesterday\n"
    with pytest.raises(DataError, match=r"events.csv: row 3: timestamp 'yesterday' is not an ISO"):
        read(tmp_path, text)
    with pytest.raises(DataError, match="row 1: timestamp '2024-01-01' is not a finite number"):
        read(tmp_path, text, unit="s")
    with pytest.raises(ConfigError, match="timezone 'Europe/Lundon' is not known"):
        read(tmp_path, "user_id,timestamp\nu,2024-01-01\n", timezone="Europe/Lundon")


@pytest.mark.parametrize("text", ["", "user_id,timestamp\n"])
def test_files_without_rows_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"cannot be read: No columns|has no rows below its header"):
        read(tmp_path, text)


def test_files_that_are_not_tables_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"broken.parquet cannot be read: ") as error:
        source(tmp_path / "broken.parquet").read()
    assert "\n" not in str(error.value)
    (tmp_path / "latin.csv").write_bytes("user_id\nJosé\n".encode("cp1252"))
    wrong = TabularFile(path=str(tmp_path / "latin.csv"), event_type="view", encoding="utf-8")
    with pytest.raises(DataError, match="is not encoded in utf-8: give its encoding"):
        wrong.read()
    latin = TabularFile(path=str(tmp_path / "latin.csv"), event_type="view")
    assert list(latin.read().to_pandas()["user_id"]) == ["José"]


def test_an_invalid_format_or_encoding_is_refused_in_one_line(orders: Path) -> None:
    with pytest.raises(DataError, match="timestamp_format=%Q: 'Q' is a bad directive"):
        source(orders, timestamp_format="%Q").read()
    with pytest.raises(DataError, match="there is no encoding klingon"):
        source(orders, encoding="klingon").read()


def test_ids_that_are_lists_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"user_id": [["a"], ["b"]], "timestamp": pd.to_datetime(["2024-01-01"] * 2)}
    )
    frame.to_parquet(tmp_path / "lists.parquet")
    with pytest.raises(DataError, match="user_id holds lists or tables"):
        TabularFile(path=str(tmp_path / "lists.parquet"), event_type="view").read()
