"""Several files as the tables of one SELECT: shapes of shops, and what a hostile SELECT cannot do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.data.tabular_file import TabularFile

ORDERS = (
    "order_id,customer_id,order_purchase_timestamp,order_status\n"
    "o1,c1,2018-01-02 10:00:00,delivered\no2,c2,2018-01-03 11:30:00,canceled\n"
)
LINES = "order_id,order_item_id,product_id,price\no1,1,a,10.5\no1,2,b,3\no2,1,a,10.5\n"
JOIN = (
    "SELECT customer_id AS user_id, product_id AS item_id, order_id, price AS unit_price, "
    "order_purchase_timestamp AS timestamp FROM orders JOIN lines USING (order_id) "
    "WHERE order_status <> 'canceled'"
)


def selects_of_the_docs() -> list[str]:
    """The examples of SQL in docs/own_data.md."""
    text = (Path(__file__).parents[2] / "docs" / "own_data.md").read_text(encoding="utf-8")
    return re.findall(r"```sql\n(.*?)```", text, re.DOTALL)


def source(folder: Path, sql: str, **texts: str) -> TabularFile:
    files = {}
    for name, text in texts.items():
        files[name] = str(folder / f"{name}.csv")
        Path(files[name]).write_text(text)
    return TabularFile(files=files, sql=sql, event_type="purchase")


def events(log: EventLog, *columns: str) -> list[tuple[Any, ...]]:
    names = ", ".join(f"{c}::VARCHAR" if c == "timestamp" else c for c in columns)
    return log._execute(f"SELECT {names} FROM events ORDER BY ALL").fetchall()


def test_orders_and_their_lines_are_joined(tmp_path: Path) -> None:
    log = source(tmp_path, JOIN, orders=ORDERS, lines=LINES).read()
    found = events(log, "user_id", "item_id", "order_id", "unit_price", "timestamp")
    assert found == [
        ("c1", "a", "o1", 10.5, "2018-01-02 10:00:00"),
        ("c1", "b", "o1", 3.0, "2018-01-02 10:00:00"),
    ]
    assert log.name == "lines"  # the first name in the order of the alphabet


def test_columns_of_the_select_are_mapped(tmp_path: Path) -> None:
    sql = "SELECT customer_id AS who, order_purchase_timestamp AS day FROM orders"
    columns = {"user_id": "who", "timestamp": "day"}
    files = {"orders": str(tmp_path / "orders.csv")}
    Path(files["orders"]).write_text(ORDERS)
    log = TabularFile(files=files, sql=sql, event_type="purchase", columns=columns).read()
    assert [row[0] for row in events(log, "user_id")] == ["c1", "c2"]


def test_items_in_one_cell_are_a_row_each(tmp_path: Path) -> None:
    text = (
        "order_number,order_date,customer_id,line_items\n"
        "1001,2024-05-01 10:00:00,7,product_id:12|quantity:2;product_id:15|quantity:1\n"
        "1002,2024-05-02 11:00:00,8,product_id:12|quantity:1\n"
    )
    sql = selects_of_the_docs()[0]
    log = source(tmp_path, sql, orders=text).read()
    assert events(log, "user_id", "order_id", "item_id", "quantity") == [
        ("7", "1001", "12", 2.0),
        ("7", "1001", "15", 1.0),
        ("8", "1002", "12", 1.0),
    ]


def test_fields_on_the_first_line_of_an_order_reach_all_its_lines(tmp_path: Path) -> None:
    text = (
        "Name,Email,Financial Status,Created at,Lineitem quantity,Lineitem sku\n"
        "#1001,a@shop.example,paid,2024-05-01 10:00:00 +0200,1,tea\n"
        "#1001,,,,2,cup\n"
        "#1002,b@shop.example,paid,2024-05-02 09:00:00 +0200,1,tea\n"
    )
    sql = selects_of_the_docs()[1]
    log = source(tmp_path, sql, orders=text).read()
    assert events(log, "order_id", "item_id", "user_id", "quantity", "timestamp") == [
        ("#1001", "cup", "a@shop.example", 2.0, "2024-05-01 08:00:00"),
        ("#1001", "tea", "a@shop.example", 1.0, "2024-05-01 08:00:00"),
        ("#1002", "tea", "b@shop.example", 1.0, "2024-05-02 07:00:00"),
    ]


def test_lists_in_json_are_unnested_by_sql(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    lines = [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]
    path.write_text(json.dumps({"who": {"id": "u"}, "at": "2024-05-01", "lines": lines}))
    sql = """
        SELECT "who.id" AS user_id, "at" AS timestamp, line.sku AS item_id, line.n AS quantity
        FROM (SELECT *, unnest(from_json(lines, '[{"sku": "VARCHAR", "n": "INTEGER"}]')) AS line
              FROM orders)
    """
    log = TabularFile(files={"orders": str(path)}, sql=sql, event_type="purchase").read()
    assert events(log, "user_id", "item_id", "quantity") == [("u", "a", 1.0), ("u", "b", 2.0)]


def test_texts_stand_as_in_the_file_and_missing_ones_are_null(tmp_path: Path) -> None:
    sql = "SELECT id AS user_id, file_row AS position, coalesce(note, 'none') AS query FROM t"
    log = source(tmp_path, sql, t="id,note\n007,\n1.50,x\n").read()
    assert events(log, "user_id", "query") == [("007", "none"), ("1.50", "x")]


def test_several_files_are_one_table_with_numbers_of_files_and_rows(tmp_path: Path) -> None:
    for day, text in (("1", "id,item\nu,a\n"), ("2", "id,item,more\nu,b,x\nv,a,y\n")):
        (tmp_path / f"day{day}.csv").write_text(text)
    sql = "SELECT id AS user_id, item AS item_id, file_number * 10 + file_row AS position FROM days"
    files = {"days": str(tmp_path / "day*.csv")}
    log = TabularFile(files=files, sql=sql, event_type="view").read()
    assert events(log, "position", "user_id", "item_id") == [
        (11, "u", "a"),
        (21, "u", "b"),
        (22, "v", "a"),
    ]


def test_columns_that_sql_cannot_tell_apart_get_a_number(tmp_path: Path) -> None:
    sql = "SELECT ID AS user_id, id_1 AS item_id, file_row AS position FROM t"
    log = source(tmp_path, sql, t="id,ID\nu,a\n").read()
    assert events(log, "user_id", "item_id") == [("u", "a")]


def test_a_wrong_cell_is_named_by_its_row_of_the_select(tmp_path: Path) -> None:
    lines = LINES.replace("b,3\n", "b,3\no1,3,c,cheap\n")
    with pytest.raises(DataError, match=r"data.sql: row 3: unit_price 'cheap'.*mend the query"):
        source(tmp_path, f"{JOIN} ORDER BY order_item_id", orders=ORDERS, lines=lines).read()


def test_rows_without_a_time_or_a_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data.sql gives no timestamp and no position"):
        source(tmp_path, "SELECT order_id AS user_id FROM orders", orders=ORDERS).read()


def test_a_select_that_fails_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'data.sql fails: .*"customer" not found') as error:
        source(tmp_path, "SELECT customer FROM orders", orders=ORDERS).read()
    assert "\n" not in str(error.value)


def test_a_select_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id\nu\n")
    endless = (
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
    )
    given = TabularFile(files={"t": str(path)}, sql=endless, sql_minutes=0.01, event_type="view")
    with pytest.raises(DataError, match=r"took longer than 0.01 minutes \(data.sql_minutes\)"):
        given.read()


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("DROP TABLE t", "must be one SELECT, and is DROP"),
        ("SELECT 1; SELECT 2", "must be one SELECT, and is SELECT, SELECT"),
        ("", "must be one SELECT, and is nothing"),
        ("SELEC 1", "is no SQL"),
        ("COPY t TO 'out.csv'", "must be one SELECT, and is COPY"),
        ("COPY (SELECT 1) TO 'out.csv'", "must be one SELECT, and is COPY"),
        ("ATTACH 'other.db'", "must be one SELECT, and is ATTACH"),
        ("PRAGMA database_list", "must be one SELECT"),
        ("INSTALL httpfs", "must be one SELECT, and is"),
        ("SET enable_external_access = true", "must be one SELECT, and is"),
        ("CREATE TABLE x AS SELECT * FROM t", "must be one SELECT, and is CREATE"),
        ("EXPLAIN ANALYZE SELECT * FROM t", "must be one SELECT, and is EXPLAIN"),
        ("SUMMARIZE t", "must be one SELECT"),
        ("SELECT * FROM (DESCRIBE t)", "must be one SELECT"),
        ("SELECT * FROM 'secret.csv'", "reads 'secret.csv', which is not among data.files"),
        ('SELECT * FROM "secret.parquet"', "reads 'secret.parquet'"),
        ("SELECT * FROM 's3://b/k.parquet'", "reads 's3://b/k.parquet'"),
        ("SELECT (SELECT count(*) FROM 'secret.csv') FROM t", "reads 'secret.csv'"),
        ("WITH a AS (SELECT * FROM 'secret.csv') SELECT * FROM a", "reads 'secret.csv'"),
        ("SELECT * FROM t UNION ALL SELECT * FROM 'secret.csv'", "reads 'secret.csv'"),
        ("SELECT * FROM (PIVOT 'secret.csv' ON a IN (1) USING sum(b))", "reads 'secret.csv'"),
        ("SELECT * FROM information_schema.tables", "reads 'information_schema.tables'"),
        ("SELECT * FROM sqlite_master", "reads 'sqlite_master'"),
        ("SELECT * FROM read_csv('secret.csv')", r"may not read read_csv\(...\)"),
        ("SELECT * FROM read_text('secret.csv')", r"may not read read_text\(...\)"),
        ("SELECT * FROM glob('*')", r"may not read glob\(...\)"),
        ("SELECT * FROM query('SELECT 1')", r"may not read query\(...\)"),
        ("SELECT * FROM query_table('t')", r"may not read query_table\(...\)"),
        ("SELECT * FROM duckdb_secrets()", r"may not read duckdb_secrets\(...\)"),
        ("SELECT * FROM duckdb_settings()", r"may not read duckdb_settings\(...\)"),
        ("SELECT * FROM parquet_metadata('x')", r"may not read parquet_metadata\(...\)"),
        ("SELECT * FROM t, LATERAL read_text(t.id)", r"may not read read_text\(...\)"),
        ("SELECT current_setting('home_directory')", "may not use current_setting"),
        ("SELECT sleep_ms(10) FROM t", "may not use sleep_ms"),
        ("SELECT random() FROM t", "may not use random"),
        ("SELECT * FROM t WHERE now() > '2024-01-01'", "may not use now"),
        ("SELECT current_timestamp FROM t", "may not use current_timestamp"),
        ("SELECT * FROM t USING SAMPLE 10%", "may not use a sample without a seed"),
        ("SELECT " + "+".join("1" * 5000), "is no SQL|nested too deeply"),
        ("SELECT " + "1" * 200_000, "200,007 letters"),
    ],
)
def test_anything_but_one_select_over_the_files_is_refused(sql: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as error:
        TabularFile(files={"t": "t.csv"}, sql=sql, event_type="view")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT getenv('HOME') AS user_id, 1 AS position",
        "SELECT repeat(id, 10000000000) AS user_id, 1 AS position FROM t",
        "SELECT no_such_function(id) AS user_id, 1 AS position FROM t",
    ],
)
def test_what_fails_only_when_it_runs_is_one_line(sql: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data.sql fails: ") as error:
        source(tmp_path, sql, t="id\nu\n").read()
    assert "\n" not in str(error.value)


def test_the_room_of_a_select_is_locked_whatever_the_check_lets_through(tmp_path: Path) -> None:
    from growthlab.data.database import database
    from growthlab.data.sql_select import lock, run_select

    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with database(on_disk=True) as room:
        lock(room)
        for sql in (
            f"SELECT * FROM '{secret}'",
            f"SELECT * FROM read_text('{secret}')",
            "SELECT * FROM read_csv('https://example.org/x.csv')",
            f"SELECT * FROM glob('{tmp_path}/*')",
            "SELECT * FROM secret",
        ):
            with pytest.raises(DataError, match=r"data.sql fails: "):
                run_select(room, sql, "r", 1)
        with pytest.raises(Exception, match="has been locked"):
            room.execute("SET enable_external_access = true")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"files": {"t": "t.csv"}}, "data.files needs data.sql"),
        ({"sql": "SELECT 1"}, "data.sql needs data.files"),
        ({"files": {"t": "t.csv"}, "sql": "SELECT 1", "path": "x.csv"}, "are both set"),
        ({"files": "t.csv", "sql": "SELECT 1"}, "must say names of files"),
        ({"files": {"a b": "t.csv"}, "sql": "SELECT 1"}, "'?a b'? is no name"),
        (
            {"files": {"t": "t.csv", "T": "t.csv"}, "sql": "SELECT 1"},
            "no name of a table of its own",
        ),
        ({"files": {"t": "t.csv"}, "sql": "SELECT 1", "sql_minutes": 0}, "sql_minutes=0"),
    ],
)
def test_files_and_sql_that_do_not_go_together_are_refused(
    settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        TabularFile(event_type="view", **settings)


def test_the_cache_depends_on_which_file_is_which_table(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.csv").write_text(f"id\n{name}\n")
    one, other = str(tmp_path / "a" / "t.csv"), str(tmp_path / "b" / "t.csv")
    sql = "SELECT x.id AS user_id, 1 AS position FROM x, y"
    given = TabularFile(files={"x": one, "y": other}, sql=sql, event_type="view")
    same = TabularFile(files={"y": other, "x": one}, sql=sql, event_type="view")
    swapped = TabularFile(files={"x": other, "y": one}, sql=sql, event_type="view")
    assert given.key() == same.key()
    assert len({given.key(), swapped.key()}) == 2
