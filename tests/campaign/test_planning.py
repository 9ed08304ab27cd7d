from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.campaign.conftest import N, holdout_of, options_of, settings_with, written

from growthlab.campaign.checker import PlanCheck
from growthlab.campaign.plan_files import write_plan
from growthlab.campaign.plan_page import plan_page, summary
from growthlab.campaign.plan_settings import CapSetting
from growthlab.campaign.planning import CampaignPlan
from growthlab.core.errors import ConfigError, DataError
from growthlab.pages.csv_table import table_of_csv

Frames = dict[str, pd.DataFrame]
NO_FEATURES, TEXTS = pd.DataFrame(index=range(N)), {"plan.html": "page"}


def planned(frames: Frames, folder: Path, **changes: object) -> tuple[CampaignPlan, PlanCheck]:
    """The plan of tables, and its check."""
    settings = settings_with(**changes)
    options = options_of(written(frames, folder), settings)
    holdout = holdout_of(settings)
    return CampaignPlan.of(options, holdout), PlanCheck(options.tables, settings, holdout)


def sent(plan: CampaignPlan) -> pd.DataFrame:
    return plan.rows[plan.rows["offer"].notna()]


def test_a_plan_passes_its_check_and_every_customer_has_a_row(
    frames: Frames, tmp_path: Path
) -> None:
    plan, check = planned(frames, tmp_path, minima={"north": 20}, roi_floor=0.5)
    write_plan(plan, check, NO_FEATURES, TEXTS, tmp_path / "plan")
    rows = pd.read_parquet(tmp_path / "plan" / "plan.parquet")
    assert set(rows["customer"]) == set(frames["customers"]["customer"])
    assert rows["offer"].notna().sum() > 100
    assert (rows["reason"] != "").all()
    assert rows["claim"].unique().tolist() == ["incremental_value"]
    csv = table_of_csv(tmp_path / "plan" / "plan.csv")
    assert len(csv) == rows["offer"].notna().sum()


def test_customers_of_the_control_get_nothing_and_arms_are_the_same_again(
    frames: Frames, tmp_path: Path
) -> None:
    plan, _ = planned(frames, tmp_path)
    again, _ = planned(frames, tmp_path, budget=10.0)
    assert (plan.arms == again.arms).all()
    assert not (sent(plan)["arm"] == "control").any()
    other, _ = planned(frames, tmp_path, campaign="spring")
    assert (plan.arms != other.arms).any()
    # 400 customers, a tenth in the control: 40 +- 6, so within 4 deviations
    assert 16 <= (plan.arms == "control").sum() <= 64


def test_probabilities_of_an_exploring_customer_s_choices_sum_up_to_that_of_the_arm(
    frames: Frames, tmp_path: Path
) -> None:
    plan, _ = planned(frames, tmp_path, budget=None)
    explored = plan.rows[plan.rows["arm"] == "explore"]
    share = plan.exploration.share
    n_allowed = plan.options.allowed.sum(axis=(1, 2))
    place = {c: i for i, c in enumerate(plan.options.customers)}
    for row in explored.itertuples():
        n = n_allowed[place[row.customer]]
        expected = 0.1 * (share / n if pd.notna(row.offer) else (1 - share if n else 1))
        assert row.assignment_probability == pytest.approx(expected)
    assert 0 < share <= 1


def test_exploration_draws_each_option_as_often_as_its_probability_says(
    frames: Frames, tmp_path: Path
) -> None:
    for name in ("offers", "channels"):
        frames[name][["stock", "budget"][name == "channels"]] = ""
    frames["slots"]["capacity"] = ""
    plan, _ = planned(frames, tmp_path, budget=None, explore=0.8)
    drawn = sent(plan)
    drawn = drawn[drawn["arm"] == "explore"]
    assert plan.exploration.share == 1
    # inverse probability weights estimate the number of customers: each customer's options sum up to 1
    weights = 0.8 / drawn["assignment_probability"]
    for channel in ("email", "sms"):
        own = (drawn["channel"] == channel).to_numpy()
        allowed = plan.options.allowed.reshape(400, 4, 2, 2)[:, :, ["email", "sms"].index(channel)]
        able = allowed.sum(axis=(1, 2))[plan.arms == "explore"]
        deviation = np.sqrt((weights[own] ** 2).sum())
        assert abs(weights[own].sum() - able.sum()) < 4 * deviation


def test_a_budget_of_zero_and_no_consent_give_an_empty_plan_that_says_so(
    frames: Frames, tmp_path: Path
) -> None:
    plan, check = planned(frames, tmp_path, budget=0.0)
    assert sent(plan).empty
    assert "the plan is empty" in summary(plan, "")
    frames["consent"]["given"] = "false"
    plan, check = planned(frames, tmp_path)
    assert sent(plan).empty
    assert "Nobody has consented" in plan_page(plan, "", 0)
    write_plan(plan, check, NO_FEATURES, TEXTS, tmp_path / "plan")
    reasons = plan.rows[plan.rows["arm"] == "plan"]["reason"]
    assert set(reasons) == {"no_consent"}


