"""Cohort retention and value, and acquisition channels, of a shop that can be counted by hand."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.insight.conftest import END

from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.insight.cohorts import add_shares, cohort_table, pool_cohorts
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.sections.channels import Channels, channel_quality


def test_cohorts_worked_by_hand(tiny: EventLog) -> None:
    table = add_shares(cohort_table(tiny, "month", as_of=END))
    rows = [
        (str(r.cohort)[:7], r.since, r.customers, r.active, r.buyers, r.spent)
        for r in table.itertuples()
    ]
    assert rows == [
        ("2025-01", 0, 2, 2, 2, 35.0),  # ann and bob
        ("2025-01", 1, 2, 1, 2, 30.0),  # ann spends 5, bob gets 10 back
        ("2025-01", 2, 2, 1, 2, 50.0),
        ("2025-02", 0, 1, 1, 0, 0.0),  # cat cancelled
        ("2025-02", 1, 1, 0, 0, 0.0),
        ("2025-03", 0, 1, 1, 0, 0.0),  # dan
    ]
    assert table["cohort_retention"].tolist() == [1.0, 0.5, 0.5, 1.0, 0.0, 1.0]
    assert table["value"].tolist() == [17.5, 15.0, 25.0, 0.0, 0.0, 0.0]


def test_the_pooled_curve_has_only_cohorts_that_are_old_enough(tiny: EventLog) -> None:
    curve = pool_cohorts(cohort_table(tiny, "month", as_of=END))
    assert curve["customers"].tolist() == [4, 3, 2]
    assert curve["cohort_retention"].tolist() == pytest.approx([1.0, 1 / 3, 0.5])
    assert curve["value"].tolist() == pytest.approx([35 / 4, 10.0, 25.0])


def test_a_period_that_is_not_over_has_no_row(tiny: EventLog) -> None:
    early = cohort_table(tiny, "month", as_of=pd.Timestamp("2025-03-31").to_pydatetime())
    assert early.groupby("cohort")["since"].max().tolist() == [1, 0]


def test_the_channel_of_a_customer_is_that_of_the_first_event(tiny: EventLog) -> None:
    table = pool_cohorts(
        cohort_table(tiny, "month", as_of=END, group="firsts.channel").rename(
            columns={"part": "by"}
        ),
        ("by", "since"),
    )
    first = table[table["since"] == 0].set_index("by")
    assert first["customers"].to_dict() == {"app": 1, "web": 3}  # bob; ann, cat and dan
    assert first["value"].to_dict() == pytest.approx({"app": 15.0, "web": 20 / 3})


CURVES = pd.DataFrame(
    {
        "channel": ["ads"] * 3 + ["web"] * 2,
        "since": [0, 1, 2, 0, 1],
        "customers": [20, 20, 10, 30, 30],
        "active": [20, 10, 4, 30, 24],
        "cohort_retention": [1.0, 0.5, 0.4, 1.0, 0.8],
        "buyers": [10, 15, 8, 30, 30],
        "value": [4.0, 8.0, 12.0, 10.0, 20.0],
    }
)


def test_channels_are_compared_at_one_age_and_pay_back_when_the_margin_covers_the_cost() -> None:
    table = channel_quality(CURVES, 1, {"ads": 4.0, "web": 11.0}, margin=0.5).set_index("channel")
    assert table["share"].to_dict() == {"ads": 0.4, "web": 0.6}
    assert table["cohort_retention"].to_dict() == {"ads": 0.5, "web": 0.8}
    assert table["buyer_share"].to_dict() == {"ads": 0.75, "web": 1.0}
    # ads earn 2, 4, 6 of a cost of 4: at 1; web 5 and 10 of 11: not yet
    assert table.loc["ads", "payback"] == 1
    assert pd.isna(table.loc["web", "payback"])
    assert table["margin_on_cost"].to_dict() == pytest.approx({"ads": 1.0, "web": 10 / 11})


def test_without_costs_there_is_no_payback() -> None:
    assert "payback" not in channel_quality(CURVES, 1, {})


def test_costs_of_an_unknown_channel_are_refused(shop: EventLog) -> None:
    with pytest.raises(ConfigError, match=r"costs has no customers of refferal: did you mean ref"):
        Channels(costs={"refferal": 3.0}).find(ReportScope.of(shop))


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"at": 0}, "at must be 1 month or more"),
        ({"margin": 0}, "margin must be above 0"),
        ({"costs": {"ads": -1}}, "costs.ads must be a positive number"),
        ({"period": "year"}, "period=year: possible: day, month, week"),
    ],
)
def test_settings_of_channels_are_checked(settings: dict[str, object], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        Channels(**settings)  # type: ignore[arg-type]
