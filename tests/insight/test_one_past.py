"""One past in one report: all sections know the same events, and `segment` knows them too."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from tests.insight.conftest import sections

from growthlab.core.errors import DataError
from growthlab.data.as_of import past_in_calendar
from growthlab.data.event_log import EventLog
from growthlab.data.simulated_shop import SimulatedShop
from growthlab.insight.buyers import buyers
from growthlab.insight.customer_tables import customer_tables
from growthlab.insight.findings import CustomerRowsSection
from growthlab.insight.growth_figures import growth_in_scope
from growthlab.insight.report_scope import ReportScope

OF_BUYERS = {"rfm_segments": "customers", "life_cycle": "customers", "purchase_counts": "buyers"}


@pytest.fixture(scope="module")
def late(shop_source: SimulatedShop) -> pd.DataFrame:
    """The events of a shop of which a tenth is recorded 20 days late, and a tenth of purchases cancelled."""
    events = shop_source.tables().events
    rng = np.random.default_rng(5)
    delay = pd.to_timedelta(20 * (rng.random(len(events)) < 0.1), unit="D")
    cancelled = (events["event_type"] == "purchase") & (rng.random(len(events)) < 0.1)
    at = (events["timestamp"] + pd.Timedelta(days=10)).where(cancelled)
    return events.assign(ingested_at=events["timestamp"] + delay, cancelled_at=at)


@pytest.mark.parametrize("as_of", ["2025-04-01", "2025-03-15T13:00", None])
def test_every_section_has_the_same_buyers(late: pd.DataFrame, as_of: str | None) -> None:
    scope = ReportScope.of(EventLog.from_frames(late), as_of=as_of, min_group=10)
    # what had happened and was recorded by then, and was not cancelled by then
    end = scope.as_of
    known = late[(late["timestamp"] < end) & (late["ingested_at"] < end)]
    kept = known[(known["event_type"] == "purchase") & ~(known["cancelled_at"] < end)]
    expected = kept["user_id"].nunique()
    assert expected < late[late["event_type"] == "purchase"]["user_id"].nunique()
    tables = {
        table.name: table.rows
        for section in sections("rfm", "life_cycle", "repurchase", "risk_value").values()
        for table in section.find(scope).tables
    }
    counted = {name: tables[name][column].sum() for name, column in OF_BUYERS.items()}
    counted["repeat_rate"] = tables["repeat_rate"]["buyers"].iloc[0]
    counted["risk_value"] = tables["risk_value"]["customers"].sum()
    assert counted == dict.fromkeys(counted, expected)
    assert growth_in_scope(scope, "month")["orders"].sum() == len(
        kept.drop_duplicates(["user_id", "order_id"])
    )


def test_segments_are_those_of_the_same_past(late: pd.DataFrame) -> None:
    log = EventLog.from_frames(late)
    scope = ReportScope.of(log, min_group=10)
    past, as_of = past_in_calendar(log, None)
    assert as_of == scope.as_of
    asked = {
        n: s for n, s in sections("rfm", "tiers").items() if isinstance(s, CustomerRowsSection)
    }
    ids = buyers(scope.log, scope.as_of).index.tolist()
    for rows in customer_tables(asked, past, as_of).tables.values():
        assert rows["user_id"].tolist() == ids


def test_a_purchase_that_was_recorded_late_is_in_no_section(late: pd.DataFrame) -> None:
    moment = datetime(2025, 2, 1)
    only_late = late.assign(ingested_at=late["timestamp"] + pd.Timedelta(days=40))
    kept = only_late[only_late["timestamp"] < moment]
    with pytest.raises(DataError, match="nobody did anything before 2025-02-01"):
        ReportScope.of(EventLog.from_frames(kept), as_of="2025-02-01")
