"""Care triggers, each worked by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tests.insight.purchases import AS_OF, ago, buys, log_of

from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.data.event_log import EventLog
from growthlab.insight.findings import Section, link_sections
from growthlab.insight.report_scope import ReportScope
from growthlab.insight.sections.tiers import Tiers
from growthlab.insight.sections.triggers import MessageTriggers, recurring_dates

CONF = Path(__file__).parents[2] / "conf" / "section"
SILVER = Tiers(tiers={"silver": {"orders": 3}})


def rows_of(
    kind: str, log: EventLog, as_of: datetime = AS_OF, **more: Any
) -> list[tuple[Any, ...]]:
    customers = MessageTriggers(**{"tiers": SILVER, **more}).customers(log, as_of)
    customers = customers[customers["trigger"] == kind]
    return list(
        zip(
            customers["user_id"],
            customers["date"].dt.strftime("%Y-%m-%d"),
            customers["detail"],
            strict=True,
        )
    )


def test_the_first_purchase_has_an_anniversary_every_year() -> None:
    days = [AS_OF - datetime(y, m, d) for y, m, d in [(2024, 6, 1), (2022, 6, 14), (2024, 6, 15)]]
    log = log_of(*(buys(u, d / timedelta(days=1)) for u, d in zip("abc", days, strict=True)),
                 buys("d", 0.5))  # fmt: skip
    assert rows_of("first_purchase_anniversary", log) == [
        ("a", "2025-06-01", "1 year"),
        ("b", "2025-06-14", "3 years"),
    ]  # c's is on the 15th, the first day after


def test_a_window_over_the_new_year_finds_both_years() -> None:
    days = pd.Series(pd.to_datetime(["2020-12-30", "2019-01-03", "2018-01-20"]), index=list("abc"))
    dates = recurring_dates(days, datetime(2025, 12, 25, 15), 14)
    assert dict(zip(dates["user_id"], dates["date"].astype(str), strict=True)) == {
        "a": "2025-12-30",
        "b": "2026-01-03",
    }


def test_the_29th_of_february_recurs_on_the_28th() -> None:
    days = pd.Series(pd.to_datetime(["2024-02-29"]), index=["a"])
    assert recurring_dates(days, datetime(2025, 2, 20), 14)["date"].astype(str).tolist() == [
        "2025-02-28"
    ]
    assert recurring_dates(days, datetime(2028, 2, 20), 14)["date"].astype(str).tolist() == [
        "2028-02-29"
    ]


def test_birthdays_are_used_only_with_consent() -> None:
    users = pd.DataFrame(
        {
            "user_id": ["a", "b", "c", "d"],
            "birthday": ["1990-06-03", "1985-06-03", "--06-05", None],
            "consent_birthday": [True, False, True, True],
        }
    )
    log = log_of(*(buys(u, 50) for u in "abcd"), users=users)
    assert rows_of("birthday", log) == [("a", "2025-06-03", ""), ("c", "2025-06-05", "")]


def test_without_a_birthday_or_its_consent_there_are_none_with_a_reason() -> None:
    users = pd.DataFrame({"user_id": ["a"], "birthday": ["1990-06-03"]})
    log = log_of(buys("a", 50), users=users)
    rows, absent = MessageTriggers(tiers=SILVER).rows_and_absent(log, AS_OF)
    assert "birthday" not in set(rows["trigger"])
    assert absent["birthday"] == "the users have no column consent_birthday"


def test_a_repurchase_is_due_a_usual_gap_after_the_last() -> None:
    log = log_of(
        buys("a", 70, 40, 25),  # gaps of 30 and 15: 22.5, rounded to 22 days after 25 ago
        buys("b", 40, 25),  # one gap alone
        buys("c", 90, 60, 30),  # due today
        buys("d", 91, 61, 31),  # was due on the last day of May
    )
    due = ago(25) + timedelta(days=22)
    assert due < AS_OF
    assert rows_of("repurchase_due", log) == [("c", "2025-06-01", "every 30 days")]
    assert rows_of("repurchase_due", log, as_of=ago(5))[0] == (
        "a",
        f"{due:%Y-%m-%d}",
        "every 22.5 days",
    )
    assert rows_of("repurchase_due", log, repurchase_max_days=29) == []


def test_a_change_of_tier_names_both_tiers() -> None:
    log = log_of(buys("a", 60, 50, 5), buys("b", 60, 50, 40), buys("c", 60))
    assert rows_of("tier_change", log) == [("a", "2025-06-01", "member to silver")]
    assert (
        MessageTriggers(tiers=None).rows_and_absent(log, AS_OF)[1]["tier_change"]
        == "tiers are not among the sections: name them too"
    )


def test_a_risk_that_rises_above_the_border_is_a_trigger(shop: EventLog) -> None:
    scope = ReportScope.of(shop)
    triggers = MessageTriggers(risk_border=0.5, horizon_days=28)
    rows = triggers.customers(shop, scope.as_of)
    details = rows["detail"][rows["trigger"] == "risk_crossing"].str.split(" to ", expand=True)
    assert len(details)
    assert (details[0].astype(float) <= 0.5).all()
    assert (details[1].astype(float) >= 0.5).all()


def test_the_risk_of_customers_who_bought_since_does_not_cross(shop: EventLog) -> None:
    scope = ReportScope.of(shop)
    rows = MessageTriggers(risk_border=0.5, horizon_days=28).customers(shop, scope.as_of)
    crossed = set(rows["user_id"][rows["trigger"] == "risk_crossing"])
    since = scope.as_of - timedelta(days=14)
    bought = shop.query(
        f"SELECT DISTINCT user_id FROM events WHERE event_type = 'purchase' AND timestamp >= '{since}'"
    )
    assert crossed.isdisjoint(bought["user_id"])


def test_the_report_counts_customers_and_names_none(shop: EventLog) -> None:
    findings = MessageTriggers().find(ReportScope.of(shop))
    (table,) = findings.tables
    assert "user_id" not in table.rows
    assert any("No birthday: the users have no column birthday" in note for note in findings.notes)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"days": 0}, "days must be 1 to 366"),
        ({"risk_border": 1}, r"risk_border must be in \(0, 1\)"),
        ({"horizon_days": 0}, "horizon_days must be positive"),
    ],
)
def test_settings_out_of_range_are_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MessageTriggers(**more)


def test_triggers_have_the_tiers_of_the_section_next_to_them() -> None:
    """The rules are in one place: conf/section/tiers.yaml."""
    result = {
        n: build(yaml.safe_load((CONF / f"{n}.yaml").read_text()), Section)
        for n in ("triggers", "tiers")
    }
    assert result["triggers"].tiers is None
    assert link_sections(result)["triggers"].tiers is result["tiers"]
    assert link_sections({"triggers": result["triggers"]})["triggers"].tiers is None
    own = MessageTriggers(tiers=SILVER)
    assert own.linked_to(result) is own
