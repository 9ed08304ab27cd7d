"""Values of messages from the effects that bundles learned in experiments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.campaign.conftest import holdout_of, settings_with, written
from tests.campaign.test_bundle_answers import ABOUT, FIRST, number_bundle, number_rule, rule_bundle

from growthlab.bundle.answer_kinds import TaskAnswer
from growthlab.campaign.bundle_answers import BundleAnswers
from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.decision_features import decision_features, feature_names
from growthlab.campaign.effect_values import LaterValue, effect_values
from growthlab.campaign.offer_values import OfferValues
from growthlab.campaign.options import Options
from growthlab.campaign.planning import CampaignPlan
from growthlab.core.errors import ConfigError, DataError
from growthlab.scorers.arms_row_scorer import ArmsRowScorer
from growthlab.tasks.best_arm import BestArm
from growthlab.tasks.churn import Churn
from growthlab.tasks.uplift import Uplift
from growthlab.tasks.value import Value

NOTHING = LaterValue(BundleAnswers({}), 1.0, None)
Frames = dict[str, pd.DataFrame]


def effect_bundle(
    folder: Path, low: float, high: float, skill: str = "shown", outcome: str = "chance"
) -> str:
    """An effect of mail that rises with the customer's number."""
    answer = replace(Uplift.answer, arm="mail", outcome=outcome, skill=skill)
    return str(number_bundle(folder, about(answer, "uplift"), low, high))


def arms_bundle(folder: Path, skill: str) -> str:
    """Effects of a coupon and of mail that rise with the customer's number."""
    answer = replace(BestArm.answer, outcome="chance", skill=skill)
    rules = (number_rule(0.0, 0.2), number_rule(-0.1, 0.3))
    cost, average = np.array([5.0, 0.0]), np.array([0.1, 0.05])
    scorer = ArmsRowScorer(rules, ("coupon", "mail"), "none", cost, average, worth=40.0)
    return str(rule_bundle(folder, about(answer, "best_arm"), scorer, base=0.0))


def about(answer: TaskAnswer, task: str, horizon_days: float = 28.0) -> object:
    return replace(ABOUT, task=task, answer=answer, model="rule", horizon_days=horizon_days)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("effects")
    worth = about(Value.answer, "value", 112.0)
    return {
        "effect": effect_bundle(folder / "effect", -0.1, 0.3),
        "no skill": effect_bundle(folder / "no_skill", -0.1, 0.3, skill="not shown"),
        "not tested": effect_bundle(folder / "not_tested", -0.1, 0.3, skill=""),
        "arms": arms_bundle(folder / "arms", "shown"),
        "arms without skill": arms_bundle(folder / "arms_without_skill", "not shown"),
        "money": effect_bundle(folder / "money", 0.0, 39.9, outcome="amount"),
        "stay": effect_bundle(folder / "stay", 0.0, 0.2),
        "probability": str(
            number_bundle(folder / "probability", about(Churn.answer, "churn"), 0.2, 0.8)
        ),
        "amount": str(number_bundle(folder / "amount", worth, 0.0, 399.0)),
        "nameless": str(
            number_bundle(folder / "nameless", about(Uplift.answer, "uplift"), 0.0, 1.0)
        ),
    }


@pytest.fixture
def folder(frames: Frames, tmp_path: Path) -> Path:
    """The small campaign, whose ten off has the effect of mail, and an order is worth 40."""
    del frames["values"]
    frames["offers"]["arm"] = ["", "mail"]
    frames["offers"]["order_value"] = ["", "40"]
    return written(frames, tmp_path / "campaign")


def load(bundles: dict[str, str], *names: str) -> BundleAnswers:
    return BundleAnswers.load([bundles[name] for name in names])


def test_an_offer_is_worth_the_effect_of_its_arm_times_an_order(
    bundles: dict[str, str], folder: Path
) -> None:
    tables = CampaignTables.read(folder)
    answers = load(bundles, "effect", "probability")
    values = effect_values(answers, tables, decision_features(tables, answers), NOTHING)
    assert values.claim == "incremental_value"
    by_offer = values.value.reshape(400, 2, 2)  # by channel and offer
    assert np.isnan(by_offer[:, :, 0]).all()  # news has no arm
    # -0.1 of a chance times 40 for the first customer, 0.3 times 40 for the last, in both channels
    assert by_offer[[0, 0, -1], [0, 1, 1], 1] == pytest.approx([-4, -4, 12], abs=1e-4)
    # who buys anyway (one minus 0.2, and minus 0.8) and the effect together pay the discount
    assert values.buys.reshape(400, 2, 2)[[0, -1], 0, 1] == pytest.approx([0.7, 0.5], abs=1e-5)
    (note,) = values.notes
    assert note == "no experiment says what these offers change, and they are not planned: news"


