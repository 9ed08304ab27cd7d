"""Online Retail II: every published form is the same log, the download checks what it gets."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from growthlab.core.errors import DataError
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog
from growthlab.data.online_retail import OnlineRetail

HEADER = "Invoice StockCode Description Quantity InvoiceDate Price,Customer ID,Country"
COLUMNS = [*HEADER.split(",")[0].split(), "Customer ID", "Country"]
UK = "United Kingdom"
# the sheets overlap by invoice 3, as the published ones do by nine days
FIRST = [
    (1, 20001, "damaged", 5, datetime(2010, 6, 1, 9), 0.0, None, UK),
    (1, 20001, " RED  MUG", 2, datetime(2010, 6, 1, 10), 1.5, 101.0, UK),
    (1, "15056BL", "PARASOL", 1, datetime(2010, 6, 1, 10), 5.95, 101.0, UK),
    (1, "POST", "POSTAGE", 1, datetime(2010, 6, 1, 10), 18.0, 101.0, UK),
    ("C2", 20001, "RED MUG", -1, datetime(2010, 7, 1, 9), 1.5, 101.0, UK),
    (3, 20001, "RED MUG", 4, datetime(2010, 12, 5, 9), 1.25, 102.0, "France"),
]
SECOND = [
    (3, 20001, "RED MUG", 4, datetime(2010, 12, 1, 9), 1.25, 102.0, "France"),
    (3, 20001, "RED MUG", 4, datetime(2010, 12, 1, 9), 1.25, 102.0, "France"),
    (4, "15056bl", "parasol, black", 1, datetime(2011, 6, 1, 9), 6.95, 101.0, "EIRE"),
]


def workbook(path: Path, sheets: dict[str, list[tuple[Any, ...]]]) -> Path:
    book = openpyxl.Workbook(write_only=True)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in [COLUMNS, *rows]:
            sheet.append(row)
    book.save(path)
    return path


@pytest.fixture
def xlsx(tmp_path: Path) -> Path:
    sheets = {"Year 2009-2010": FIRST, "Year 2010-2011": SECOND}
    return workbook(tmp_path / "online_retail_II.xlsx", sheets)


@pytest.fixture
def log(xlsx: Path) -> EventLog:
    return OnlineRetail(path=str(xlsx)).read()


def test_the_overlap_of_the_sheets_is_dropped_and_counted(log: EventLog) -> None:
    overlap = {r["rule"]: r for r in log.cleaning}["overlap of the sheets"]
    assert (overlap["events_before"], overlap["events_after"]) == (9, 8)
    assert log.query("SELECT count(*) AS n FROM events WHERE order_id = '3'")["n"].item() == 2


def test_cancellations_are_returns_before_cleaning(log: EventLog) -> None:
    returns = log.where("event_type = 'return'").to_pandas()
    assert list(zip(returns["order_id"], returns["quantity"], strict=True)) == [("C2", -1.0)]


def test_prices_are_in_pounds_after_cleaning_too(log: EventLog) -> None:
    assert log.currency == Cleaning().apply(log).currency == "GBP"


def test_british_times_become_utc(log: EventLog) -> None:
    # nine o'clock in June is eight in UTC, nine in December is nine
    assert log.span()[0] == datetime(2010, 6, 1, 8)
    assert log.where("order_id = '3'").span()[0] == datetime(2010, 12, 1, 9)


def test_spellings_of_a_stock_code_are_one_item(log: EventLog) -> None:
    assert {r["rule"]: r["changed_events"] for r in log.cleaning}["spellings of stock codes"] == 1
    assert log.where("item_id = '15056BL'").n_events == 2


def test_an_item_is_known_by_its_first_sale_alone(log: EventLog) -> None:
    assert log.items is not None
    mug = log.items.set_index("item_id").loc["20001"]
    assert (mug["text"], mug["price"]) == ("RED MUG", 1.5)  # not the note, not the later price
    assert mug["available_from"] == pd.Timestamp("2010-06-01 09:00")
    assert log.items.set_index("item_id").loc["15056BL", "text"] == "PARASOL"


def test_users_have_the_country_of_their_first_invoice(log: EventLog) -> None:
    assert log.users is not None
    assert dict(log.users.itertuples(index=False, name=None)) == {"101": UK, "102": "France"}


def test_every_form_of_the_data_is_the_same_log(xlsx: Path, tmp_path: Path, log: EventLog) -> None:
    both = pd.DataFrame([*FIRST, *SECOND], columns=COLUMNS)
    both.to_csv(tmp_path / "both.csv", index=False)
    old = both.rename(columns={"Invoice": "InvoiceNo", "Price": "UnitPrice"})
    old.to_csv(tmp_path / "old.csv", index=False, encoding="cp1252", date_format="%m/%d/%Y %H:%M")
    plain = both.rename(columns=lambda c: c.lower().replace(" ", "_"))
    plain["sheet"] = ["2009-2010"] * len(FIRST) + ["2010-2011"] * len(SECOND)
    plain["stockcode"] = plain["stockcode"].astype(str)
    plain["invoice"] = plain["invoice"].astype(str)
    plain.to_parquet(tmp_path / "both.parquet")
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        archive.write(xlsx, xlsx.name)
    for name, more in (
        ("both.csv", {}),
        ("old.csv", {"timestamp_format": "%m/%d/%Y %H:%M"}),
        ("both.parquet", {}),
        ("both.zip", {}),
    ):
        assert OnlineRetail(path=str(tmp_path / name), **more).read().digest == log.digest, name


def test_an_unsorted_csv_keeps_all_its_invoices(tmp_path: Path) -> None:
    rows = [SECOND[2], FIRST[1], FIRST[5], FIRST[2], SECOND[1]]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / "mixed.csv", index=False)
    assert OnlineRetail(path=str(tmp_path / "mixed.csv")).read().n_events == 5


def test_another_file_is_refused_by_its_columns(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("Invoice,StockCod,Quantity\n1,2,3\n")
    with pytest.raises(DataError, match=r"no column 'stockcode': did you mean StockCod\?"):
        OnlineRetail(path=str(tmp_path / "other.csv")).read()
    (tmp_path / "broken.xlsx").write_text("no workbook")
    with pytest.raises(DataError, match=r"broken.xlsx is not a workbook that can be read"):
        OnlineRetail(path=str(tmp_path / "broken.xlsx")).read()
    (tmp_path / "broken.zip").write_text("no archive")
    with pytest.raises(DataError, match=r"broken.zip is not a zip archive"):
        OnlineRetail(path=str(tmp_path / "broken.zip")).read()


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, without a line on standard error for each."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def archive(xlsx: Path, tmp_path: Path) -> Iterator[str]:
    """The address of the workbook's archive on a server of this machine."""
    with zipfile.ZipFile(tmp_path / "served.zip", "w") as file:
        file.write(xlsx, xlsx.name)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/served.zip"
        server.shutdown()
        thread.join()


