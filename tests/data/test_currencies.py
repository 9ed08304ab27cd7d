"""Prices in several currencies are never added up: rates make one of them, or reading stops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from growthlab.core.errors import DataError
from growthlab.data.event_log import EventLog
from growthlab.data.tabular_file import TabularFile

HEAD = "user_id,item_id,timestamp,unit_price,currency\n"
REFUSED = r"prices are in EUR and GBP, .* data\.rates=\{EUR: \.\.\., GBP: \.\.\.\}"


def shop(folder: Path, *days: str, **settings: Any) -> TabularFile:
    """A source of one file a day."""
    (folder / "days").mkdir(exist_ok=True)
    for number, rows in enumerate(days):
        (folder / "days" / f"{number}.csv").write_text(HEAD + rows)
    return TabularFile(path=str(folder / "days"), event_type="purchase", **settings)


EUR, GBP, NONE = "u,tea,2024-05-01,2,EUR\n", "v,cup,2024-05-02,3,GBP\n", "w,pot,2024-05-03,4,\n"


@pytest.mark.parametrize("days", [(EUR + GBP,), (EUR, GBP), (EUR, GBP, NONE)])
def test_two_currencies_without_rates_are_refused(days: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=REFUSED):
        shop(tmp_path, *days).read()
    with pytest.raises(DataError, match=REFUSED):
        shop(tmp_path, *days).prepare(tmp_path / "cache")


def test_a_price_that_is_missing_has_no_currency(tmp_path: Path) -> None:
    log = shop(tmp_path, EUR, "v,cup,2024-05-02,,GBP\n").read()
    assert log.currency == "EUR"


@pytest.mark.parametrize(
    ("settings", "currency"),
    [
        ({}, "EUR"),
        ({"rates": {"EUR": 1, "GBP": 1.2}}, "EUR"),
        ({"rates": {"EUR": 1.1, "GBP": 1.3}}, None),
        ({"columns": {"currency": "none"}, "currency": "CHF"}, "CHF"),
        ({"columns": {"currency": "none"}}, None),
    ],
)
def test_the_log_knows_its_currency_and_so_does_what_is_made_of_it(
    settings: dict[str, Any], currency: str | None, tmp_path: Path
) -> None:
    prepared = shop(tmp_path, EUR, EUR.replace("u,", "v,"), **settings).prepare(tmp_path / "cache")
    assert prepared.currency == currency
    assert prepared.where("user_id IS NOT NULL").currency == currency
    saved = prepared.save(tmp_path / "log")
    assert EventLog.open(tmp_path / "log").currency == saved.currency == currency


@pytest.mark.parametrize(
    ("prices", "found"),
    [
        (("€12", "13.50 €", "EUR 3"), "EUR"),
        (("12.00", "£3", "4"), "GBP"),
        (("¥12", "12元", "￥3"), "¥"),
        (("12.00", "-3", "4"), None),
        (("€12", "£3", "4"), "EUR and GBP"),
        (("12", "13 USD", "CHF 4"), "CHF and USD"),
    ],
)
def test_signs_in_the_cells_of_prices_name_their_currency(
    prices: tuple[str, ...], found: str | None, tmp_path: Path
) -> None:
    lines = [f"u{n},tea,2024-05-01,{price}\n" for n, price in enumerate(prices)]
    (tmp_path / "orders.csv").write_text("user_id,item_id,timestamp,unit_price\n" + "".join(lines))
    source = TabularFile(path=str(tmp_path / "orders.csv"), event_type="purchase")
    if found is not None and " and " in found:
        with pytest.raises(DataError, match=f"orders.csv: unit_price is in {found}, "):
            source.read()
    else:
        assert source.read().currency == found


def test_files_whose_prices_have_other_signs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "days").mkdir()
    for name, sign in (("a", "€"), ("b", "£")):
        row = f"u,tea,2024-05-01,{sign}2\n"
        (tmp_path / "days" / f"{name}.csv").write_text(
            "user_id,item_id,timestamp,unit_price\n" + row
        )
    source = TabularFile(path=str(tmp_path / "days"), event_type="purchase")
    for read in (source.read, lambda: source.prepare(tmp_path / "cache")):
        with pytest.raises(DataError, match="prices are in EUR and GBP"):
            read()
