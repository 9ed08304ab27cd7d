"""A small shop as the frame of a newcomer: own names of columns, and columns that nobody asked for."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import growthlab as gl
from growthlab.data.simulated_shop import SimulatedShop
from growthlab.workbench.own_log import OwnLog

NAMES = {"user_id": "customer", "item_id": "product", "timestamp": "time"}
FAST = ("intervals.resamples=100",)


@pytest.fixture(scope="session")
def orders() -> pd.DataFrame:
    """A row a purchase: customer c1, c2, ..., product, time, and the device, which no log of ours has."""
    shop = SimulatedShop(users=150, items=60, days=150).read()
    bought = shop.query(
        "SELECT user_id, item_id AS product, timestamp AS time FROM events "
        "WHERE event_type = 'purchase' ORDER BY ALL"
    )
    codes, _ = pd.factorize(bought.pop("user_id"))
    common = bought["product"].value_counts().index
    bought["product"] = bought["product"].replace({common[0]: "tea", common[1]: "cup"})
    return bought.assign(
        customer=[f"c{code + 1}" for code in codes],
        device=["app" if code % 2 else "web" for code in codes],
    )


@pytest.fixture(scope="session")
def log(orders: pd.DataFrame) -> OwnLog:
    """The frame as a log."""
    return gl.read(orders, NAMES, event_type="purchase", name="orders")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
