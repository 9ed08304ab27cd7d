"""UCI Online Retail II: two years of invoices of a British wholesaler of gifts."""

from __future__ import annotations

import hashlib
import io
import logging
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from growthlab.core.atomic_write import atomic_path
from growthlab.core.errors import ConfigError, DataError, near_matches, quoted
from growthlab.core.file_settings import ADDRESS, INPUT_FILE, OUTPUT_FOLDER
from growthlab.core.progress import progress
from growthlab.data.cleaning_report import frame_report_row
from growthlab.data.columns import as_ids, as_numbers, as_strings, as_times, unclear_times
from growthlab.data.event_log import EventLog
from growthlab.data.raw_tables import read_table
from growthlab.data.readers.files import existing_file
from growthlab.data.source import Source

logger = logging.getLogger(__name__)

ZONE = "Europe/London"
PAGE = "https://archive.ics.uci.edu/dataset/502/online+retail+ii"
# our name -> how the published files and their copies call it, in lower case without spaces and _
HEADERS = {
    "order_id": ("invoice", "invoiceno"),
    "item_id": ("stockcode",),
    "text": ("description",),
    "quantity": ("quantity",),
    "timestamp": ("invoicedate",),
    "unit_price": ("price", "unitprice"),
    "user_id": ("customerid",),
    "country": ("country",),
}


@dataclass(frozen=True, kw_only=True)
class OnlineRetail(Source):
    """All transactions from December 2009 to 9 December 2011 (Chen, UCI repository, 2012).

    A row of an invoice is an event: ``return`` if the invoice is a cancellation (its number starts
    with C, the quantity is negative), ``purchase`` otherwise. An item's text and price are those of
    its first sale, from which on it is available: later texts would leak the future. Stock codes
    are upper-cased, as 15056bl and 15056BL are the same item. Times are British and become UTC.

    Parameters
    ----------
    path
        The workbook (.xlsx, or the .zip that holds it), a CSV of its sheets or a Parquet file.
        Null: downloaded once, from `url` to the folder `downloads`.
    sha256
        The expected hash of the download; null: it is logged, and only the number of `rows` is checked.
    timestamp_format
        Of a CSV whose dates are not ISO 8601, for instance ``%m/%d/%Y %H:%M``.
    """

    name: ClassVar[str] = "online_retail"
    path: str | None = field(default=None, metadata=INPUT_FILE)
    url: str = field(
        default="https://archive.ics.uci.edu/static/public/502/online+retail+ii.zip",
        metadata=ADDRESS,
    )
    sha256: str | None = None
    rows: int | None = 1_067_371
    downloads: str = field(default=".growthlab/downloads", metadata=OUTPUT_FOLDER)
    timestamp_format: str | None = None
    filter_seen_reason: str = "customers, many of them shops, buy the same goods again and again"
    horizon_days: float | None = 90.0
    activity_days: float | None = 180.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.url.startswith(("https://", "http://")):
            raise ConfigError(f"data.url={quoted(self.url)} must begin with https:// or http://")

    @property
    def zone(self) -> str:
        """See `Source.zone`."""
        return ZONE

    def input_files(self) -> list[Path]:
        """The file of transactions, downloaded if no path is given."""
        return [self._download() if self.path is None else existing_file(self.path)]

    def read(self) -> EventLog:
        """All rows, with those that both sheets hold only once; before cleaning."""
        (path,) = self.input_files()
        raw = self._table(path)
        if self.path is None and self.rows is not None and len(raw) != self.rows:
            raise DataError(
                f"{path} holds {len(raw):,} rows, the published workbook {self.rows:,}: delete it "
                f"to download it again, or take it from {PAGE}"
            )
        report: list[dict[str, Any]] = []
        rows = self._rows(raw, report)
        goods = rows[(rows["quantity"] > 0) & (rows["unit_price"] > 0)]
        log = EventLog.from_frames(
            rows.drop(columns=["text", "country"]).assign(event_type=_event_types(rows)),
            _first_sales(goods),
            _first_rows(rows.dropna(subset="user_id"), "user_id")[["user_id", "country"]],
            name=self.name,
            cleaning=report,
        )
        log.currency = "GBP"
        return log

    def _rows(self, raw: pd.DataFrame, report: list[dict[str, Any]]) -> pd.DataFrame:
        rows = _named(raw)
        for column in ("order_id", "item_id", "user_id"):
            rows[column] = as_ids(rows[column])
        for column in ("quantity", "unit_price"):
            rows[column] = as_numbers(rows[column], column)
        local, format = rows["timestamp"], self.timestamp_format
        n_unclear = unclear_times(local, "InvoiceDate", ZONE, format)
        rows["timestamp"] = as_times(local, "InvoiceDate", format=format, timezone=ZONE)
        if n_unclear:
            why = "the clocks were changed in that hour: taken as the first possible moment"
            report.append(frame_report_row("unclear times", why, rows, rows, n_unclear))
        codes = rows["item_id"].str.strip().str.upper()
        respelt = rows.assign(item_id=codes)
        why = "stock codes in lower case or with spaces name the same goods"
        n_respelt = int((codes != rows["item_id"]).sum())
        report.append(frame_report_row("spellings of stock codes", why, rows, respelt, n_respelt))
        kept = respelt[~_in_both_sheets(raw, rows)].reset_index(drop=True)
        why = "the sheets overlap by some days: invoices of the first that are in the second too"
        report.append(frame_report_row("overlap of the sheets", why, respelt, kept))
        return kept

    def _table(self, path: Path) -> pd.DataFrame:
        if path.suffix == ".zip":
            try:
                with zipfile.ZipFile(path) as archive:
                    books = [n for n in archive.namelist() if n.lower().endswith(".xlsx")]
                    if not books:
                        raise DataError(f"{path} holds no .xlsx: take it from {PAGE}")
                    return _workbook(io.BytesIO(archive.read(books[0])), path)
            except zipfile.BadZipFile:
                raise DataError(f"{path} is not a zip archive: delete it, or see {PAGE}") from None
        if path.suffix == ".xlsx":
            return _workbook(path, path)
        return read_table(path)

    def _download(self) -> Path:
        target = Path(self.downloads) / "online_retail_ii.zip"
        if target.exists():
            return target
        digest = hashlib.sha256()
        try:
            with atomic_path(target) as new:
                with urllib.request.urlopen(self.url, timeout=30) as answer, new.open("wb") as file:
                    blocks = iter(lambda: answer.read(1 << 20), b"")
                    for block in progress(blocks, f"downloading {self.url}"):
                        digest.update(block)
                        file.write(block)
                if self.sha256 is not None and digest.hexdigest() != self.sha256:
                    raise DataError(
                        f"the download from {self.url} has the SHA-256 {digest.hexdigest()}, not "
                        f"data.sha256={self.sha256}: take the file from {PAGE} and give "
                        "data.path=FILE"
                    )
        except (OSError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # the error holds the open response
            reason = getattr(error, "reason", error)
            raise DataError(
                f"data=online_retail: no answer from {self.url} ({reason}): take the archive from "
                f"{PAGE}, put it at {target} or give data.path=FILE (.zip, .xlsx, .csv, .parquet)"
            ) from None
        logger.info("online_retail: downloaded %s, SHA-256 %s", target, digest.hexdigest())
        return target


def _workbook(file: Path | io.BytesIO, path: Path) -> pd.DataFrame:
    """The rows of all sheets, with the sheet's name in a column `sheet`."""
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError):
        raise DataError(f"{path} is not a workbook that can be read: see {PAGE}") from None
    sheets = []
    for sheet in book.worksheets:
        rows = sheet.iter_rows(values_only=True)
        header = [str(name) for name in next(rows, ())]
        cells = list(progress(rows, f"reading {sheet.title}", total=sheet.max_row))
        sheets.append(pd.DataFrame(cells, columns=header, dtype=object).assign(sheet=sheet.title))
    book.close()
    return pd.concat(sheets, ignore_index=True)