def downloading(url: str, folder: Path, **more: Any) -> OnlineRetail:
    settings: dict[str, Any] = {"rows": 9, **more}
    return OnlineRetail(url=url, downloads=str(folder / "downloads"), **settings)


def test_without_a_path_the_archive_is_downloaded_once(
    archive: str, tmp_path: Path, log: EventLog
) -> None:
    sha256 = hashlib.sha256((tmp_path / "served.zip").read_bytes()).hexdigest()
    source = downloading(archive, tmp_path, sha256=sha256)
    assert source.read().digest == log.digest
    (tmp_path / "served.zip").unlink()
    assert source.prepare(tmp_path / "cache").digest == log.digest
    assert [p.name for p in (tmp_path / "downloads").iterdir()] == ["online_retail_ii.zip"]


def test_a_download_with_another_checksum_is_deleted(archive: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has the SHA-256 [0-9a-f]{64}, not data.sha256=00"):
        downloading(archive, tmp_path, sha256="00").read()
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_download_with_other_rows_is_refused(archive: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds 9 rows, the published workbook 1,067,371"):
        downloading(archive, tmp_path, rows=1_067_371).read()


def test_offline_one_line_says_where_to_put_the_file(archive: str, tmp_path: Path) -> None:
    gone = archive.replace("served", "gone")
    message = r"no answer from .*gone.zip .*put it at .*online_retail_ii.zip or give data.path=FILE"
    with pytest.raises(DataError, match=message) as error:
        downloading(gone, tmp_path).read()
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match=r"no answer from http://127.0.0.1:9"):
        downloading("http://127.0.0.1:9/closed.zip", tmp_path).read()


@pytest.mark.data
def test_the_real_data_has_its_published_counts(real_data: Callable[[str], Path]) -> None:
    log = OnlineRetail(path=str(real_data("online_retail_ii") / "transactions.parquet")).read()
    overlap = {r["rule"]: r for r in log.cleaning}["overlap of the sheets"]
    assert (overlap["events_before"], overlap["dropped_events"]) == (1_067_370, 22_523)
    assert (log.n_events, log.n_users) == (1_044_847, 5_942)
    # British winter time is UTC
    assert log.span() == (datetime(2009, 12, 1, 7, 45), datetime(2011, 12, 9, 12, 50))
    # the second sheet is UCI Online Retail, whose revenue is published
    second = log.where("timestamp >= TIMESTAMP '2010-12-01'")
    revenue = second.query("SELECT sum(quantity * unit_price) AS r FROM events")["r"].item()
    assert revenue == pytest.approx(9_747_747.934)
