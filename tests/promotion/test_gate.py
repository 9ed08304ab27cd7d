"""The gate's decision from evidence alone, and the report and tags that keep it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from growthlab.core.errors import ConfigError
from growthlab.evaluation.significance import sign_flip_p_values
from growthlab.evaluation.superiority import SuperiorityResult
from growthlab.export.parity import Parity
from growthlab.promotion.gate import (
    EXPORTED_AGAIN,
    FIRST,
    NON_INFERIOR,
    SUPERIOR,
    Evidence,
    Gate,
    Measure,
    decide,
)
from growthlab.promotion.promotion_report import (
    PromotionCase,
    checks_as_text,
    report_of,
    summary_of,
    tags_of,
)

GATE = Gate(
    min_rel_gain=0.05,
    alpha=0.05,
    margin=0.02,
    cheaper={"latency_p50_ms": {"share": 0.2, "amount": 1.0}, "bundle_mb": {"amount": 10}},
    guards={
        "every": {"bundle_mb": {"limit": 500}},
        "ranking": {"coverage": {"worse_by": 0.1}, "gini_at_10": {"limit": 0.9, "worse_by": 0.2}},
        "binary": {"calibration_error": {"limit": 0.1}},
    },
)
PAIRED = SuperiorityResult(
    champion=0.20,
    challenger=0.22,
    gain=0.02,
    low=0.01,
    high=0.03,
    relative=0.10,
    p=0.001,
    p_holm=0.004,
    p_margin=0.0001,
    p_margin_holm=0.0004,
    n_customers=1000,
    n_evaluations=4,
)
MEASURES = {
    "coverage": Measure(challenger=0.95, champion=1.0, larger_is_better=True),
    "gini_at_10": Measure(challenger=0.8, champion=0.7),
    "bundle_mb": Measure(challenger=40.0, champion=40.0),
    "latency_p50_ms": Measure(challenger=5.0, champion=5.0),
}
BETTER = Evidence(
    objective="ndcg_at_10",
    maximise=True,
    valid=0.31,
    valid_champion=0.30,
    paired=PAIRED,
    measures=MEASURES,
    leakage={"clean": True, "warning": None},
    parity=Parity(n_compared=1000, n_same=1000, largest=1e-7),
    family="ranking",
)
CASE = PromotionCase(
    name="corner_shop-top_n",
    challenger_run="c" * 32,
    challenger_model="ease",
    champion_run="b" * 32,
    champion_model="item_knn",
    champion_version="3",
    challenger_version=None,
    bundle_version="0123456789ab",
    data_digest="ab" * 32,
    split="global_time",
    cutoff="2024-03-01 00:00:00",
    by="anna@desk",
    at="2024-04-01T12:00:00+00:00",
    code_version="deadbeef",
)


def measured(**changes: float) -> dict[str, Measure]:
    """The measures with other values of the challenger."""
    return MEASURES | {n: replace(MEASURES[n], challenger=v) for n, v in changes.items()}


def failed(evidence: Evidence, gate: Gate = GATE) -> list[str]:
    """The names of the required checks that failed."""
    return [c.name for c in decide(evidence, gate).required if not c.passed]


def test_a_better_challenger_that_passes_every_check_is_promoted_as_superior() -> None:
    decision = decide(BETTER, GATE)
    assert (decision.promote, decision.route) == (True, SUPERIOR)
    assert decision.reason == "better than the champion"


def test_better_after_the_cutoff_and_worse_on_validation_is_not_promoted() -> None:
    worse = replace(BETTER, valid=0.29)
    assert not decide(worse, GATE).promote
    assert "validation window 0.2900, required: above" in decide(worse, GATE).reason
    assert not decide(replace(BETTER, valid=0.30), GATE).promote  # not better there either


def test_for_a_minimised_objective_the_lower_validation_value_is_better() -> None:
    lower = replace(BETTER, maximise=False, valid=0.29)
    assert decide(lower, GATE).promote
    assert not decide(replace(lower, valid=0.31), GATE).promote


@pytest.mark.parametrize(
    "change",
    [{"p_holm": 0.051}, {"relative": 0.05, "gain": 0.01}, {"p_holm": math.nan}],
    ids=["not significant after Holm", "gain not above the minimum", "no customers"],
)
def test_superiority_needs_both_significance_and_the_gain(change: dict[str, float]) -> None:
    assert not decide(replace(BETTER, paired=replace(PAIRED, **change)), GATE).promote


def test_better_on_validation_and_worse_after_the_cutoff_is_vetoed() -> None:
    lost = replace(PAIRED, gain=-0.02, relative=-0.1, p_holm=1.0, p_margin_holm=0.9)
    assert not decide(replace(BETTER, paired=lost), GATE).promote


def test_non_inferior_and_cheaper_is_the_second_route() -> None:
    equal = replace(PAIRED, gain=0.0, relative=0.0, p_holm=0.5, p_margin_holm=0.025)
    same = replace(BETTER, paired=equal, valid=0.295)  # 1.7 % below, within the margin of 2 %
    assert not decide(same, GATE).promote  # nothing is cheaper
    faster = replace(same, measures=measured(latency_p50_ms=3.9))
    assert decide(faster, GATE).route == NON_INFERIOR
    assert not decide(replace(faster, valid=0.29), GATE).promote  # beyond the margin on validation
    late = replace(faster, paired=replace(equal, p_margin_holm=0.026))  # alpha / 2 = 0.025
    assert not decide(late, GATE).promote


@pytest.mark.parametrize(
    ("costs", "cheaper"),
    [
        ({"latency_p50_ms": 4.0}, True),  # down by 20 % and 1 ms
        ({"latency_p50_ms": 4.1}, False),  # by less than either
        ({"bundle_mb": 30.0}, True),
        ({"bundle_mb": 30.0, "latency_p50_ms": 6.0}, False),  # the other cost rises as much
        ({"bundle_mb": 30.0, "latency_p50_ms": 5.9}, True),
        ({"bundle_mb": math.nan}, False),
    ],
)
def test_cheaper_means_at_least_one_cost_falls_and_none_rises_by_what_matters(
    costs: dict[str, float], cheaper: bool
) -> None:
    equal = replace(PAIRED, p_holm=0.5)
    evidence = replace(BETTER, paired=equal, measures=measured(**costs))
    assert decide(evidence, GATE).promote is cheaper


@pytest.mark.parametrize(
    ("measure", "value", "passes"),
    [
        ("coverage", 0.90, True),  # 10 % below the champion's 1.0, the limit itself
        ("coverage", 0.89, False),
        ("gini_at_10", 0.84, True),  # 20 % above the champion's 0.7
        ("gini_at_10", 0.85, False),
        ("bundle_mb", 501.0, False),
        ("coverage", math.nan, False),  # defined for the champion
    ],
)
def test_a_guard_refuses_a_value_worse_than_its_limit(
    measure: str, value: float, passes: bool
) -> None:
    evidence = replace(BETTER, measures=measured(**{measure: value}))
    assert failed(evidence) == ([] if passes else [measure])
    assert decide(evidence, GATE).promote is passes


def test_a_guard_with_two_limits_applies_both() -> None:
    concentrated = Measure(challenger=0.95, champion=0.95)  # no worse, but above 0.9
    evidence = replace(BETTER, measures=MEASURES | {"gini_at_10": concentrated})
    assert failed(evidence) == ["gini_at_10"]


def test_a_guard_on_a_measure_undefined_for_both_models_passes() -> None:
    undefined = Measure(challenger=math.nan, champion=math.nan)
    assert decide(replace(BETTER, measures=MEASURES | {"gini_at_10": undefined}), GATE).promote


def test_a_guard_on_a_measure_the_run_did_not_compute_fails() -> None:
    unmeasured = Measure(challenger=math.nan, champion=math.nan, measured=False)
    evidence = replace(BETTER, measures=MEASURES | {"gini_at_10": unmeasured})
    assert failed(evidence) == ["gini_at_10"]
    alone = replace(unmeasured, champion=None)
    first = replace(BETTER, paired=None, measures=MEASURES | {"gini_at_10": alone})
    relative = replace(GATE, guards={"ranking": {"gini_at_10": {"worse_by": 0.1}}})
    assert decide(first, relative).promote  # there is no champion to be worse than
    assert not decide(first, GATE).promote


@pytest.mark.parametrize(
    "leakage",
    [{"clean": False}, {}, {"clean": True, "warning": "no common cutoff"}],
    ids=["dirty", "missing", "no clock"],
)
def test_a_leakage_report_that_is_not_clean_blocks_promotion(leakage: dict[str, Any]) -> None:
    assert failed(replace(BETTER, leakage=leakage)) == ["leakage report"]
    assert not decide(replace(BETTER, leakage=leakage), GATE).promote


def test_without_parity_nothing_is_promoted() -> None:
    different = Parity(n_compared=10, n_same=9, largest=0.2, why_not="1 of 10 lists differ")
    empty = Parity(n_compared=0, n_same=0, largest=math.nan)
    assert failed(replace(BETTER, parity=different)) == ["export parity"]
    assert failed(replace(BETTER, parity=empty)) == ["export parity"]
    assert "1 of 10 lists differ" in decide(replace(BETTER, parity=different), GATE).reason


def test_the_first_champion_only_has_to_meet_the_guards_own_limits() -> None:
    alone = {n: replace(m, champion=None) for n, m in MEASURES.items()}
    first = replace(BETTER, paired=None, valid_champion=None, measures=alone)
    assert decide(first, GATE).route == FIRST
    heavy = alone | {"bundle_mb": Measure(challenger=501.0)}
    assert decide(replace(first, measures=heavy), GATE).route == ""
    assert not decide(replace(first, leakage={"clean": False}), GATE).promote


def test_the_champions_own_run_exported_again_has_no_model_to_beat() -> None:
    alone = {n: replace(m, champion=None) for n, m in MEASURES.items()}
    again = replace(
        BETTER, paired=None, valid_champion=None, measures=alone, objective_before="ndcg_at_10"
    )
    decision = decide(again, GATE)
    assert (decision.route, decision.reason) == (EXPORTED_AGAIN, "the same run, exported again")
    report = report_of(CASE, again, decision, GATE)
    assert "## Exported again\n\nThe same run, exported again.\n" in report
    heavy = alone | {"bundle_mb": Measure(challenger=501.0)}
    assert not decide(replace(again, measures=heavy), GATE).promote
    assert not decide(replace(again, leakage={"clean": False}), GATE).promote
    differs = Parity(n_compared=1000, n_same=999, largest=0.1)
    assert not decide(replace(again, parity=differs), GATE).promote


def test_guards_of_another_family_are_ignored_and_unknown_measures_are_refused() -> None:
    assert "calibration_error" not in [c.name for c in decide(BETTER, GATE).required]
    wrong = replace(GATE, guards={"ranking": {"gini_at_1": {"limit": 1.0}}})
    line = r"gate\.guards\.ranking\.gini_at_1: nothing of this name was measured: did you mean gini_at_10"
    with pytest.raises(ConfigError, match=line):
        decide(BETTER, wrong)
    assert decide(BETTER, replace(GATE, guards={"ranking": {"gini_at_1": None}})).promote
    with pytest.raises(ConfigError, match=r"gate\.cheaper\.price: nothing of this name"):
        decide(BETTER, replace(GATE, cheaper={"price": {"share": 0.1}}))


def test_an_objective_other_than_the_champions_must_be_requested() -> None:
    GATE.require_objective("ndcg_at_10", "ndcg_at_10")
    replace(GATE, new_objective=True).require_objective("mrr_at_20", "ndcg_at_10")
    line = (
        r"task\.objective=mrr_at_20: the champion was promoted by ndcg_at_10, so "
        r"task\.objective=ndcg_at_10 decides; gate\.new_objective=true changes it"
    )
    with pytest.raises(ConfigError, match=line):
        GATE.require_objective("mrr_at_20", "ndcg_at_10")


@pytest.mark.parametrize(
    ("before", "n_objectives", "words"),
    [
        (None, 1, "Objective: ndcg@10, which also judges later challengers"),
        ("ndcg_at_10", 1, "Objective: ndcg@10, the champion's"),
        ("mrr_at_20", 7, "**changed** by gate.new_objective: the champion was promoted by mrr@20"),
        ("mrr_at_20", 7, "| evaluations on this window, times 7 metrics | 4 |"),
    ],
)
def test_the_report_says_how_the_objective_was_chosen(
    before: str | None, n_objectives: int, words: str
) -> None:
    evidence = replace(BETTER, objective_before=before, n_objectives=n_objectives)
    assert words in report_of(CASE, evidence, decide(evidence, GATE), GATE)


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ({"alpha": 0.0}, "gate.alpha must lie between 0 and 1, got 0.0"),
        ({"min_rel_gain": -0.1}, "gate.min_rel_gain must be 0 or more, got -0.1"),
        ({"margin": 1.0}, "gate.margin must be 0 or more and below 1, got 1.0"),
        ({"cheaper": {"bundle_mb": {"share": 0}}}, "noise is no saving"),
        ({"cheaper": {"bundle_mb": {"part": 1}}}, "gate.cheaper.bundle_mb.part: possible"),
        ({"guards": {"every": {"x": {"limit": "no"}}}}, "every.x.limit must be a number"),
        ({"guards": {"every": {"x": {"worse_by": -1}}}}, "every.x.worse_by must be 0 or more"),
        ({"guards": {"every": {"x": {"limits": 1}}}}, "every.x.limits: did you mean limit"),
    ],
)
def test_an_impossible_gate_setting_is_refused_in_one_line(
    setting: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigError) as error:
        Gate(**setting)
    assert line in str(error.value)


def test_equal_challengers_pass_the_whole_gate_as_superior_in_five_percent_of_cases() -> None:
    # values distributed like NDCG; the challenger was better on validation, which means nothing here
    random = np.random.default_rng(6)
    n_shops, n_customers = 1500, 100
    one, other = (
        np.where(
            random.random((n_customers, n_shops)) < 0.6, 0.0, random.random((n_customers, n_shops))
        )
        for _ in range(2)
    )
    gains, base = one - other, other.mean(axis=0)
    p = sign_flip_p_values(gains, n_flips=999, one_sided=True)
    gate = replace(GATE, min_rel_gain=0.0)
    passed = 0
    for shop in range(n_shops):
        gain = float(gains[:, shop].mean())
        paired = replace(
            PAIRED, gain=gain, relative=gain / base[shop], p_holm=float(p[shop]), p_margin_holm=1.0
        )
        passed += decide(replace(BETTER, paired=paired), gate).promote
    assert 0.03 <= passed / n_shops <= 0.07


def test_the_report_holds_the_evidence_the_decider_and_how_to_read_it() -> None:
    report = report_of(CASE, BETTER, decide(BETTER, GATE), GATE)
    assert report.startswith("# corner_shop-top_n: ease promoted")
    for words in (
        "**Promoted**: better than the champion.",
        "item_knn (version 3, run bbbb",
        "anna@desk, 2024-04-01T12:00:00+00:00, code deadbeef",
        "0.0200 [0.0100, 0.0300]",
        "| the same, Holm | 0.004 |",
        "| evaluations on this window | 4 |",
        "| gini@10 | pass | 0.8000 | at most 0.9000 and at most 0.8400 (champion 0.7000) |",
        "The validation window chooses",
        "- margin: `0.02`",
    ):
        assert words in report
    assert "nan" not in report


def test_a_refusal_names_what_failed() -> None:
    evidence = replace(BETTER, valid=0.1, measures=measured(bundle_mb=600.0))
    decision = decide(evidence, GATE)
    assert decision.reason.startswith(
        "bundle_mb: 600.0000, required: at most 500.0000; not superior ("
    )
    assert "FAIL" in checks_as_text(decision)
    assert "ease refused" in report_of(CASE, evidence, decision, GATE)


@pytest.mark.parametrize(("valid", "verdict"), [(0.31, "promoted"), (0.1, "refused")])
def test_the_report_of_a_dry_run_says_what_would_happen(valid: float, verdict: str) -> None:
    evidence = replace(BETTER, valid=valid)
    report = report_of(replace(CASE, dry_run=True), evidence, decide(evidence, GATE), GATE)
    assert report.startswith(
        f"# corner_shop-top_n: ease would be {verdict} (dry run)\n\n**Would be {verdict}**: "
    )


def test_tags_hold_the_decision_its_numbers_and_all_checks() -> None:
    tags = tags_of(CASE, BETTER, decide(BETTER, GATE), GATE)
    first = json.loads(tags["gate.checks"])[0]
    assert sorted(first) == ["found", "name", "passed", "wanted"]  # the keys of earlier versions
    assert tags["gate.decision"] == "promoted"
    assert tags["gate.way"] == SUPERIOR
    assert (tags["gate.by"], tags["gate.against_version"]) == ("anna@desk", "3")
    assert (tags["gate.p_holm"], tags["gate.relative"]) == ("0.004", "0.1")
    assert (tags["gate.valid"], tags["gate.valid_champion"]) == ("0.31", "0.3")
    assert tags["gate.parity"] == "1000/1000"
    assert len(json.loads(tags["gate.checks"])) == 3 + 3 + 5
    assert json.loads(tags["gate.settings"])["alpha"] == 0.05


def test_the_description_says_why_a_version_was_promoted_and_where_the_report_is() -> None:
    decided = "decided by anna@desk, 2024-04-01T12:00:00+00:00, code deadbeef"
    report = f"report: promotion/20240401T120000Z.md among the artifacts of run {'c' * 32}"
    ndcg = "ndcg@10 0.2200, the champion's 0.2000, after the cutoff: relative gain +10.0 %"
    assert summary_of(CASE, BETTER, decide(BETTER, GATE), GATE) == (
        f"ease: better than the champion; {ndcg}, p (one-sided, Holm) 0.004, 1,000 customers; "
        f"{decided}; {report}"
    )
    cheap = replace(BETTER, valid=0.30, measures=measured(latency_p50_ms=2.0))
    summary = summary_of(CASE, cheap, decide(cheap, GATE), GATE)
    assert summary.startswith("ease: not worse than the champion, and cheaper; ")
    assert f"{ndcg}, p of a loss of 2 % (one-sided, Holm) <0.001, 1,000 customers; " in summary
    first = replace(BETTER, paired=None, valid_champion=None)
    assert summary_of(CASE, first, decide(first, GATE), GATE) == (
        "ease: the first champion: there was none to beat; ndcg@10 0.3100 on the validation "
        f"window; {decided}; {report}"
    )
