"""Files of any kind give the same log, or one line that names the file and the row."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog
from growthlab.data.tabular_file import TabularFile

ROWS = "user_id,item_id,timestamp,quantity,unit_price\nu1,a,2024-01-01,1,2.5\nu2,b,2024-01-02 10:00,2,\n"
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "zst": lambda data: pa.compress(data, "zstd", asbytes=True),
}


def read(path: Path | list[Path], **settings: Any) -> EventLog:
    paths = [str(p) for p in path] if isinstance(path, list) else str(path)
    return TabularFile(path=paths, **{"event_type": "purchase", **settings}).read()


def written(folder: Path, text: str | bytes, name: str = "orders.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def ids(log: EventLog, column: str = "user_id") -> list[str]:
    return list(log.to_pandas()[column])


def mistake(path: Path | list[Path], **settings: Any) -> str:
    with pytest.raises(DataError) as error:
        read(path, **settings)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def usual(tmp_path: Path) -> str:
    return read(written(tmp_path, ROWS, "usual.csv")).digest


@pytest.mark.parametrize("packing", PACKINGS)
def test_packed_files_are_the_same_log(packing: str, usual: str, tmp_path: Path) -> None:
    path = written(tmp_path, PACKINGS[packing](ROWS.encode()), f"orders.csv.{packing}")
    assert read(path).digest == usual


@pytest.mark.parametrize("packing", ["gz", "xz", "bz2", "zst"])
def test_a_packed_file_that_is_cut_off_is_one_line(packing: str, tmp_path: Path) -> None:
    rows = ROWS + "".join(f"u{n},a{n * n},2024-01-03,1,{n}\n" for n in range(5000))
    data = PACKINGS[packing](rows.encode())
    path = written(tmp_path, data[: len(data) * 2 // 3], f"cut.csv.{packing}")
    assert "cut off or damaged" in mistake(path)


def test_a_zip_of_one_table_is_read_with_the_litter_of_a_mac(usual: str, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("export/orders.csv", ROWS)
        archive.writestr("__MACOSX/export/._orders.csv", "x")
        archive.writestr("export/.DS_Store", "x")
    assert read(path).digest == usual
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("export/more.csv", ROWS)
    assert "an archive of 2 files (export/more.csv, export/orders.csv)" in mistake(path)


@pytest.mark.parametrize("name", ["plain.csv.gz", "plain.csv.xz", "plain.csv.zst", "plain.parquet"])
def test_a_name_that_is_not_the_content_is_one_line(name: str, tmp_path: Path) -> None:
    assert "by its name it is a" in mistake(written(tmp_path, ROWS, name))


@pytest.mark.parametrize("codec", ["utf-16", "gb18030", "cp1252", "utf-8-sig"])
def test_encodings_are_told_from_the_file(codec: str, tmp_path: Path) -> None:
    name = "张三" if codec == "gb18030" else "José"
    text = (
        f"user_id,item_id,note\n{name},a,é\n"
        if codec != "gb18030"
        else f"user_id,item_id\n{name},苹果\n"
    )
    assert ids(read(written(tmp_path, text.encode(codec)))) == [name]


def test_dialects_are_told_from_the_file(usual: str, tmp_path: Path) -> None:
    semicolons = ROWS.replace(",", ";").replace("2.5", "2,5")
    assert read(written(tmp_path, semicolons)).digest == usual
    assert read(written(tmp_path, ROWS.replace(",", "\t"), "orders.txt")).digest == usual
    assert read(written(tmp_path, ROWS.replace("\n", "\r\n"))).digest == usual
    assert read(written(tmp_path, ROWS.replace("\n", "\r"))).digest == usual
    mixed = ROWS.replace("\n", "\r\n", 1)
    assert read(written(tmp_path, mixed)).digest == usual
    assert read(written(tmp_path, f"# from our shop\n{ROWS}")).digest == usual


def test_a_table_without_a_header_has_numbered_columns(usual: str, tmp_path: Path) -> None:
    path = written(tmp_path, "1,5,2024-01-01,1\n2,6,2024-01-02,2\n")
    columns = {"user_id": 1, "item_id": "2", "timestamp": "3"}
    log = read(path, columns=columns)
    assert (ids(log), ids(log, "item_id")) == (["1", "2"], ["5", "6"])
    assert "has no column 'user_id'" in mistake(path)


def test_json_lines_and_lists_are_the_same_log(usual: str, tmp_path: Path) -> None:
    rows = [
        {"who": {"id": "u1"}, "item_id": "a", "at": "2024-01-01", "quantity": 1, "unit_price": 2.5},
        {"who": {"id": "u2"}, "item_id": "b", "at": "2024-01-02T10:00:00Z", "quantity": 2},
    ]
    columns = {"user_id": "who.id", "timestamp": "at"}
    lines = "\n".join(map(json.dumps, rows))
    assert read(written(tmp_path, lines, "events.jsonl"), columns=columns).digest == usual
    assert read(written(tmp_path, json.dumps(rows), "e.json"), columns=columns).digest == usual
    packed = gzip.compress(lines.encode())
    assert read(written(tmp_path, packed, "e.jsonl.gz"), columns=columns).digest == usual
    broken = written(tmp_path, lines + '\n{"who": ', "broken.jsonl")
    assert "broken.jsonl: row 3: it is no JSON" in mistake(broken, columns=columns)


def test_a_sheet_of_a_workbook_is_the_same_log(usual: str, tmp_path: Path) -> None:
    frame = pd.read_csv(written(tmp_path, ROWS))
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], format="ISO8601")
    path = tmp_path / "orders.xlsx"
    with pd.ExcelWriter(path) as book:
        frame.to_excel(book, sheet_name="May", index=False)
    assert read(path).digest == usual
    with pd.ExcelWriter(path) as book:
        frame.to_excel(book, sheet_name="May", index=False)
        frame.head(1).to_excel(book, sheet_name="June", index=False)
    assert "2 sheets with rows (May, June): say which with data.sheet" in mistake(path)
    assert read(path, sheet="June").n_events == 1
    assert "no sheet 'june' (data.sheet): did you mean June" in mistake(path, sheet="june")


def test_folders_patterns_and_lists_are_all_their_files(tmp_path: Path) -> None:
    days = tmp_path / "umläut (2024) [a,b=#]"
    (days / "more").mkdir(parents=True)
    written(days, ROWS, "day1.csv")
    written(days / "more", ROWS.replace("u1", "u3"), "day2.csv")
    written(days, b"", "_SUCCESS")
    pd.read_csv(days / "day1.csv").to_parquet(days / "day3.parquet")
    assert read(days).n_events == 6
    assert read(tmp_path / "*" / "day1.csv").n_events == 2
    assert read([days / "day1.csv", days / "day3.parquet"]).n_events == 4
    assert "there is no such file" in mistake(tmp_path / "*" / "day9.csv")


def test_parquet_files_keep_exact_numbers_and_texts_of_every_writer(tmp_path: Path) -> None:
    big = 2**63 + 5
    table = pa.table(
        {
            "user_id": pa.array([big, 7], pa.uint64()),
            "item_id": pa.array([b"a", b"b"], pa.binary()),
            "timestamp": pa.array([1, 2], pa.timestamp("ns", "Asia/Tokyo")),
            "quantity": pa.array(["1", "2"]).dictionary_encode(),
        }
    )
    pa.parquet.write_table(table, tmp_path / "a [1].parquet")
    log = read(tmp_path / "a [1].parquet")
    assert ids(log) == ["7", str(big)]
    assert set(ids(log, "item_id")) == {"a", "b"}


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()])
def test_float_ids_that_lost_digits_are_refused(kind: pa.DataType, tmp_path: Path) -> None:
    table = pa.table(
        {"user_id": pa.array([1e19, 1e19 + 2**12], pa.float64()).cast(kind, safe=False)}
    )
    pa.parquet.write_table(table, tmp_path / "ids.parquet")
    assert "ids.parquet: row 1: user_id 1e+19 has lost digits" in mistake(tmp_path / "ids.parquet")


def test_one_id_in_several_spellings_and_files_is_one_person(tmp_path: Path) -> None:
    one = written(tmp_path, "user_id,item_id\n123,10\n1.23e2,10.0\n", "one.csv")
    two = written(tmp_path, "user_id,item_id\n123.0,20\n 123 ,20\n１２３,10\n", "two.csv")
    log = read([one, two])
    assert (log.n_users, set(ids(log, "item_id"))) == (1, {"10", "20"})
    assert [(r["rule"], r["changed_events"]) for r in log.cleaning] == [
        ("ids respelt", 1),
        ("ids respelt", 3),
    ]
    items = written(tmp_path, "item_id,category\n10.0,x\n20,y\n", "items.csv")
    joined = read([one, two], items_path=str(items))
    assert joined.items is not None
    assert list(joined.items["item_id"]) == ["10", "20"]


def test_spreadsheet_numbers_that_lost_digits_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "user_id,item_id\nu,4006381333931\nu,4.00638E+12\n")
    assert "orders.csv: row 2: item_id 4.00638E+12 has lost digits" in mistake(path)


def test_words_for_missing_values_are_no_customers(tmp_path: Path) -> None:
    words = ["\\N", "None", "<NA>", "NULL", "", "u"]
    path = written(tmp_path, "user_id,item_id\n" + "".join(f"{w},a\n" for w in words))
    cleaned = Cleaning().apply(read(path))
    assert (cleaned.n_users, cleaned.cleaning[0]["dropped_events"]) == (1, 5)


@pytest.mark.parametrize(
    "text",
    [
        "user_id,item_id\nu1,a,\nu2,b,\n",
        "user_id,item_id,\nu1,a,\nu2,b,\n",
        "user_id,item_id\nu1,a,\nu2,b\n",
    ],
)
def test_a_separator_at_the_end_of_a_row_shifts_nothing(text: str, tmp_path: Path) -> None:
    log = read(written(tmp_path, text))
    assert (ids(log), ids(log, "item_id")) == (["u1", "u2"], ["a", "b"])


def test_rows_of_another_length_are_refused_or_counted(tmp_path: Path) -> None:
    text = 'user_id,item_id\nu,"a\nb"\nu,a,x\nu,b\nv\n'
    path = written(tmp_path, text)
    assert "orders.csv: row 2: 3 fields in 'u,a,x' where the header has 2" in mistake(path)
    assert "row 4: 1 fields in 'v'" in mistake(path, max_bad_rows=1)
    log = read(path, max_bad_rows=2)
    assert log.n_events == 2
    assert [(r["rule"], r["dropped_events"]) for r in log.cleaning if r["dropped_events"]] == [
        ("unreadable rows", 2)
    ]


def test_wrong_cells_count_among_bad_rows_and_name_their_own_row(tmp_path: Path) -> None:
    one = written(tmp_path, "user_id,unit_price\nu,1\nu,2\n", "a.csv")
    two = written(tmp_path, "user_id,unit_price\nv,x\nv,oops\nv,3\n", "b.csv")
    assert "b.csv: row 1: unit_price 'x' is not a finite number" in mistake([one, two])
    assert read([one, two], max_bad_rows=2).n_events == 3


def test_blank_lines_and_quoted_breaks_do_not_shift_the_numbers_of_rows(tmp_path: Path) -> None:
    path = written(tmp_path, 'user_id,item_id\nu,"a\nb"\n\nu,b\nu,a,x\n')
    assert "orders.csv: row 3: 3 fields" in mistake(path)


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_quote_that_is_not_closed_swallows_no_rows(end: str, tmp_path: Path) -> None:
    for rows in ('u1,"a\nu2,b\nu3,c', '"u1,a\nu2,b\nu3,c'):
        line = mistake(written(tmp_path, f"user_id,item_id\n{rows}{end}"))
        assert "orders.csv" in line
    note = 'user_id,item_id,note\nu,a,"two\nlines"'
    assert read(written(tmp_path, f"{note}{end}")).n_events == 1


def test_many_rows_that_end_in_a_separator_are_read_as_the_others(tmp_path: Path) -> None:
    rows = "".join(f"u{n},a{'' if n < 400 else ','}\n" for n in range(250_000))
    log = read(written(tmp_path, f"user_id,item_id\n{rows}"), event_type="view")
    assert (log.n_events, log.n_users, log.n_items) == (250_000, 250_000, 1)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("separator", ", "),
        ("quote", "''"),
        ("decimal", ".."),
        ("thousands", "0"),
        ("skip_lines", -1),
        ("max_bad_rows", -1),
    ],
)
def test_signs_and_numbers_of_settings_are_checked(
    setting: str, value: Any, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"data.{setting}="):
        read(written(tmp_path, ROWS), **{setting: value})


@pytest.mark.parametrize("codec", ["hex", "rot13", "zip", "undefined", "x\0"])
def test_a_codec_that_gives_no_text_is_no_encoding(codec: str, tmp_path: Path) -> None:
    assert "encod" in mistake(written(tmp_path, ROWS), encoding=codec)


def test_a_column_that_is_there_twice_is_refused_where_it_is_needed(tmp_path: Path) -> None:
    path = written(tmp_path, "user_id,note,note,unit_price,unit_price\nu,x,y,1,2\n")
    assert "orders.csv has 2 columns called 'unit_price'" in mistake(path)
    assert read(path, columns={"unit_price": "none"}).n_events == 1


def test_positions_are_exact(tmp_path: Path) -> None:
    text = "user_id,item_id,position\nu,b,1714521600123456789\nu,a,1714521600123456788\n"
    assert ids(read(written(tmp_path, text)), "item_id") == ["a", "b"]
    half = written(tmp_path, "user_id,position\nu,1.5\n", "half.csv")
    assert "half.csv: row 1: position '1.5' is not a whole number" in mistake(half)


def test_times_with_and_without_a_zone_stand_in_one_file(tmp_path: Path) -> None:
    text = "user_id,timestamp\nu,2024-01-01T10:00:00Z\nv,2024-01-01T10:00:00\nw,2024-01-01T10:00+0200\n"
    log = read(written(tmp_path, text), timezone="Asia/Tokyo")
    assert [t.hour for t in log.to_pandas()["timestamp"]] == [10, 1, 8]


@pytest.mark.parametrize(
    ("unit", "value", "line"),
    [
        (
            "s",
            "1714521600000",
            "out of range for unit=s: as a number of ms it is 2024-05-01: say data.unit=ms",
        ),
        (
            "ms",
            "1714521600",
            "out of range for unit=ms: as a number of s it is 2024-05-01: say data.unit=s",
        ),
        ("us", "1714521600000", "say data.unit=ms"),
        (None, "1714521600", "say data.unit=s"),
        (None, "now", "is not an ISO 8601 time"),
    ],
)
def test_a_time_in_another_unit_names_the_unit(
    unit: str | None, value: str, line: str, tmp_path: Path
) -> None:
    path = written(tmp_path, f"user_id,timestamp\nu,{value}\n")
    assert f"orders.csv: row 1: timestamp '{value}'" in mistake(path, unit=unit)
    assert line in mistake(path, unit=unit)


@pytest.mark.parametrize("text", ["1714521600", "1714521600.0"])
def test_a_number_of_seconds_is_a_moment_whatever_the_zone(text: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"user_id,timestamp\nu,{text}\n")
    log = read(path, unit="s", timezone="Asia/Tokyo")
    assert log.to_pandas()["timestamp"][0] == pd.Timestamp("2024-05-01")


@pytest.mark.parametrize("zero", ["0000-00-00", "0000-00-00 00:00:00"])
def test_zero_dates_are_undated(zero: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"user_id,timestamp\nu,2024-01-01\nv,{zero}\n")
    assert "row 2: no timestamp (1 of 2 rows have none)" in mistake(path)
    assert read(path, drop_undated=True).n_events == 1
    numbers = written(tmp_path, "user_id,timestamp\nu,1714521600\nv,0\n")
    assert "row 2: no timestamp" in mistake(numbers, unit="s")


@pytest.mark.parametrize(
    ("prices", "first"),
    [
        ("12,50|1.234,00", 12.5),
        ('"12.50"|"1,234.00"', 12.5),
        ("€ 12,50|3,00 €", 12.5),
        ("12.50 USD|$3", 12.5),
        ("1'234.50|2", 1234.5),
        ("¥1200|¥3", 1200.0),
    ],
)
def test_money_is_read_as_it_is_written(prices: str, first: float, tmp_path: Path) -> None:
    rows = "".join(f"u;{n};{price}\n" for n, price in enumerate(prices.split("|")))
    log = read(written(tmp_path, f"user_id;item_id;unit_price\n{rows}"))
    assert log.to_pandas()["unit_price"][0] == first


def test_a_number_that_may_be_two_is_refused_with_the_setting(tmp_path: Path) -> None:
    path = written(tmp_path, "user_id;unit_price\nu;1,234\n")
    assert "set data.decimal" in mistake(path)
    assert read(path, decimal=",").to_pandas()["unit_price"][0] == 1.234
    assert read(path, thousands=",").to_pandas()["unit_price"][0] == 1234.0


def test_words_of_the_shop_become_event_types_or_are_dropped(tmp_path: Path) -> None:
    path = written(tmp_path, "user_id,event_type,position\nu,1,1\nu,4,2\nu,购买,3\nu,ping,4\n")
    words = {1: "view", 4: "purchase", "购买": "purchase", "ping": None}
    log = read(path, event_type=None, event_types=words)
    assert list(log.to_pandas()["event_type"]) == ["view", "purchase", "purchase"]
    assert [(r["rule"], r["dropped_events"]) for r in log.cleaning] == [("words dropped", 1)]
    floats = written(tmp_path, "user_id,event_type,position\nu,1.0,1\nu,4.0,2\n", "floats.csv")
    as_floats = read(floats, event_type=None, event_types=words)
    assert list(as_floats.to_pandas()["event_type"]) == ["view", "purchase"]
    line = mistake(path, event_type=None)
    assert "orders.csv: row 1: '1' is not an event_type" in line
    assert "data.event_types={1: view}" in line


def test_an_items_table_is_read_by_the_same_rules(tmp_path: Path) -> None:
    orders = written(tmp_path, "user_id,item_id,timestamp\nu,10,2024-01-01\n")
    stock = written(tmp_path, "item_id;in_stock;price;\n10;true;1,5;\n20;false;2;\n", "stock.csv")
    log = read(orders, items_path=str(stock))
    assert log.items is not None
    assert log.items.to_dict("records") == [
        {"item_id": "10", "price": 1.5, "in_stock": 1.0},
        {"item_id": "20", "price": 2.0, "in_stock": 0.0},
    ]
    wrong = written(tmp_path, "item_id,price\n10,dear\n", "wrong.csv")
    assert "wrong.csv: row 1: price 'dear' is not a finite number" in mistake(
        orders, items_path=str(wrong)
    )


def test_returns_keep_their_size_whatever_the_sign(tmp_path: Path) -> None:
    text = "user_id,item_id,event_type,position,quantity,unit_price\nu,a,purchase,1,2,5\nu,a,return,2,-1,-5\n"
    cleaned = Cleaning().apply(read(written(tmp_path, text), event_type=None))
    returned = cleaned.query("SELECT quantity, unit_price FROM events WHERE event_type = 'return'")
    assert returned.to_dict("records") == [{"quantity": 1.0, "unit_price": 5.0}]
    row = next(r for r in cleaned.cleaning if r["rule"] == "signs of returns")
    assert row["changed_events"] == 1


def test_equal_order_lines_stay_where_nothing_tells_them_apart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line = "u,a,2024-01-01"
    path = written(tmp_path, f"user_id,item_id,timestamp\n{line}\n{line}\n")
    assert Cleaning().apply(read(path)).n_events == 2
    assert "1 order lines are equal to another one and are kept" in caplog.text
    assert Cleaning().apply(read(path, event_type="view")).n_events == 1
    ordered = written(
        tmp_path, f"user_id,item_id,timestamp,order_id\n{line},1\n{line},1\n{line},2\n"
    )
    assert Cleaning().apply(read(ordered)).n_events == 2


def test_a_frame_goes_by_the_same_rules() -> None:
    frame = pd.DataFrame(
        {
            "user_id": [" u", "u\u200b"],
            "item_id": [1.0, 2.0],
            "event_type": "view",
            "position": [1, 2],
        }
    )
    log = EventLog.from_frames(frame)
    assert (log.n_users, ids(log, "item_id")) == (1, ["1", "2"])
    with pytest.raises(DataError, match=r"row 1: user_id 1e\+19 has lost digits"):
        EventLog.from_frames(frame.assign(user_id=[1e19, 1.0]))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_folders_that_name_a_column_give_it_to_their_files(kind: str, tmp_path: Path) -> None:
    for day, country in (("2024-05-01", "de"), ("2024-05-02", "__HIVE_DEFAULT_PARTITION__")):
        folder = tmp_path / f"day={day}" / f"country={country}"
        folder.mkdir(parents=True)
        frame = pd.DataFrame({"user_id": [f"u{day[-1]}"]})
        if kind == "csv":
            frame.to_csv(folder / "part.csv", index=False)
        elif kind == "jsonl":
            frame.to_json(folder / "part.jsonl", orient="records", lines=True)
        else:
            frame.to_parquet(folder / "part.parquet")
    log = read(tmp_path, columns={"timestamp": "day", "channel": "country"})
    rows = log.query("SELECT user_id, strftime(timestamp, '%d.%m.') AS at, channel FROM events")
    assert sorted(rows.astype(object).fillna("").itertuples(index=False, name=None)) == [
        ("u1", "01.05.", "de"),
        ("u2", "02.05.", ""),
    ]


def test_the_same_file_in_another_days_folder_is_other_data(tmp_path: Path) -> None:
    keys = set()
    for day in (1, 2):
        folder = tmp_path / f"day=2024-05-0{day}"
        folder.mkdir()
        path = written(folder, "user_id\nu\n")
        keys.add(TabularFile(path=str(path), columns={"timestamp": "day"}).key())
    assert len(keys) == 2


def test_a_column_of_a_file_goes_before_what_its_folder_says(tmp_path: Path) -> None:
    (tmp_path / "channel=folder").mkdir()
    path = written(tmp_path / "channel=folder", "user_id,channel\nu,file\n")
    assert ids(read(path), "channel") == ["file"]
