"""Amazon reviews in the order of each customer: Beauty (2014) and Industrial & Scientific (2018)."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pandas as pd

from growthlab.core.errors import DataError
from growthlab.core.file_settings import INPUT_FILE
from growthlab.data.columns import as_ids, as_strings
from growthlab.data.event_log import EventLog
from growthlab.data.raw_tables import read_table, rename_columns
from growthlab.data.readers.files import existing_file
from growthlab.data.source import Source

# a comma with a space after it belongs to a name: "Tapes, Adhesives & Sealants"
BETWEEN_LEVELS = re.compile(r",(?! )")


@dataclass(frozen=True, kw_only=True)
class _AmazonReviews(Source):
    """The common part of the editions: a file of reviews in order, and a file of the items.

    An event is a review; when the product was bought is not known.

    Parameters
    ----------
    path
        The file of sequences, or the folder that holds it under its usual name.
    items_path
        The items; null: the file of the usual name in the same folder, if there is one.
    """

    path: str | None = field(default=None, metadata=INPUT_FILE)
    items_path: str | None = field(default=None, metadata=INPUT_FILE)
    filter_seen: str = "interacted"
    filter_seen_reason: str = "a customer reviews a product once, and the published numbers hide it"
    horizon_days: float | None = None
    history_events: tuple[str, ...] = ("review",)
    target_events: tuple[str, ...] = ("review",)

    usual_name: ClassVar[str]
    usual_items: ClassVar[str]
    address: ClassVar[str]

    def input_files(self) -> list[Path]:
        """The file of sequences, and that of the items if there is one."""
        sequences, items = self._files()
        return [sequences, items] if items is not None else [sequences]

    def read(self) -> EventLog:
        """One review event per row, in the order of `position`; no timestamps."""
        sequences, items_path = self._files()
        columns: dict[str, str | None] = {c: c for c in ("user_id", "item_id", "position")}
        events = rename_columns(read_table(sequences), columns, sequences)
        items = None if items_path is None else self._items(items_path)
        return EventLog.from_frames(events.assign(event_type="review"), items, name=self.name)

    @abstractmethod
    def _items(self, path: Path) -> pd.DataFrame: ...

    def _files(self) -> tuple[Path, Path | None]:
        if self.path is None:
            raise DataError(
                f"data={self.name} needs data.path=.../{self.usual_name}: the sequences as Parquet "
                f"or CSV, from {self.address}"
            )
        path = Path(self.path).expanduser()
        path = existing_file(path / self.usual_name if path.is_dir() else path)
        if self.items_path is not None:
            return path, existing_file(self.items_path, "data.items_path")
        items = path.with_name(self.usual_items)
        return path, items if items.is_file() else None


@dataclass(frozen=True, kw_only=True)
class AmazonBeauty(_AmazonReviews):
    """198,502 reviews of 12,101 products by 22,363 customers, in the form of S3-Rec (CIKM 2020).

    Every customer and every product has five reviews or more. Products have numbered attributes
    (category and brand, without names) and no title. Other data sets called Beauty differ.
    """

    name: ClassVar[str] = "amazon_2014_beauty"
    usual_name: ClassVar[str] = "beauty_sequences.parquet"
    usual_items: ClassVar[str] = "beauty_item_attributes.parquet"
    address: ClassVar[str] = "https://github.com/RUCAIBox/CIKM2020-S3Rec"

    def _items(self, path: Path) -> pd.DataFrame:
        columns: dict[str, str | None] = {c: c for c in ("item_id", "attribute_ids")}
        items = rename_columns(read_table(path), columns, path)
        attributes = ["|".join(f"attribute={a}" for a in ids) for ids in items["attribute_ids"]]
        return pd.DataFrame({"item_id": items["item_id"], "attributes": attributes})


@dataclass(frozen=True, kw_only=True)
class AmazonScientific(_AmazonReviews):
    """58,492 reviews of 4,344 products by 8,317 customers, with title, brand, categories, text.

    Every customer and every product has five reviews or more (Ni, Li, McAuley, EMNLP 2019). Title
    and description form the text, the path of categories is joined by ``>``, the brand is an
    attribute.
    """

    name: ClassVar[str] = "amazon_2018_scientific"
    usual_name: ClassVar[str] = "sequences.parquet"
    usual_items: ClassVar[str] = "items.parquet"
    address: ClassVar[str] = "https://nijianmo.github.io/amazon"

    def _items(self, path: Path) -> pd.DataFrame:
        names = ("item_id", "title", "brand", "categories", "description")
        columns: dict[str, str | None] = {c: c for c in names}
        items = rename_columns(read_table(path), columns, path)
        texts = items[list(names[1:])].apply(lambda column: as_strings(column).fillna(""))
        brands = texts["brand"].str.strip().str.replace("|", "/", regex=False)
        return pd.DataFrame(
            {
                "item_id": as_ids(items["item_id"]),
                "text": (texts["title"] + " " + texts["description"]).str.strip(),
                "category": texts["categories"].str.replace(BETWEEN_LEVELS, " > ", regex=True),
                "attributes": ("brand=" + brands).where(brands != "", ""),
            }
        )
