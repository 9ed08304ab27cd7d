"""Tables of a database and files by address, on servers that the tests start."""

from __future__ import annotations

import functools
import gzip
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs
from tests.ports import free_port
from tests.postgresql import postgresql_server

from growthlab.core.errors import ConfigError, DataError
from growthlab.data import fetched_files
from growthlab.data.event_log import EventLog
from growthlab.data.tabular_file import TabularFile

TABLES = """
    CREATE SCHEMA sales;
    CREATE TABLE sales.orders (customer bigint, sku text, at timestamptz, price numeric, note text);
    INSERT INTO sales.orders VALUES
        (9007199254740993, 'tea', '2024-05-01 12:00+02', 2.50, E'two\nlines, "quoted"'),
        (8, 'cup', '2024-05-02 10:00+00', NULL, '');
    CREATE TABLE lines (no integer, sku text);
    INSERT INTO lines VALUES (1, 'a'), (1, 'b');
    CREATE TABLE heads (no integer, customer text, day date);
    INSERT INTO heads VALUES (1, 'u', '2024-05-01');
"""
COLUMNS = {"user_id": "customer", "item_id": "sku", "timestamp": "at", "unit_price": "price"}


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The address of a database with tables."""
    with postgresql_server() as port:
        address = f"postgresql://tester@127.0.0.1:{port}/postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(TABLES)
        yield address


def prepared(folder: Path, **settings: Any) -> EventLog:
    given = {"event_type": "purchase", "columns": COLUMNS, "user_ids": "plain", **settings}
    return TabularFile(**given).prepare(folder / "cache")


def events(log: EventLog, *columns: str) -> list[tuple[Any, ...]]:
    names = ", ".join(f"{c}::VARCHAR" for c in columns)
    return log._execute(f"SELECT {names} FROM events ORDER BY ALL").fetchall()


def test_a_table_is_read_with_exact_ids_and_utc_times(database: str, tmp_path: Path) -> None:
    log = prepared(tmp_path, path=f"{database}#sales.orders")
    assert log.name == "sales"
    assert events(log, "user_id", "item_id", "timestamp", "unit_price") == [
        ("8", "cup", "2024-05-02 10:00:00", None),
        ("9007199254740993", "tea", "2024-05-01 10:00:00", "2.5"),
    ]


def test_a_query_gives_the_rows_and_a_changed_table_is_read_again(
    database: str, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {
        "path": database,
        "query": "SELECT no AS user_id, sku AS item_id, no AS position FROM lines -- all of them;",
        "columns": {},
    }
    assert prepared(tmp_path, **settings).n_events == 2
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO lines VALUES (2, 'c')")
    assert prepared(tmp_path, **settings).n_events == 3
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM lines WHERE no = 2")


def test_tables_at_addresses_are_joined_by_sql(database: str, tmp_path: Path) -> None:
    sql = "SELECT customer, sku, day AS at FROM heads JOIN lines USING (no)"
    files = {"heads": f"{database}#heads", "lines": f"{database}#lines"}
    columns = {**COLUMNS, "unit_price": None}
    log = prepared(tmp_path, files=files, sql=sql, columns=columns)
    assert events(log, "user_id", "item_id") == [("u", "a"), ("u", "b")]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("DELETE FROM lines RETURNING *", "data.query must be one SELECT"),
        ("COPY lines TO PROGRAM 'true'", "data.query must be one SELECT"),
        ("SELECT 1; DROP TABLE lines", "cannot insert multiple commands"),
        ("SELECT 1) TO PROGRAM 'true' --", "syntax error"),
        ("WITH d AS (DELETE FROM lines RETURNING *) SELECT * FROM d", "COPY|read-only"),
        ("SELECT nextval('s') FROM lines", "does not exist"),
        ("SELECT * FROM no_table", "does not exist"),
    ],
)
def test_a_query_can_only_read(query: str, reason: str, database: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, DataError), match=reason) as error:
        prepared(tmp_path, path=database, query=query)
    assert "\n" not in str(error.value)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM lines").fetchone() == (2,)


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    address = f"postgresql://tester@127.0.0.1:{free_port()}/postgres#orders"
    with pytest.raises(DataError, match=r"postgresql://tester@127.*cannot be read: ") as error:
        prepared(tmp_path, path=address)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://tester:hush@localhost/shop#orders",
        "postgresql://tester:hush@h@localhost/shop#orders",
        "postgresql://localhost/shop?user=tester&password=hush#orders",
        "s3://key:hush@bucket/orders.parquet",
    ],
)
def test_an_address_with_a_password_is_refused_without_repeating_it(address: str) -> None:
    for settings in ({"path": address}, {"files": {"t": address}, "sql": "SELECT 1"}):
        with pytest.raises(ConfigError, match="with a password or options in it") as error:
            TabularFile(event_type="view", **settings)
        assert "hush" not in str(error.value)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a web server for the folder ``web``."""
    (tmp_path / "web").mkdir()
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "web")
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_file_of_a_web_server_is_read_like_any_other(web: str, tmp_path: Path) -> None:
    text = "customer;sku;at;price\nu;tea;2024-05-01;2,50\n"
    (tmp_path / "web" / "orders.csv.gz").write_bytes(gzip.compress(text.encode()))
    log = prepared(tmp_path, path=f"{web}/orders.csv.gz")
    assert events(log, "user_id", "unit_price") == [("u", "2.5")]
    with pytest.raises(DataError, match=r"http://127.*/absent.csv cannot be read: ") as error:
        prepared(tmp_path, path=f"{web}/absent.csv")
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """A bucket of an S3 server, as a file system of its own."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "shop",
        "AWS_SECRET_ACCESS_KEY": "hush",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        s3 = fs.S3FileSystem(
            endpoint_override=settings["AWS_ENDPOINT_URL"],
            region="us-east-1",
            allow_bucket_creation=True,
        )
        s3.create_dir("shop")
        yield s3
    server.stop()


def test_files_and_folders_of_a_bucket_are_read_by_address(bucket: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame({"customer": ["u"], "sku": ["tea"], "at": ["2024-05-01"], "price": [2.5]})
    pq.write_table(pa.Table.from_pandas(frame), "shop/orders.parquet", filesystem=bucket)
    log = prepared(tmp_path, path="s3://shop/orders.parquet")
    assert events(log, "user_id", "item_id", "unit_price") == [("u", "tea", "2.5")]
    for day in (1, 2):
        with bucket.open_output_stream(f"shop/days/at=2024-05-0{day}/part.csv") as file:
            file.write(f"customer,sku,price\nu{day},tea,{day}\n".encode())
    log = prepared(tmp_path, path="s3://shop/days/")
    assert events(log, "user_id", "timestamp", "unit_price") == [
        ("u1", "2024-05-01 00:00:00", "1.0"),
        ("u2", "2024-05-02 00:00:00", "2.0"),
    ]
    for absent in ("s3://shop/absent.csv", "s3://shop/absent/", "s3://nobody/orders.csv"):
        with pytest.raises(DataError, match=f"{absent} cannot be read: ") as error:
            prepared(tmp_path, path=absent)
        assert "\n" not in str(error.value)
        assert "hush" not in str(error.value)


def test_an_address_of_another_kind_or_without_a_table_is_refused(
    database: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"data.path=ftp://...: addresses are read of"):
        TabularFile(path="ftp://host/orders.csv")
    with pytest.raises(ConfigError, match="names no database"):
        TabularFile(path="postgresql://localhost")
    with pytest.raises(ConfigError, match=r"names no table: add #TABLE, or a SELECT by data.query"):
        prepared(tmp_path, path=database)


def test_a_name_below_an_address_cannot_lead_out_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hostile:
        def find(self, place: str) -> list[str]:
            return [f"{place}a.csv", f"{place}x/../../../out.csv"]

        def get_file(self, name: str, target: str) -> None:
            Path(target).write_text("user_id\nu\n")

    monkeypatch.setattr(fetched_files, "_file_system", lambda address: (Hostile(), "shop/days/"))
    (tmp_path / "into").mkdir()
    with pytest.raises(DataError, match="leads out of the folder"):
        fetched_files.fetch_files("s3://shop/days/", tmp_path / "into")
    assert not (tmp_path / "out.csv").exists()
