"""What cleaning dropped stands in the report: in events and in money, with a warning where it is much."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.insight.conftest import sections

from growthlab.core.errors import ConfigError
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog
from growthlab.insight.report.growth_report import GrowthReport, build_report
from growthlab.insight.report.report_summary import report_summary
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.sections.data_quality import DataQuality, dropped_by_rule


def without_items(n_twice: int) -> EventLog:
    """An order of 10 by each of 60 customers, of whom some bought two goods of 5 in it."""
    rows = [(f"u{n}", f"o{n}", 5.0) for n in range(n_twice) for _ in range(2)]
    rows += [(f"u{n}", f"o{n}", 10.0) for n in range(n_twice, 60)]
    events = pd.DataFrame(rows, columns=["user_id", "order_id", "unit_price"])
    times = pd.to_datetime("2025-01-01") + pd.to_timedelta(
        events["order_id"].str[1:].astype(int), "D"
    )
    events = events.assign(event_type="purchase", timestamp=times)
    return Cleaning().apply(EventLog.from_frames(events, name="shop"))


def report_on(log: EventLog) -> GrowthReport:
    return build_report("shop", ReportScope.of(log, min_group=10), sections("data_quality"))


def test_a_log_without_items_says_how_much_of_its_sales_it_lost() -> None:
    # 20 of 80 lines, and 20 x 5 of the 600 that were bought
    report = report_on(without_items(20))
    (row,) = report.tables["dropped_events"].to_dict("records")
    assert (row["rule"], row["dropped_events"], row["dropped_value"]) == (
        "exact duplicates",
        20,
        100,
    )
    assert (row["share_of_events"], row["share_of_value"]) == pytest.approx((20 / 80, 100 / 600))
    assert row["customers"] == 20
    line = "The rule 'exact duplicates' dropped 25.0% of the events and 16.7% of their money"
    assert line in report_summary(report)
    assert "dropped 25.0% of the events" in report.as_html()


def test_what_few_customers_lost_is_withheld_and_still_a_warning() -> None:
    report = report_on(without_items(8))
    (row,) = report.tables["dropped_events"].to_dict("records")
    assert row["rule"] == "exact duplicates"
    assert pd.isna([row["dropped_events"], row["dropped_value"], row["customers"]]).all()
    (warning,) = report.parts[0].findings.warnings
    assert "dropped more than 5% of the events or of their money" in warning


def test_a_log_that_lost_little_has_no_warning() -> None:
    events = pd.DataFrame({"user_id": ["ann", "bob", None], "event_type": "view"})
    log = Cleaning().apply(EventLog.from_frames(events.assign(timestamp="2025-01-01")))
    scope = ReportScope.of(log, min_group=10)
    found = DataQuality(warn_above=0.5).find(scope)
    assert found.warnings == ()
    assert found.tables[0].rows["dropped_events"].tolist() == [1]  # of nobody: nobody to protect
    assert "share_of_value" not in found.tables[0].rows
    assert len(DataQuality(warn_above=0.2).find(scope).warnings) == 1


def test_files_read_one_by_one_are_added_up_and_a_sample_is_no_loss() -> None:
    row = {"rule": "unreadable rows", "why": "-", "dropped_events": 2, "events_before": 10}
    sample = {"rule": "sample of users", "why": "-", "dropped_events": 9, "events_before": 10}
    rows = dropped_by_rule([row, row, {**sample, "wanted": True}, {**row, "dropped_events": 0}])
    assert rows["dropped_events"].tolist() == [4, 9]
    assert rows["share_of_events"].tolist() == [0.2, 0.9]
    assert rows["share_of_value"].isna().all()
    assert rows["wanted"].tolist() == [False, True]


def test_a_log_that_was_not_cleaned_has_no_rows(shop: EventLog) -> None:
    found = DataQuality().find(ReportScope.of(shop))
    assert found.tables[0].rows.empty
    assert found.notes == ("Reading and cleaning dropped nothing.",)


def test_the_share_of_a_warning_is_checked() -> None:
    with pytest.raises(ConfigError, match="warn_above must be above 0 and at most 1, got 0"):
        DataQuality(warn_above=0)
