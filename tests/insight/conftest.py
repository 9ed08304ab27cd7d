"""A shop so small that every figure of a report can be worked out by hand."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
import yaml

from growthlab.core.build import build
from growthlab.data.event_log import EventLog
from growthlab.insight.findings import Section
from growthlab.insight.report.growth_report import GrowthReport, build_report
from growthlab.insight.report_scope import ReportScope

# the sections of the config, but those that need a file
CONF = Path(__file__).parents[2] / "conf" / "section"
WITH_A_FILE = {"lookalike", "outlook"}  # of seeds, of models; left out without it
SECTIONS = sorted({path.stem for path in CONF.glob("*.yaml")} - WITH_A_FILE)

START, END = datetime(2025, 1, 1), datetime(2025, 4, 1)

# who, when, what, item, pieces, price, order, visit, channel, stars, cancelled
EVENTS = [
    # ann comes in January and buys in each month
    ("ann", "2025-01-02 10:00", "view", "tea", None, None, None, "v1", "web", None, None),
    ("ann", "2025-01-02 10:05", "cart", "tea", None, None, None, "v1", "web", None, None),
    ("ann", "2025-01-02 10:10", "purchase", "tea", 2, 5.0, "o1", "v1", "web", None, None),
    ("ann", "2025-01-02 10:10", "purchase", "cup", 1, 10.0, "o1", "v1", "web", None, None),
    ("ann", "2025-02-11 09:00", "purchase", "tea", 1, 5.0, "o2", "v2", "app", None, None),
    ("ann", "2025-03-03 09:00", "purchase", "tea", 4, 5.0, "o3", "v3", "app", None, None),
    ("ann", "2025-03-05 09:00", "review", "tea", None, None, None, None, "app", 1.0, None),
    # bob comes in January, buys twice on a day, and sends one back in February
    ("bob", "2025-01-20 08:00", "view", "cup", None, None, None, "v4", "app", None, None),
    ("bob", "2025-01-20 08:10", "purchase", "cup", 1, 10.0, "o4", "v4", "app", None, None),
    ("bob", "2025-01-20 18:00", "purchase", "tea", 1, 5.0, "o5", "v5", "app", None, None),
    ("bob", "2025-02-01 12:00", "return", "cup", 1, 10.0, "o4", None, "app", None, None),
    # cat comes in February, and cancels what she bought
    ("cat", "2025-02-10 08:00", "view", "tea", None, None, None, "v6", "web", None, None),
    ("cat", "2025-02-10 08:10", "cart", "tea", None, None, None, "v6", "web", None, None),
    ("cat", "2025-02-12 08:00", "purchase", "tea", 3, 5.0, "o6", "v7", "web", None, "2025-02-13"),
    # dan only looks, in March
    ("dan", "2025-03-10 08:00", "view", "cup", None, None, None, "v8", "web", None, None),
    ("dan", "2025-03-31 08:00", "view", "cup", None, None, None, "v9", "web", None, None),
    ("dan", "2025-03-31 09:00", "review", "cup", None, None, None, None, "web", 5.0, None),
]
NAMES = [
    "user_id",
    "timestamp",
    "event_type",
    "item_id",
    "quantity",
    "unit_price",
    "order_id",
    "session_id",
    "channel",
    "rating",
    "cancelled_at",
]


@pytest.fixture(scope="session")
def tiny() -> EventLog:
    """Four customers in January to March 2025."""
    events = pd.DataFrame(EVENTS, columns=NAMES)
    items = pd.DataFrame({"item_id": ["tea", "cup"], "text": ["black tea", "a cup"]})
    users = pd.DataFrame({"user_id": ["ann", "bob", "cat", "dan"], "region": ["n", "n", "s", "s"]})
    return EventLog.from_frames(events, items, users, name="tiny")


def sections(*names: str) -> dict[str, Section]:
    """The named sections as their config files have them."""
    return {n: build(yaml.safe_load((CONF / f"{n}.yaml").read_text()), Section) for n in names}


@pytest.fixture(scope="session")
def shop_report(shop: EventLog) -> GrowthReport:
    """Every section on the small shop."""
    return build_report("the shop", ReportScope.of(shop, min_group=10), sections(*SECTIONS))
