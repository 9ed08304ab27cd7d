"""Amazon reviews in two editions: an order without times, and the item table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from growthlab.core.errors import DataError
from growthlab.data.amazon import AmazonBeauty, AmazonScientific
from growthlab.features.build_histories import catalogue_of
from growthlab.split.leave_last_out import LeaveLastOut


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sequences = pd.DataFrame({"user_id": [1, 1, 2], "item_id": [7, 3, 7], "position": [1, 0, 0]})
    for name in ("sequences", "beauty_sequences"):
        sequences.to_parquet(tmp_path / f"{name}.parquet")
    attributes = pd.DataFrame({"item_id": [3, 7], "attribute_ids": [[5, 2], []]})
    attributes.to_parquet(tmp_path / "beauty_item_attributes.parquet")
    items = {
        "item_id": [3, 7],
        "title": ["Blue tape.", "Glue."],
        "brand": ["3M|Scotch", ""],
        "categories": ["Industrial,Tapes, Adhesives & Sealants,Tape", ""],
        "description": ["Sticks.", ""],
    }
    pd.DataFrame(items).to_parquet(tmp_path / "items.parquet")
    return tmp_path


@pytest.mark.parametrize("source", [AmazonBeauty, AmazonScientific])
def test_the_events_are_reviews_in_the_order_of_their_positions(
    source: type[AmazonBeauty] | type[AmazonScientific], folder: Path
) -> None:
    log = source(path=str(folder)).read()
    assert (log.name, log.ordered_by) == (source.name, "position")
    assert list(log.to_pandas()["item_id"]) == ["3", "7", "7"]
    assert set(log.to_pandas()["event_type"]) == {"review"}


def test_beauty_knows_attributes_by_number(folder: Path) -> None:
    items = AmazonBeauty(path=str(folder)).read().items
    assert items is not None
    assert items["attributes"].fillna("").tolist() == ["attribute=5|attribute=2", ""]


def test_a_comma_inside_the_name_of_a_category_does_not_separate_levels(folder: Path) -> None:
    items = AmazonScientific(path=str(folder)).read().items
    assert items is not None
    assert items["category"].fillna("").tolist() == [
        "Industrial > Tapes, Adhesives & Sealants > Tape",
        "",
    ]


def test_title_and_description_are_the_text_and_the_brand_an_attribute(folder: Path) -> None:
    items = AmazonScientific(path=str(folder)).read().items
    assert items is not None
    assert items["text"].tolist() == ["Blue tape. Sticks.", "Glue."]
    assert items["attributes"].fillna("").tolist() == ["brand=3M/Scotch", ""]


def test_items_may_be_missing_or_elsewhere(folder: Path) -> None:
    (folder / "items.parquet").rename(folder / "products.parquet")
    assert AmazonScientific(path=str(folder)).read().items is None
    elsewhere = AmazonScientific(path=str(folder), items_path=str(folder / "products.parquet"))
    assert elsewhere.read().items is not None
    with pytest.raises(DataError, match=r"data.items_path=.*there is no such file"):
        AmazonScientific(path=str(folder), items_path=str(folder / "goods.parquet")).input_files()


@pytest.mark.parametrize("source", [AmazonBeauty, AmazonScientific])
def test_without_a_path_the_option_is_named(
    source: type[AmazonBeauty] | type[AmazonScientific],
) -> None:
    with pytest.raises(DataError, match=rf"data={source.name} needs data.path=.*sequences.parquet"):
        source().input_files()


@pytest.mark.data
def test_beauty_has_its_published_counts(real_data: Callable[[str], Path]) -> None:
    log = AmazonBeauty(path=str(real_data("amazon_2014_beauty"))).read()
    assert (log.n_events, log.n_users, log.n_items) == (198_502, 22_363, 12_101)
    assert log.items is not None
    assert len(log.items) == 12_101
    fewest = log.query(
        "SELECT min(n) AS n FROM (SELECT count(*) AS n FROM events GROUP BY user_id)"
    )
    assert fewest["n"].tolist() == [5]


@pytest.mark.data
def test_scientific_has_its_published_counts_and_a_title_for_every_item(
    real_data: Callable[[str], Path],
) -> None:
    log = AmazonScientific(path=str(real_data("amazon_2018_scientific"))).read()
    assert (log.n_events, log.n_users, log.n_items) == (58_492, 8_317, 4_344)
    catalogue = catalogue_of(LeaveLastOut().folds(log)[0].past)
    assert catalogue.text is not None
    assert len(catalogue) == 4_344
    assert (catalogue.text != "").all()
