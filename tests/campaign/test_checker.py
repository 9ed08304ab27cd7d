"""Each rule of a plan, broken in its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tests.campaign.conftest import (
    example_frames,
    holdout_of,
    options_of,
    settings_with,
    written,
)

from growthlab.campaign.checker import PlanCheck
from growthlab.campaign.plan_settings import CapSetting
from growthlab.campaign.planning import CampaignPlan

Rows = pd.DataFrame


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[CampaignPlan, PlanCheck]:
    settings = settings_with(roi_floor=0.5, minima={"north": 20}, caps=(CapSetting(2, 7),))
    options = options_of(written(example_frames(), tmp_path_factory.mktemp("tables")), settings)
    holdout = holdout_of(settings)
    return CampaignPlan.of(options, holdout), PlanCheck(options.tables, settings, holdout)


def messages(rows: Rows, channel: str = "email") -> pd.Index:
    """The planned messages of a channel."""
    return rows.index[(rows["arm"] == "plan") & (rows["channel"] == channel)]


def to_control(rows: Rows) -> Rows:
    place = rows.index[rows["arm"] == "control"][0]
    columns = ["offer", "channel", "slot", "cost", "value"]
    rows.loc[place, columns] = rows.loc[messages(rows)[0], columns]
    return rows


def set_all(column: str, value: object, channel: str = "email") -> Callable[[Rows], Rows]:
    def change(rows: Rows) -> Rows:
        rows.loc[messages(rows, channel), column] = value
        return rows

    return change


def twice(rows: Rows) -> Rows:
    return pd.concat([rows, rows.loc[messages(rows)[:1]]], ignore_index=True)


def every_day(rows: Rows) -> Rows:
    """A message on two days for a customer who had one the week before."""
    first = rows[rows["customer"] == "c000"].iloc[:1]
    own = [first.assign(offer="news", channel="email", slot=pd.Timestamp(s), value=1.0, cost=0.1)
           for s in ("2026-12-01T10:00", "2026-12-02T10:00")]  # fmt: skip
    return pd.concat([rows[rows["customer"] != "c000"], *own], ignore_index=True)


def without_consent(rows: Rows) -> Rows:
    """Every third customer has given consent for e-mails alone."""
    place = next(i for i in messages(rows) if int(rows["customer"][i][1:]) % 3 == 0)
    rows.loc[place, ["channel", "cost"]] = ["sms", 0.5]
    return rows


def other_arm(rows: Rows) -> Rows:
    rows.loc[rows["customer"] == rows.loc[messages(rows)[0], "customer"], "arm"] = "explore"
    return rows


def no_messages_to_north(rows: Rows) -> Rows:
    return rows.assign(offer=rows["offer"].where(rows["segment"] != "north"))


BROKEN: dict[str, tuple[Callable[[Rows], Rows], str]] = {
    "budget": (set_all("cost", 3.0), "budget: "),
    "channel budget": (set_all("cost", 3.4, "sms"), "budget of sms"),
    "cost": (set_all("cost", 0.0), "cost: "),
    "control": (to_control, "control: "),
    "arm": (other_arm, "another arm than the key"),
    "two arms": (lambda r: pd.concat([r, r[:1].assign(arm="plan"), r[:1].assign(arm="control")]),
                 "in several arms"),
    "capacity": (set_all("slot", pd.Timestamp("2026-12-01T10:00")), "capacity: "),
    "no slot": (set_all("slot", pd.Timestamp("2026-12-01T11:00")), "has no slot"),
    "quiet hours": (set_all("slot", pd.Timestamp("2026-12-01T22:00"), "sms"), "quiet hours"),
    "stock": (set_all("offer", "ten off"), "stock: "),
    "eligibility": (set_all("offer", "ten off"), "eligibility: "),
    "one a day": (twice, "one message a day"),
    "cap": (every_day, "cap: 1 times more than 2 in 7 days"),
    "consent": (without_consent, "consent: "),
    "floor": (set_all("value", -1.0), "ROI: "),
    "minimum": (no_messages_to_north, "minimum: 0 messages to north"),
    "probability": (set_all("assignment_probability", 0.0), "probability is not above 0"),
    "unknown offer": (set_all("offer", "gold"), "offer gold is not known"),
    "not finite": (set_all("value", float("inf")), "not finite"),
    "lost customer": (lambda r: r[r["customer"] != "c001"], "1 customers have no row"),
}  # fmt: skip


def faults_of(rows: Rows, check: PlanCheck, folder: Path) -> list[str]:
    path = folder / "plan.parquet"
    rows.to_parquet(path, index=False)
    return check.faults(path)


def test_the_plan_itself_has_no_fault(
    planned: tuple[CampaignPlan, PlanCheck], tmp_path: Path
) -> None:
    assert faults_of(planned[0].rows, planned[1], tmp_path) == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_a_fault(
    planned: tuple[CampaignPlan, PlanCheck], tmp_path: Path, name: str
) -> None:
    change, said = BROKEN[name]
    faults = faults_of(change(planned[0].rows.copy()), planned[1], tmp_path)
    assert any(said in fault for fault in faults), faults


def test_a_small_segment_and_an_unreviewed_price_are_faults(
    planned: tuple[CampaignPlan, PlanCheck], tmp_path: Path
) -> None:
    plan, check = planned
    strict = PlanCheck(check.tables, settings_with(smallest_segment=101), check.holdout)
    faults = faults_of(plan.rows, strict, tmp_path)
    assert any("smallest segment: " in fault for fault in faults)
    tables = check.tables
    unreviewed = type(tables)(
        **{**tables.__dict__, "offers": tables.offers.assign(price_review="")}
    )
    faults = faults_of(plan.rows, PlanCheck(unreviewed, check.settings, check.holdout), tmp_path)
    assert any("price review: " in fault for fault in faults)