def _named(raw: pd.DataFrame) -> pd.DataFrame:
    plain = {str(c).lower().replace(" ", "").replace("_", ""): c for c in raw.columns}
    out = {}
    for ours, theirs in HEADERS.items():
        column = next((plain[name] for name in theirs if name in plain), None)
        if column is None:
            hint = near_matches(theirs[0], map(str, raw.columns))
            raise DataError(f"not Online Retail II: there is no column {theirs[0]!r}: {hint}")
        out[ours] = raw[column]
    return pd.DataFrame(out)


def _in_both_sheets(raw: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    """Whether a row is of the first sheet and its invoice is in the second one too."""
    if "sheet" in raw:
        second = raw["sheet"] != raw["sheet"].iloc[rows["timestamp"].argmin()]
    else:
        # in a CSV of both, time jumps back by days where the second sheet begins, and nowhere else
        second = _goes_back(rows["timestamp"]).cummax()
        if _goes_back(rows["timestamp"][second]).any():  # not sorted: the sheets are unknown
            second[:] = False
    return ~second & rows["order_id"].isin(rows["order_id"][second].unique())


def _goes_back(times: pd.Series) -> pd.Series:
    return times.cummax() - times > pd.Timedelta(days=1)


def _event_types(rows: pd.DataFrame) -> pd.Series:
    cancelled = rows["order_id"].str.upper().str.startswith("C", na=False)
    return cancelled.map({True: "return", False: "purchase"})


def _first_sales(goods: pd.DataFrame) -> pd.DataFrame:
    first = _first_rows(goods.dropna(subset="item_id"), "item_id")
    return pd.DataFrame(
        {
            "item_id": first["item_id"],
            "text": as_strings(first["text"]).str.strip().str.replace(r"\s+", " ", regex=True),
            "price": first["unit_price"],
            "available_from": first["timestamp"],
            "known_from": first["timestamp"],
        }
    )


def _first_rows(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """The oldest row for each value of the column; of rows with equal times the first."""
    return rows.sort_values("timestamp", kind="stable").drop_duplicates(column)