def test_each_arm_of_a_bundle_of_several_has_its_effect_and_the_plan_its_own_costs(
    bundles: dict[str, str], frames: Frames, folder: Path
) -> None:
    frames["offers"]["arm"] = ["coupon", "mail"]
    frames["offers"]["order_value"] = ["10", "40"]
    tables = CampaignTables.read(written(frames, folder))
    answers = load(bundles, "arms", "probability")
    values = effect_values(answers, tables, decision_features(tables, answers), NOTHING)
    by_offer = values.value.reshape(400, 2, 2)[:, 0]
    assert by_offer[0] == pytest.approx([0.0, -4.0], abs=1e-4)
    assert by_offer[-1] == pytest.approx([2.0, 12.0], abs=1e-4)
    assert values.models.count("best_arm/rule") == 1
    without = load(bundles, "arms without skill", "probability")
    values = effect_values(without, tables, decision_features(tables, without), NOTHING)
    assert values.value.reshape(400, 2, 2)[:, 0] == pytest.approx(np.tile([1.0, 2.0], (400, 1)))


def test_two_bundles_of_one_arm_are_refused(bundles: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="both say what mail changes"):
        load(bundles, "effect", "arms")


@pytest.mark.parametrize("name", ["no skill", "not tested"])
def test_without_skill_everybody_has_the_average_effect(
    bundles: dict[str, str], folder: Path, name: str
) -> None:
    tables = CampaignTables.read(folder)
    answers = load(bundles, name)
    values = effect_values(answers, tables, decision_features(tables, answers), NOTHING)
    # the base of the bundle is its low end: -0.1 times 40
    assert values.value.reshape(400, 2, 2)[:, 0, 1] == pytest.approx(np.full(400, -4.0))
    assert "everybody gets the average effect of mail, -0.1" in values.notes[0]


def test_customers_whom_a_bundle_does_not_know_are_counted(
    bundles: dict[str, str], frames: Frames, folder: Path
) -> None:
    for name in ("customers", "consent", "contacts"):
        frames[name]["customer"] = frames[name]["customer"].replace("c399", "new")
    tables = CampaignTables.read(written(frames, folder))
    answers = load(bundles, "effect")
    values = effect_values(answers, tables, decision_features(tables, answers), NOTHING)
    assert values.value.reshape(400, 2, 2)[-1, 0, 1] == pytest.approx(-4.0)
    assert values.notes[0].startswith("1 of 400 customers are unknown to uplift/rule")


def test_an_amount_is_worth_itself_and_nothing_is_said_of_who_buys(
    bundles: dict[str, str], frames: Frames, folder: Path
) -> None:
    frames["offers"]["order_value"] = ""
    tables = CampaignTables.read(written(frames, folder))
    answers = load(bundles, "money")
    values = effect_values(answers, tables, decision_features(tables, answers), NOTHING)
    assert values.value.reshape(400, 2, 2)[100, 0, 1] == pytest.approx(10.0, abs=1e-3)
    assert (values.buys == 1).all()  # no bundle says who buys anyway


def test_what_a_kept_customer_brings_counts_after_the_window_alone(
    bundles: dict[str, str], folder: Path
) -> None:
    tables = CampaignTables.read(folder)
    answers = load(bundles, "effect", "amount")
    features = decision_features(tables, answers)
    kept = load(bundles, "stay")
    values = effect_values(answers, tables, features, LaterValue(kept, 0.5, None))
    # the last customer: 12 within 28 days, and half of 0.2 times the 84 of 112 days after them of 399
    expected = 12 + 0.5 * 0.2 * 399 * 84 / 112
    assert values.value.reshape(400, 2, 2)[-1, 0, 1] == pytest.approx(expected, rel=1e-4)
    within = effect_values(answers, tables, features, LaterValue(kept, 1.0, 112.0))
    assert within.value.reshape(400, 2, 2)[-1, 0, 1] == pytest.approx(12, rel=1e-4)
    without = effect_values(answers, tables, features, LaterValue(kept, 0.0, None))
    assert without.value.reshape(400, 2, 2)[-1, 0, 1] == pytest.approx(12, rel=1e-4)


def test_features_of_the_table_of_customers_go_before_what_a_bundle_keeps(
    bundles: dict[str, str], frames: Frames, folder: Path
) -> None:
    frames["customers"]["place"] = np.arange(400)[::-1]
    tables = CampaignTables.read(written(frames, folder))
    answers = load(bundles, "effect")
    answers.require_current(FIRST, 1, feature_names(tables, answers))  # 11 days old, and not read
    with pytest.raises(ConfigError, match="11 days before the first slot"):
        answers.require_current(FIRST, 1)
    values = effect_values(answers, tables, decision_features(tables, answers), NOTHING)
    assert values.value.reshape(400, 2, 2)[[0, -1], 0, 1] == pytest.approx([12, -4], abs=1e-4)


def test_fatigue_takes_from_the_value_and_not_from_the_budget(
    bundles: dict[str, str], folder: Path
) -> None:
    tables = CampaignTables.read(folder)
    answers = load(bundles, "effect")
    values = effect_values(answers, tables, decision_features(tables, answers), NOTHING)
    fresh = Options(tables, values, settings_with())
    tired = Options(tables, values, settings_with(fatigue_cost=0.25))
    lost = (fresh.value - tired.value)[:, 1]
    assert lost[:40] == pytest.approx(np.full(40, 0.25))  # the first 40 had a message in November
    assert lost[40:] == pytest.approx(np.zeros(360))
    assert (fresh.cost == tired.cost).all()


