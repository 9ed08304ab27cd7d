"""What needs a past is not said of the first days of a log, and what it lacks has no conversion."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.insight.conftest import sections

from growthlab.data.event_log import EventLog
from growthlab.insight.growth_figures import FIGURES_OF_A_PAST, growth_in_scope
from growthlab.insight.report.growth_report import GrowthReport, build_report
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.sections.headline import Headline
from growthlab.insight.sections.retention import Retention
from growthlab.insight.sections.tiers import Tiers

NAMES = ("headline", "growth", "channels", "retention", "funnel")


def log_of_months(*kinds: str) -> EventLog:
    """60 customers who do each of these things on the 10th of January to June."""
    rows = [
        (f"u{n}", kind, f"2025-{month:02d}-10 10:00", 5.0, "web")
        for month in range(1, 7)
        for n in range(60)
        for kind in kinds
    ]
    names = ["user_id", "event_type", "timestamp", "unit_price", "channel"]
    return EventLog.from_frames(pd.DataFrame(rows, columns=names))


def report_on(*kinds: str) -> GrowthReport:
    scope = ReportScope.of(log_of_months(*kinds), as_of="2025-07-01", min_group=10)
    return build_report("shop", scope, sections(*NAMES))


def test_the_first_month_has_no_share_of_repeat_buyers() -> None:
    scope = ReportScope.of(log_of_months("purchase"), as_of="2025-07-01", burn_in_days=31)
    months = growth_in_scope(scope, "month")
    assert months["repeat_buyer_share"].isna().tolist() == [
        True,
        True,
        *[False] * 4,
    ]  # to 10 February
    assert months["repeat_buyer_share"].dropna().tolist() == [1.0] * 4  # not 0 in the first month
    assert set(FIGURES_OF_A_PAST) == {"new_users", "returning_buyers", "repeat_buyer_share"}


def test_a_headline_of_a_month_in_the_burn_in_has_none_of_them() -> None:
    # the only whole month is January, and the burn-in a quarter of the 56 days
    days = ["2025-01-01", "2025-01-20", "2025-02-25"]
    events = pd.DataFrame([(f"u{n}", day) for n in range(60) for day in days])
    events = events.set_axis(["user_id", "timestamp"], axis=1).assign(event_type="purchase")
    (table,) = Headline().find(ReportScope.of(EventLog.from_frames(events))).tables
    assert table.title == "January 2025"
    assert "buyers" in set(table.rows["figure"])
    assert not set(table.rows["figure"]) & {*FIGURES_OF_A_PAST}


def test_cohorts_of_the_burn_in_are_left_out() -> None:
    scope = ReportScope.of(log_of_months("view"), as_of="2025-07-01", min_group=10)
    curve, cohorts = Retention().find(scope).tables
    assert curve.rows.empty  # all customers were there in January
    assert cohorts.rows.empty
    assert "in which old customers look new" in cohorts.note


def test_tiers_with_a_shorter_past_say_so() -> None:
    scope = ReportScope.of(log_of_months("purchase"), as_of="2025-07-01", min_group=10)
    found = Tiers(compare_days=60).find(scope)
    assert [table.name for table in found.tables] == ["tiers", "tier_moves"]
    assert "some moves upwards come from that alone" in found.notes[1]
    assert len(Tiers(compare_days=160).find(scope).tables) == 1  # that was in the burn-in
    short = Tiers(compare_days=60, window_days=30).find(scope)
    assert len(short.notes) == 1


@pytest.mark.parametrize("more", [(), ("review",), ("return",)])
def test_without_browsing_there_is_no_conversion(more: tuple[str, ...]) -> None:
    report = report_on("purchase", *more)
    listed = report.definitions
    assert not set(listed["column"]) & {"user_conversion", "buyer_share", "of_first"}
    headline = report.tables.get("headline")
    assert headline is not None
    assert "user_conversion" not in set(headline["figure"])
    assert "funnel" in report.left_out
    assert "There is no conversion: the log has no view" in report.as_html()


def test_with_views_there_is_one() -> None:
    report = report_on("view", "cart", "purchase")
    assert {"user_conversion", "of_first"} <= set(report.definitions["column"])
    assert "There is no conversion" not in report.as_html()