def test_withdrawn_consent_takes_a_customer_out_of_the_next_plan(
    frames: Frames, tmp_path: Path
) -> None:
    plan, _ = planned(frames, tmp_path)
    customer = sent(plan)["customer"].iloc[0]
    frames["consent"].loc[frames["consent"]["customer"] == customer, "given"] = "false"
    plan, _ = planned(frames, tmp_path)
    assert customer not in set(sent(plan)["customer"])


def test_an_unreviewed_change_of_price_is_not_offered(frames: Frames, tmp_path: Path) -> None:
    frames["offers"]["price_review"] = ""
    plan, _ = planned(frames, tmp_path)
    assert set(sent(plan)["offer"]) == {"news"}


def test_segments_below_the_smallest_get_no_message(frames: Frames, tmp_path: Path) -> None:
    plan, _ = planned(frames, tmp_path, smallest_segment=101)
    assert set(sent(plan)["segment"]) == {"south"}


def test_minima_that_clash_are_named(frames: Frames, tmp_path: Path) -> None:
    # 100 customers in the north, one message each within seven days
    with pytest.raises(
        ConfigError, match=r"minima clash: no plan was found that meets north=\d+ within"
    ):
        planned(frames, tmp_path, minima={"north": 101, "south": 5}, explore=0.01)


def test_a_heuristic_gives_an_order_and_an_amount_only_with_multipliers(
    frames: Frames, tmp_path: Path
) -> None:
    renamed = {"incremental_value": "expected_value_heuristic"}
    frames["values"] = frames["values"].rename(columns=renamed)
    plan, _ = planned(frames, tmp_path)
    assert not plan.options.in_currency
    assert "no amount of money" in plan_page(plan, "GBP", 0)
    with pytest.raises(ConfigError, match="roi_floor needs values in currency"):
        planned(frames, tmp_path, roi_floor=0.1)
    frames["channels"]["response_multiplier"] = ["0.5", "1"]
    plan, _ = planned(frames, tmp_path)
    assert plan.options.in_currency
    # value * multiplier - cost, offer "news" by e-mail: 0.5 * value - 0.1
    expected = 0.5 * frames["values"]["expected_value_heuristic"].iloc[0] - 0.1
    assert plan.options.value[0, 0] == pytest.approx(expected)


def test_prices_of_an_earlier_plan_give_a_plan_of_the_same_value(
    frames: Frames, tmp_path: Path
) -> None:
    plan, _ = planned(frames, tmp_path)
    again = CampaignPlan.of(plan.options, plan.holdout, plan.solution.prices)
    assert again.solution.value == pytest.approx(plan.solution.value, rel=2e-3)


def test_the_page_shows_curve_mix_discounts_reasons_and_sensitivity(
    frames: Frames, tmp_path: Path
) -> None:
    plan, _ = planned(frames, tmp_path)
    page = plan_page(plan, "GBP", 3)
    for text in (
        "Value by budget", "What limits the plan", "messages by hour", "Discounts by segment",
        "control: held out at random", "In 3 draws of the values", "GBP",
    ):  # fmt: skip
        assert text in page


def test_texts_of_a_plan_are_no_formulas_in_its_csv(frames: Frames, tmp_path: Path) -> None:
    for name in ("offers", "values"):
        frames[name]["offer"] = frames[name]["offer"].replace({"news": "=1+1"})
    plan, check = planned(frames, tmp_path)
    write_plan(plan, check, NO_FEATURES, TEXTS, tmp_path / "plan")
    lines = (tmp_path / "plan" / "plan.csv").read_text().splitlines()
    assert any(",'=1+1," in line for line in lines)
    assert not any(",=1+1," in line for line in lines)


def test_a_plan_that_breaks_a_rule_is_not_written(frames: Frames, tmp_path: Path) -> None:
    plan, _ = planned(frames, tmp_path)
    settings = settings_with(caps=(CapSetting(0, 7),))
    strict = PlanCheck(plan.options.tables, settings, plan.holdout)
    with pytest.raises(DataError, match="the plan is not written, it breaks its own rules: cap"):
        write_plan(plan, strict, NO_FEATURES, TEXTS, tmp_path / "plan")
    assert not (tmp_path / "plan").exists()


def test_a_larger_lasting_control_keeps_who_was_in_the_smaller_one() -> None:
    customers = [f"c{n}" for n in range(2000)]
    small, large = (
        holdout_of(settings_with(lasting_control=share)).arms(customers) == "lasting_control"
        for share in (0.1, 0.3)
    )
    assert (small & large).sum() == small.sum()
    assert 150 < small.sum() < 250
    other = holdout_of(settings_with(campaign="another", lasting_control=0.1))
    assert (other.arms(customers) == "lasting_control").tolist() == small.tolist()
    with pytest.raises(ConfigError, match=r"lasting_control must be from 0 to below 1, got 1.0"):
        holdout_of(settings_with(lasting_control=1.0))