def test_a_plan_of_effects_is_in_currency_and_leaves_out_whom_a_message_harms(
    bundles: dict[str, str], folder: Path
) -> None:
    tables = CampaignTables.read(folder)
    tables = tables.limited_to(7, tables.times[0])
    answers = load(bundles, "effect", "probability")
    values = effect_values(answers, tables, decision_features(tables, answers), NOTHING)
    settings = settings_with()
    plan = CampaignPlan.of(Options(tables, values, settings), holdout_of(settings))
    sent = plan.rows[plan.rows["offer"].notna() & (plan.rows["arm"] == "plan")]
    assert len(sent)
    assert set(sent["offer"]) == {"ten off"}
    assert (sent["value"] > 0).all()
    assert set(plan.rows["claim"]) == {"incremental_value"}


def test_contacts_and_responses_are_features_as_of_the_first_day(
    frames: Frames, tmp_path: Path
) -> None:
    frames["contacts"] = pd.DataFrame(
        {
            "customer": ["c000", "c000", "c001", "c002"], "channel": "email",
            "sent": ["2026-11-30T10:00", "2026-11-10T10:00", "2026-11-24T09:00", "2026-08-01T10:00"],
            "responded": ["yes", "no", "yes", "yes"],
        }
    )  # fmt: skip
    tables = CampaignTables.read(written(frames, tmp_path))
    features = decision_features(tables, BundleAnswers({}))
    # the first slot is on 1 December: one day, 21, 7 and 122 days before it
    assert features["contacts_7_days"].tolist()[:4] == [1, 1, 0, 0]
    assert features["contacts_30_days"].tolist()[:4] == [2, 1, 0, 0]
    assert features["days_since_contact"].tolist()[:3] == [1, 7, 122]
    assert np.isnan(features["days_since_contact"][3])
    assert features["responses_90_days"].tolist()[:4] == [1, 1, 0, 0]


def offers_with(frames: Frames, **columns: list[str]) -> Frames:
    return {**frames, "offers": frames["offers"].assign(**columns)}


@pytest.mark.parametrize(
    ("names", "columns", "said"),
    [
        (["effect"], {"arm": ["", ""]}, "no offer has an arm"),
        (["effect"], {"arm": ["", "mial"]}, "has the arm mial, of which no bundle says"),
        (["effect"], {"order_value": ["", ""]}, "ten off needs order_value"),
        (["money"], {}, "ten off must have no order_value"),
        (["effect"], {"order_value": ["", "inf"]}, "order_value is inf in row 2"),
        (["effect", "no skill"], {}, "both say what mail changes"),
        (["nameless"], {}, "does not say whose effect it is"),
    ],
)
def test_effects_that_fit_no_offer_are_one_line(
    bundles: dict[str, str],
    frames: Frames,
    folder: Path,
    names: list[str],
    columns: dict[str, list[str]],
    said: str,
) -> None:
    written(offers_with(frames, **columns), folder)

    def values() -> OfferValues:
        tables = CampaignTables.read(folder)
        answers = load(bundles, *names)
        return effect_values(answers, tables, decision_features(tables, answers), NOTHING)

    with pytest.raises((ConfigError, DataError), match=said):
        values()


def test_retention_that_cannot_be_valued_is_refused(bundles: dict[str, str], folder: Path) -> None:
    tables = CampaignTables.read(folder)
    answers = load(bundles, "effect")
    features = decision_features(tables, answers)
    with pytest.raises(ConfigError, match="retention needs a bundle that answers with an amount"):
        effect_values(answers, tables, features, LaterValue(load(bundles, "stay"), 1.0, None))
    with pytest.raises(ConfigError, match="not in the chance to stay a customer"):
        LaterValue(load(bundles, "money"), 1.0, None)
    with pytest.raises(ConfigError, match="holds no effect of an arm"):
        LaterValue(load(bundles, "amount"), 1.0, None)
    with pytest.raises(ConfigError, match="retention_weight must be from 0 to 1, got 2"):
        LaterValue(BundleAnswers({}), 2.0, None)


def test_columns_of_customers_that_are_no_features_are_refused(
    frames: Frames, tmp_path: Path
) -> None:
    frames["customers"]["age"] = [str(n) for n in range(399)] + ["inf"]
    with pytest.raises(DataError, match="age is not finite in row 400"):
        CampaignTables.read(written(frames, tmp_path))
    frames["customers"] = frames["customers"].drop(columns="age")
    for name in ("best_score", "decided_at"):
        named = {**frames, "customers": frames["customers"].assign(**{name: 1})}
        tables = CampaignTables.read(written(named, tmp_path))
        with pytest.raises(DataError, match=f"{name} is written by the plan: rename it"):
            feature_names(tables, BundleAnswers({}))
