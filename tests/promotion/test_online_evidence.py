"""An experiment on the request log decides on a challenger."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.promotion.test_gate import BETTER, CASE, GATE, PAIRED

from growthlab.promotion.decision import decide
from growthlab.promotion.decision_tags import tags_of
from growthlab.promotion.online_evidence import ONLINE, OnlineEvidence
from growthlab.promotion.promotion_report import report_of

RISE = {
    "outcome": "click/request", "difference": 0.02, "low": 0.01, "high": 0.03, "relative": 0.2,
    "relative_low": 0.1, "relative_high": 0.3, "p": 0.001, "p_adjusted": None,
}  # fmt: skip
HELD = {**RISE, "outcome": "order", "standing": "held", "tolerated": -0.02}
SOUND = OnlineEvidence(
    run_id="e" * 32, name="spring", verdict="challenger raised click/request.", alpha=0.05,
    sequential_p=None, sample_ratio_p=0.4, effect=RISE, guardrails=[HELD],
    served={"champion": ["old"], "challenger": ["new"]},
    expected={"champion": "old", "challenger": "new"},
)  # fmt: skip
WORSE = replace(PAIRED, gain=-0.02, low=-0.03, high=-0.01, relative=-0.1, p=0.99, p_holm=1.0)


def with_online(**changes: Any) -> Any:
    return replace(BETTER, paired=WORSE, online=replace(SOUND, **changes))


def test_the_experiment_decides_in_place_of_evaluations() -> None:
    decision = decide(with_online(), GATE)
    assert (decision.promote, decision.route) == (True, ONLINE)
    assert decision.reason == "better than the champion in an experiment on the request log"
    tags = tags_of(CASE, with_online(), decision, GATE)
    assert tags["gate.evidence"] == "ab"
    assert tags["gate.way"] == "experiment"
    assert tags["gate.experiment.run"] == "e" * 32
    assert tags["gate.experiment.gain"].startswith("passed: +20.0% [+10.0%, +30.0%], p 0.001")
    report = report_of(CASE, with_online(), decision, GATE)
    assert "## Experiment" in report
    assert "guardrail order of the experiment" in report
    assert tags_of(CASE, BETTER, decide(BETTER, GATE), GATE)["gate.evidence"] == "offline"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"effect": {**RISE, "p": 0.2}}, "click/request in the experiment +20.0%"),
        ({"effect": {**RISE, "p_adjusted": 0.2}}, "p 0.200, required: a rise with p below 0.05"),
        ({"effect": {**RISE, "difference": -0.02}}, "required: a rise with p below 0.05"),
        ({"sequential_p": 0.3}, "always valid p 0.300, required: a rise with always valid p"),
        ({"guardrails": [{**HELD, "standing": "broken"}]}, "guardrail order of the experiment broken"),
        ({"guardrails": [{**HELD, "standing": "open"}]}, "open, +20.0% [+10.0%, +30.0%]"),
        ({"effect": None, "guardrails": [], "sample_ratio_p": 1e-6}, "sample ratio of the experiment"),
        ({"served": {"champion": ["old"], "challenger": ["new", "newer"]}}, "new, newer, required: new"),
        ({"balance_p": 1e-5, "is_balanced": False}, "balance of the experiment p <0.001, required"),
        ({"served": {"challenger": ["new"]}}, "bundle of the champion in the log none"),
    ],
)  # fmt: skip
def test_an_experiment_that_does_not_show_it_refuses_with_the_reason(
    changes: dict[str, Any], said: str
) -> None:
    decision = decide(with_online(**changes), GATE)
    assert not decision.promote
    assert said in decision.reason
    assert decision.reason.startswith("not experiment (")


def test_guards_leakage_and_parity_hold_as_ever() -> None:
    decision = decide(replace(with_online(), leakage={"clean": False}), GATE)
    assert not decision.promote
    assert "leakage report" in decision.reason
