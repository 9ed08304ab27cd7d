"""The gate's decision from evidence alone, and the report and tags that keep it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from growthlab.core.errors import ConfigError
from growthlab.evaluation.significance import sign_flip_p_values
from growthlab.evaluation.superiority import SuperiorityResult
from growthlab.export.parity import Parity
from growthlab.promotion.compared_measure import ComparedMeasure
from growthlab.promotion.decision import (
    EXPORTED_AGAIN,
    FIRST,
    NON_INFERIOR,
    SUPERIOR,
    Evidence,
    decide,
)
from growthlab.promotion.decision_tags import tags_of
from growthlab.promotion.gate import Gate
from growthlab.promotion.promotion_report import (
    PromotionCase,
    check_table,
    checks_as_text,
    report_of,
    summary_of,
)
from growthlab.promotion.rival import Rival, WindowRank

GATE = Gate(
    min_rel_gain=0.05,
    alpha=0.05,
    margin=0.02,
    cheaper={"latency_p50_ms": {"share": 0.2, "amount": 1.0}, "bundle_mb": {"amount": 10}},
    guards={
        "all_tasks": {"bundle_mb": {"limit": 500}},
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
    "coverage": ComparedMeasure(challenger=0.95, champion=1.0, larger_is_better=True),
    "gini_at_10": ComparedMeasure(challenger=0.8, champion=0.7),
    "bundle_mb": ComparedMeasure(challenger=40.0, champion=40.0),
    "latency_p50_ms": ComparedMeasure(challenger=5.0, champion=5.0),
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
    standing=WindowRank(value=0.22, low=0.2, high=0.24, rank=2, valid_rank=1, n=5),
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


def measured(**changes: float) -> dict[str, ComparedMeasure]:
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
    concentrated = ComparedMeasure(challenger=0.95, champion=0.95)  # no worse, but above 0.9
    evidence = replace(BETTER, measures=MEASURES | {"gini_at_10": concentrated})
    assert failed(evidence) == ["gini_at_10"]


def test_a_guard_on_a_measure_undefined_for_both_models_passes() -> None:
    undefined = ComparedMeasure(challenger=math.nan, champion=math.nan)
    assert decide(replace(BETTER, measures=MEASURES | {"gini_at_10": undefined}), GATE).promote


def test_a_guard_on_a_measure_the_run_did_not_compute_fails() -> None:
    unmeasured = ComparedMeasure(challenger=math.nan, champion=math.nan, measured=False)
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
    heavy = alone | {"bundle_mb": ComparedMeasure(challenger=501.0)}
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
    heavy = alone | {"bundle_mb": ComparedMeasure(challenger=501.0)}
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
        (
            {"first_against": ["champion"]},
            "gate.first_against: champion: possible: best_baseline, w",
        ),
        ({"guards": {"all_tasks": {"x": {"limit": "no"}}}}, "all_tasks.x.limit must be a number"),
        (
            {"guards": {"all_tasks": {"x": {"worse_by": -1}}}},
            "all_tasks.x.worse_by must be 0 or more",
        ),
        ({"guards": {"all_tasks": {"x": {"limits": 1}}}}, "all_tasks.x.limits: did you mean limit"),
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
        "| gini@10 | pass | 0.8000 | at most 0.9000 and at most 0.8400 (champion 0.7000) "
        "| `gate.guards.ranking.gini_at_10.limit and gate.guards.ranking.gini_at_10.worse_by` |",
        "The validation window chooses",
        "| `gate.margin` | 0.02 |",
        "| rank after the cutoff | 2 of 5 |",
        "| after the cutoff, 95 % bounds | 0.2200 [0.2000, 0.2400] |",
    ):
        assert words in report
    assert "nan" not in report


def test_a_refusal_names_what_failed() -> None:
    evidence = replace(BETTER, valid=0.1, measures=measured(bundle_mb=600.0))
    decision = decide(evidence, GATE)
    assert decision.reason.startswith(
        "bundle_mb: 600.0000, required: at most 500.0000, set by gate.guards.all_tasks.bundle_mb.limit; "
        "not superior ("
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


def test_tags_hold_the_decision_its_numbers_and_a_readable_line_for_each_check() -> None:
    heavy = replace(BETTER, measures=measured(bundle_mb=600.0))
    tags = tags_of(CASE, heavy, decide(heavy, GATE), GATE)
    assert tags["gate.decision"] == "refused"
    assert tags["gate.bundle_mb"] == (
        "failed: 600.0000, at most 500.0000, set by gate.guards.all_tasks.bundle_mb.limit"
    )
    assert tags["gate.superior.p_holm"] == "passed: 0.004, at most 0.05, set by gate.alpha"
    assert tags["gate.leakage_report"] == "passed: clean, clean"
    assert (tags["gate.test"], tags["gate.rank"]) == (
        "0.2200 [0.2000, 0.2400]",
        "2 of 5, 1 by validation",
    )
    assert not [key for key, value in tags.items() if value.startswith(("{", "["))]
    tags = tags_of(CASE, BETTER, decide(BETTER, GATE), GATE)
    assert tags["gate.decision"] == "promoted"
    assert tags["gate.way"] == SUPERIOR
    assert (tags["gate.by"], tags["gate.against_version"]) == ("anna@desk", "3")
    assert (tags["gate.p_holm"], tags["gate.relative"]) == ("0.004", "0.1")
    assert (tags["gate.valid"], tags["gate.valid_champion"]) == ("0.31", "0.3")
    assert tags["gate.parity"] == "1000/1000"
    assert "gate.alpha=0.05 gate.margin=0.02 " in tags["gate.settings"]
    table = check_table(decide(BETTER, GATE))
    assert len(table) == 3 + 3 + 5
    assert table[1] == {
        "route": SUPERIOR, "check": "relative gain", "result": "passed", "value": "+10.0 %",
        "required": "above +5.0 %", "set_by": "gate.min_rel_gain",
    }  # fmt: skip


def test_a_check_named_like_another_tag_has_a_tag_of_its_own() -> None:
    gain = ComparedMeasure(challenger=0.5, champion=0.4, larger_is_better=True)
    gate = replace(GATE, guards={"ranking": {"gain": {"limit": 0.1}}})
    evidence = replace(BETTER, measures=MEASURES | {"gain": gain})
    tags = tags_of(CASE, evidence, decide(evidence, gate), gate)
    assert tags["gate.gain"] == "0.02"
    assert tags["gate.guard.gain"].startswith("passed: 0.5000, at least 0.1000, set by ")


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
        f"window, 0.2200 [0.2000, 0.2400] after the cutoff, rank 2 of 5; {decided}; {report}"
    )


ALONE = {n: replace(m, champion=None) for n, m in MEASURES.items()}
BEHIND = replace(
    PAIRED, challenger=0.26, champion=0.36, gain=-0.1, low=-0.12, high=-0.08, relative=-0.27
)
WINS = Rival(model="knn", run_id="w" * 32, valid=0.36, paired=BEHIND, roles=["winner"])
KNN = "knn of run wwwwwwww, the winner by validation"
FIRST_ONE = replace(BETTER, paired=None, valid_champion=None, measures=ALONE, rivals=[WINS])


def first(**changes: Any) -> Evidence:
    """A first champion beside a winner by validation with these changes."""
    paired = {n: changes.pop(n) for n in list(changes) if n in ("gain", "low", "high", "relative")}
    rival = replace(WINS, paired=replace(BEHIND, **paired), **changes)
    return replace(FIRST_ONE, valid=0.355, rivals=[rival])


def test_a_first_champion_may_not_be_worse_than_the_winner_of_its_window() -> None:
    decision = decide(FIRST_ONE, GATE)
    assert not decision.promote
    assert decision.reason == (
        "not first (ndcg_at_10 on the validation window 0.3100, required: at most 2 % worse than "
        f"0.3600 of {KNN}, set by gate.margin and gate.first_against; "
        "ndcg_at_10 after the cutoff 0.2600, by -0.1000 [-0.1200, -0.0800] (-27.0 %), required: not "
        f"shown to be worse than 0.3600 of {KNN}, set by gate.first_against)"
    )
    report = report_of(CASE, FIRST_ONE, decision, GATE)
    assert f"| {KNN} | yes | 0.3600 | 0.3600 | -0.1000 [-0.1200, -0.0800] " in report
    beside = tags_of(CASE, FIRST_ONE, decision, GATE)["gate.beside.knn"]
    assert beside.startswith(f"{KNN}: -27.0 %, -0.1000 [-0.1200, -0.0800]")


@pytest.mark.parametrize(
    ("changes", "promoted"),
    [
        ({}, False),  # within the margin of 2 % on validation, and shown to be worse
        ({"high": 0.001}, True),  # not shown to be worse
        ({"high": 0.001, "valid": 0.363}, False),  # more than 2 % behind on validation
        ({"gain": math.nan, "low": math.nan, "high": math.nan}, True),  # no customers
        ({"roles": []}, True),  # better, and cannot be exported: no veto
        ({"roles": ["best_baseline"]}, False),
    ],
)
def test_a_first_champion_is_refused_where_a_rival_is_shown_to_be_better(
    changes: dict[str, Any], promoted: bool
) -> None:
    assert decide(first(**changes), GATE).promote is promoted


def test_the_setting_that_spares_a_first_champion_the_winner_is_named() -> None:
    slow = first(why_not="refused itself: latency_p50_ms: 31.0")
    assert "(refused itself: latency_p50_ms: 31.0)" in decide(slow, GATE).reason
    decision = decide(slow, replace(GATE, first_against=["best_baseline"]))
    assert decision.promote
    assert decision.reason == (
        f"the first champion: there was none to beat; left out by gate.first_against: {KNN}"
        " (refused itself: latency_p50_ms: 31.0)"
    )
    report = report_of(CASE, slow, decision, replace(GATE, first_against=["best_baseline"]))
    assert "(refused itself: latency_p50_ms: 31.0) | no |" in report
    beaten = decide(first(high=0.02), GATE)
    assert beaten.reason.endswith(f"and it is not worse than {KNN}")


def test_without_any_other_model_the_report_of_a_first_champion_says_so() -> None:
    alone = replace(FIRST_ONE, rivals=[])
    report = report_of(CASE, alone, decide(alone, GATE), GATE)
    assert "No other model was evaluated on the same data, split and cutoff." in report


@pytest.mark.parametrize(
    ("spread", "passes"),
    [
        ((480.0, 499.0), True),
        ((490.0, 520.0), True),  # the limit of 500 lies within
        ((500.0, 540.0), True),
        ((501.0, 540.0), False),  # every measurement is beyond the limit
    ],
)
def test_only_a_spread_beyond_the_limit_as_a_whole_is_refused(
    spread: tuple[float, float], passes: bool
) -> None:
    measure = ComparedMeasure(challenger=sum(spread) / 2, champion=40.0, spread=spread)
    evidence = replace(BETTER, measures=MEASURES | {"bundle_mb": measure})
    (check,) = [c for c in decide(evidence, GATE).required if c.name == "bundle_mb"]
    assert check.passed is passes
    assert check.value == f"{sum(spread) / 2:.4f} [{spread[0]:.4f}, {spread[1]:.4f}]"
    assert check.required.endswith("which the spread reaches") is (passes and sum(spread) > 1000)


@pytest.mark.parametrize(
    ("challenger", "champion", "cheaper"),
    [
        ((3.0, 3.5), (5.0, 5.5), True),  # 1.5 ms apart at their nearest: 20 % and 1 ms matter
        ((3.0, 4.2), (5.0, 5.5), False),  # 0.8 ms apart
        ((3.0, 3.1), (3.2, 9.0), False),
    ],
)
def test_a_cost_with_a_spread_is_lower_where_the_spreads_lie_apart(
    challenger: tuple[float, float], champion: tuple[float, float], cheaper: bool
) -> None:
    equal = replace(PAIRED, p_holm=0.5)
    latency = ComparedMeasure(
        challenger=3.05, champion=5.0, spread=challenger, champion_spread=champion
    )
    measures = MEASURES | {"latency_p50_ms": latency}
    assert decide(replace(BETTER, paired=equal, measures=measures), GATE).promote is cheaper


def test_a_cost_that_an_old_run_did_not_measure_neither_falls_nor_rises() -> None:
    equal = replace(PAIRED, p_holm=0.5)
    missing = ComparedMeasure(challenger=math.nan, champion=math.nan, measured=False)
    gate = replace(GATE, cheaper={**GATE.cheaper, "fit_cpu_seconds": {"amount": 1.0}})
    measures = measured(latency_p50_ms=3.0) | {"fit_cpu_seconds": missing}
    decision = decide(replace(BETTER, paired=equal, measures=measures), gate)
    assert decision.route == NON_INFERIOR
    assert "fit_cpu_seconds not measured" in decision.routes[NON_INFERIOR][2].value


def test_a_popularity_champion_that_covers_everyone_keeps_no_personal_model_out() -> None:
    from growthlab.config.compose import compose
    from growthlab.core.build import build

    gate = build(compose("promote", ["task=top_n", "challenger=any"]).config.gate, Gate)
    names = {**gate.guards["ranking"], **gate.guards["all_tasks"]}
    same = {n: ComparedMeasure(challenger=0.5, champion=0.5) for n in (*names, *gate.cheaper)}
    model_itself = ComparedMeasure(challenger=0.876, champion=1.0, larger_is_better=True)
    received = ComparedMeasure(challenger=1.0, champion=1.0, larger_is_better=True)
    recall = ComparedMeasure(challenger=1.0, champion=1.0, larger_is_better=True)
    measures = same | {"coverage": model_itself, "full_lists": received, "index_recall": recall}
    assert decide(replace(BETTER, measures=measures), gate).promote
