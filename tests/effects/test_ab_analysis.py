"""What the analysis finds: effects that are there, goldens, and warnings that are due."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.effects.ab_analysis import AbAnalysis, analyse
from growthlab.effects.ab_page import ab_html
from growthlab.effects.ab_report import ab_json, ab_table, ab_text, run_figures
from growthlab.effects.ab_settings import AbSettings, RoiSettings
from growthlab.effects.ab_statement import alerts, not_to_conclude, verdict
from growthlab.effects.experiment_data import ExperimentData
from growthlab.pages.page import without_script

Customers = Callable[..., pd.DataFrame]


def analysed(frame: pd.DataFrame, control: str = "control", **settings: Any) -> AbAnalysis:
    data = ExperimentData.of(frame, control=control)
    return analyse(data, AbSettings(**{"outcomes": ["spend"], **settings}), "trial")


def test_an_effect_is_found_and_said_in_a_sentence(customers: Customers) -> None:
    analysis = analysed(customers(lift=0.4), outcomes=["spend", "visit"])
    (arm,) = analysis.arms
    assert arm.primary.relative_low < 0.4 < arm.primary.relative_high
    assert verdict(analysis).startswith("new raised spend: +")
    (visit,) = arm.secondary
    assert visit.p_adjusted == visit.p > 0.05  # the only secondary outcome
    assert "visit (new)" in not_to_conclude(analysis)["No effect"]


def test_without_an_effect_the_sentence_says_what_would_be_seen(customers: Customers) -> None:
    said = verdict(analysed(customers()))
    assert said.startswith("new shows no effect on spend: ")
    assert "would be seen four times of five" in said


def test_secondary_outcomes_are_corrected_and_the_first_one_is_not(customers: Customers) -> None:
    frame = customers(lift=0.4).assign(again=lambda t: t["spend"])
    (arm,) = analysed(frame, outcomes=["spend", "again", "visit"]).arms
    assert np.isnan(arm.primary.p_adjusted)
    again, _ = arm.secondary
    assert again.p_adjusted == pytest.approx(2 * arm.primary.p)


def test_several_arms_are_one_family(customers: Customers) -> None:
    arms = analysed(customers(arms=("control", "a", "b")), outcomes=["spend"]).arms
    smaller, larger = sorted((arm.primary for arm in arms), key=lambda effect: effect.p)
    assert smaller.p_adjusted == pytest.approx(min(1, 2 * smaller.p))
    assert larger.p_adjusted == pytest.approx(max(larger.p, smaller.p_adjusted))


def test_a_broken_split_shows_no_effect(customers: Customers) -> None:
    frame = customers(lift=0.4)
    lost = frame[(frame["arm"] == "control") | (np.arange(len(frame)) % 5 > 0)]
    analysis = analysed(lost, segments=["town"])
    assert analysis.arms == []
    assert verdict(analysis).startswith("No verdict")
    assert alerts(analysis)[0][0] == "grave"
    page = ab_html(analysis)
    assert "No verdict" in page
    assert "+4" not in page.partition("<main")[2].partition("Checks")[0]
    assert json.loads(ab_json(analysis))["arms"] == {}
    assert ab_table(analysis).empty
    assert set(run_figures(analysis)) == {"sample_ratio_p", "customers/control", "customers/new"}


@pytest.mark.parametrize(
    ("lift", "tolerated", "standing"),
    [(0.4, 0.05, "broken"), (-0.4, 0.05, "held"), (0.0, 0.01, "open"), (-0.4, -0.05, "broken")],
)
def test_guardrails_hold_are_broken_or_open(
    lift: float, tolerated: float, standing: str, customers: Customers
) -> None:
    analysis = analysed(customers(lift=lift), outcomes=["visit"], guardrails={"spend": tolerated})
    (guardrail,) = analysis.arms[0].guardrails
    assert guardrail.standing == standing
    graves = [text for level, text in alerts(analysis) if level == "grave"]
    assert bool(graves) == (standing == "broken")


def test_what_was_known_before_narrows_the_interval(customers: Customers) -> None:
    frame = customers().assign(spend=lambda t: t["spent_before"] + 2 * t["visit"])
    analysis = analysed(frame, covariates={"spend": "spent_before"}, features=["spent_before"])
    cuped, cupac = analysis.arms[0].adjustments
    # Deng et al.: the variance that is left is 1 - correlation^2
    assert cuped.variance_left == pytest.approx(1 - cuped.correlation**2, abs=0.01)
    assert cuped.variance_left < 0.1
    assert cupac.variance_left < 0.3
    assert cuped.warnings == ()


def test_unequal_arms_have_a_slope_each(customers: Customers) -> None:
    frame = customers(seed=3).assign(spend=lambda t: t["spent_before"] + t["visit"])
    frame = frame[(frame["arm"] == "control") | (np.arange(len(frame)) % 4 == 1)]
    data = ExperimentData.of(frame, control="control", shares={"control": 2, "new": 1})
    settings = AbSettings(outcomes=["spend"], covariates={"spend": "spent_before"})
    (adjustment,) = analyse(data, settings, "trial").arms[0].adjustments
    assert adjustment.effect.method.endswith("a slope an arm")
    assert adjustment.effect.low < 0 < adjustment.effect.high
    assert adjustment.variance_left < 0.05


def test_a_covariate_that_differs_already_is_reported(customers: Customers) -> None:
    frame = customers().assign(spent_before=lambda t: t["spent_before"] + 3 * (t["arm"] == "new"))
    analysis = analysed(frame, covariates={"spend": "spent_before"})
    (adjustment,) = analysis.arms[0].adjustments
    assert any("differs between the arms already" in text for text in adjustment.warnings)
    assert any("differed from the control before" in text for _, text in alerts(analysis))


def test_arms_that_differed_before_have_no_verdict(customers: Customers) -> None:
    """As where customers were chosen for the arm, whatever they spend later."""
    frame = customers(lift=0.4).assign(
        spent_before=lambda t: t["spent_before"] + 3 * (t["arm"] == "new")
    )
    analysis = analysed(frame, covariates={"spend": "spent_before"})
    assert analysis.arms[0].primary.p < 0.001
    assert verdict(analysis).startswith("No verdict on new: ")
    assert "raised" not in verdict(analysis)
    assert not analysis.has_verdict


def test_a_table_without_anything_known_before_says_so(customers: Customers) -> None:
    assert "That chance drew the arms" in not_to_conclude(analysed(customers()))
    checked = analysed(customers(), covariates={"spend": "spent_before"})
    assert "That chance drew the arms" not in not_to_conclude(checked)


def test_a_covariate_that_says_nothing_is_reported(customers: Customers) -> None:
    frame = customers().assign(noise=lambda t: np.random.default_rng(5).normal(size=len(t)))
    (adjustment,) = analysed(frame, covariates={"spend": "noise"}).arms[0].adjustments
    assert any("no gain" in text for text in adjustment.warnings)


def test_an_outcome_is_no_covariate_of_itself(customers: Customers) -> None:
    frame = customers().assign(copy=lambda t: 2 * t["spend"])
    with pytest.raises(DataError, match=r"covariates\.spend: copy is the outcome itself"):
        analysed(frame, covariates={"spend": "copy"})


def test_an_effect_in_one_segment_is_seen_and_tested(customers: Customers) -> None:
    frame = customers(n=8000)
    frame["spend"] *= 1 + 0.8 * ((frame["arm"] == "new") & (frame["town"] == "south"))
    (segment,) = analysed(frame, segments=["town"]).arms[0].segments
    effects = dict(segment.levels)
    assert effects["south"].p_adjusted < 0.001 < effects["north"].p_adjusted
    assert segment.p_differ < 0.001


def test_segments_of_few_customers_are_withheld(customers: Customers) -> None:
    frame = customers()
    frame.loc[:20, "town"] = "rare"
    (segment,) = analysed(frame, segments=["town"]).arms[0].segments
    assert segment.n_small == 1
    assert {level for level, _ in segment.levels} == {"north", "south"}
    assert "1 levels have too few customers" in ab_html(analysed(frame, segments=["town"]))


def test_the_return_is_margin_less_cost_by_cost(customers: Customers) -> None:
    frame = customers(lift=1.0)
    roi = RoiSettings(outcome="spend", margin=0.5, cost=0.25)
    (arm,) = analysed(frame, roi=roi).arms
    assert arm.roi is not None
    more = 0.5 * arm.primary.difference
    assert arm.roi.roi == pytest.approx((more - 0.25) / 0.25)
    assert arm.roi.low < arm.roi.roi < arm.roi.high


def test_every_number_of_the_json_stands_under_its_claim(customers: Customers) -> None:
    analysis = analysed(customers(lift=0.2), outcomes=["spend", "visit"], segments=["town"])
    content = json.loads(ab_json(analysis))
    assert content["claim"] == content["arms"]["new"]["primary"]["claim"] == "ab_effect"
    assert content["arms"]["new"]["segments"][0]["levels"]["north"]["claim"] == "ab_effect"
    assert set(ab_table(analysis)["claim"]) == {"ab_effect"}
    assert ab_text(analysis).startswith("ab_effect of trial")
    assert "ab_effect" in ab_html(analysis)


def test_names_of_arms_and_segments_are_text_on_the_page(customers: Customers) -> None:
    arms = ("control", "<script>alert(1)</script>")
    frame = customers(n=400, arms=arms).assign(town=lambda t: t["town"] + "<b>")
    page = ab_html(analysed(frame, segments=["town"]))
    assert "<script>" not in without_script(page)
    assert "north&lt;b&gt;" in page
    assert "&lt;script&gt;" in page


def test_an_outcome_that_nobody_of_the_control_has_has_no_relative_effect(
    customers: Customers,
) -> None:
    frame = customers().assign(new_page=lambda t: (t["arm"] == "new") * t["visit"])
    analysis = analysed(frame, outcomes=["new_page"])
    (arm,) = analysis.arms
    assert arm.primary.difference > 0.2
    assert np.isnan(arm.primary.relative)
    assert arm.power is None
    json.loads(ab_json(analysis))


def test_an_outcome_that_is_the_same_for_everybody_has_no_effect_and_no_interval(
    customers: Customers,
) -> None:
    frame = customers(n=400).assign(one=1.0, two=lambda t: t["visit"] + 1)
    analysis = analysed(frame, outcomes=["one", "two/two"])
    (arm,) = analysis.arms
    for effect in (arm.primary, *arm.secondary):
        assert effect.difference == 0
        assert np.isnan(effect.p)
    assert verdict(analysis).startswith("new shows no effect on one")
    json.loads(ab_json(analysis))


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"features": ["spend"]}, "features=spend is an outcome"),
        ({"covariates": {"spend": "visit"}, "outcomes": ["spend", "visit"]}, "visit is an outcome"),
    ],
)
def test_an_outcome_is_no_feature(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        AbSettings(**{"outcomes": ["spend"], **settings})


def test_a_column_of_names_is_no_segment(customers: Customers) -> None:
    with pytest.raises(DataError, match="segments=user_id has 400 levels, at most 50"):
        analysed(customers(n=400), segments=["user_id"])


@pytest.mark.data
def test_hillstrom_has_its_published_effects(real_data: Callable[[str], Path]) -> None:
    customers = pd.read_parquet(real_data("hillstrom") / "customers.parquet")
    frame = customers.rename(columns={"segment": "arm"})
    data = ExperimentData.of(frame, control="No E-Mail", arms=["Womens E-Mail"])
    settings = AbSettings(
        outcomes=["visit", "spend", "spend/visit"], covariates={"spend": "history"}
    )
    (arm,) = analyse(data, settings, "hillstrom").arms
    assert data.counts == {"No E-Mail": 21_306, "Womens E-Mail": 21_387}
    assert arm.pair_p == pytest.approx(0.699, abs=0.0005)
    spend, ratio = arm.secondary

    def rounded(effect: Any) -> list[int]:
        shares = (effect.relative, effect.relative_low, effect.relative_high)
        return [round(100 * share) for share in shares]

    assert rounded(arm.primary) == [43, 36, 50]
    assert arm.primary.difference == pytest.approx(0.0452, abs=0.00005)
    assert rounded(spend) == [65, 22, 124]
    assert spend.p == pytest.approx(0.00113, abs=0.000005)
    assert rounded(ratio) == [16, -14, 56]
    (cuped,) = arm.adjustments
    assert cuped.effect.p == pytest.approx(0.00118, abs=0.000005)
    assert any("no gain" in text for text in cuped.warnings)
