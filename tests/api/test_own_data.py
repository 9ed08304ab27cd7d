"""Frames and files become logs by the same rules, and columns that are none of ours are kept."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tests.api.conftest import NAMES

import growthlab as gl
from growthlab.core.errors import ConfigError, DataError
from growthlab.workbench.own_log import OwnLog


def test_a_frame_and_its_file_are_the_same_log(orders: pd.DataFrame, log: OwnLog) -> None:
    ours = orders[list(NAMES.values())]
    ours.to_csv("orders.csv", index=False)
    of_file = gl.read("orders.csv", NAMES, event_type="purchase")
    of_frame = gl.read(ours, NAMES, event_type="purchase")
    assert of_file.digest == of_frame.digest
    assert of_file.n_events == len(orders) == log.n_events


def test_columns_of_ones_own_can_be_asked_for(orders: pd.DataFrame, log: OwnLog) -> None:
    n_app = int((orders["device"] == "app").sum())
    assert log.where("device = 'app'").n_events == n_app
    counts = log.query("SELECT device, count(*) AS n FROM events GROUP BY device")
    assert dict(zip(counts["device"], counts["n"], strict=True))["app"] == n_app


def test_columns_of_ones_own_survive_a_split(log: OwnLog) -> None:
    past = log.split().past
    assert set(past.query("SELECT DISTINCT device FROM events")["device"]) == {"app", "web"}


def test_a_column_that_cannot_be_kept_is_named_in_the_log(
    orders: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="growthlab")
    odd = orders.assign(Quantity=1, basket=[["tea"]] * len(orders))
    read = gl.read(odd, NAMES, event_type="purchase")
    assert read.n_events == len(orders)
    assert "column Quantity is not read" in caplog.text  # SQL does not tell it from quantity
    assert "column basket is not read" in caplog.text


def test_texts_of_items_become_their_attributes(orders: pd.DataFrame) -> None:
    items = pd.DataFrame(
        {"sku": ["tea", "cup"], "brand": ["leaf=1", None], "colour": ["red", "blue"]}
    )
    read = gl.read(
        orders, NAMES, event_type="purchase", items=items, item_columns={"item_id": "sku"}
    )
    assert read.items is not None
    attributes = dict(zip(read.items["item_id"], read.items["attributes"], strict=True))
    assert attributes == {"tea": "brand=leaf1|colour=red", "cup": "colour=blue"}


def test_settings_of_the_file_are_arguments(orders: pd.DataFrame) -> None:
    read = gl.read(orders, NAMES, event_type="purchase", horizon_days=20, timezone="Asia/Shanghai")
    assert (read.source.horizon_days, read.source.zone) == (20, "Asia/Shanghai")
    assert read.where("true").source is read.source


def test_a_log_is_cut_at_its_newest_cutoff(log: OwnLog) -> None:
    fold = log.split(horizon_days=10)
    assert fold.cutoff is not None
    first, last = fold.future.query("SELECT min(timestamp), max(timestamp) FROM events").iloc[0]
    assert fold.cutoff <= first <= last < fold.cutoff + pd.Timedelta(days=10)


def test_a_log_shows_its_counts_and_first_events(log: OwnLog) -> None:
    html = log._repr_html_()
    assert f"{log.n_events:,} events" in html
    assert ">device</th>" in html


def test_a_frame_of_customers_is_compared_without_events() -> None:
    rows = 400
    frame = pd.DataFrame(
        {
            "id": range(rows),
            "visits": [n % 7 for n in range(rows)],
            "left": ["yes" if n % 7 < 3 and n % 5 else "no" for n in range(rows)],
        }
    )
    table = gl.read_customers(frame, {"user_id": "id", "label": "left"})
    board = gl.compare(table, ["logistic"], task="churn", overrides=["intervals.resamples=0"])
    assert list(board.models) == ["logistic"]


def test_a_data_set_by_its_name_is_cached(folder: Path) -> None:
    log = gl.dataset("simulated_shop", users=40, days=80)
    assert isinstance(log, OwnLog)
    assert log.source.history_events == ["view", "favourite", "cart", "purchase"]
    assert (folder / ".growthlab").is_dir()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "no column of event types"),
        ({"event_type": "purchase", "horizon": 3}, "has no setting horizon: did you mean"),
        ({"event_type": "purchase", "path": "x.csv"}, "data.path is of files"),
        (
            {"event_type": "purchase", "rates": {"EUR": 1}},
            "data.rates converts prices, and there are",
        ),
        ({"event_type": "bought"}, "'bought' is not an event type"),
        ({"event_type": "purchase", "timezone": "Mars/Base"}, "Mars/Base"),
    ],
)
def test_mistakes_are_one_line(
    orders: pd.DataFrame, settings: dict[str, object], line: str
) -> None:
    with pytest.raises((ConfigError, DataError), match=line):
        gl.read(orders, NAMES, **settings)


def test_a_missing_column_is_named_with_what_there_is(orders: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"custmer.*customer"):
        gl.read(orders, {**NAMES, "user_id": "custmer"}, event_type="purchase")


def test_twice_the_same_column_is_refused(orders: pd.DataFrame) -> None:
    twice = pd.concat([orders, orders[["device"]]], axis=1)
    with pytest.raises(DataError, match="several columns 'device'"):
        gl.read(twice, NAMES, event_type="purchase")


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="a dict cannot be read"):
        gl.read({"user_id": ["c1"]})  # type: ignore[arg-type]
