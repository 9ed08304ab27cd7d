"""The report of an experiment: text for the terminal, JSON, a table of effects, numbers for a run."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict
from typing import Any

import pandas as pd

from growthlab.core.claims import Claim
from growthlab.effects.ab_analysis import AbAnalysis, ArmAnalysis
from growthlab.effects.ab_statement import (
    alerts,
    not_to_conclude,
    percent,
    relative_text,
    value_text,
    verdict,
)
from growthlab.effects.effect import Effect, effects_table
from growthlab.pages.text_table import format_p_value, plain_table

HEADER = ("outcome", "arm", "control", "treated", "change", "p", "p (Holm)", "method")
NOT_IN_A_NAME = re.compile(r"[^\w./ -]")


def ab_text(analysis: AbAnalysis) -> str:
    """The verdict, the warnings and the effects, for the terminal."""
    lines = [f"{Claim.EXPERIMENT} of {analysis.name}", "", verdict(analysis), ""]
    for level, text in alerts(analysis):
        lines.append(f"{level.upper()}: {text}")
    if analysis.arms:
        rows = [_row(effect) for arm in analysis.arms for effect in main_effects(arm)]
        lines += ["", *plain_table(HEADER, rows, [True, True, *[False] * 5, True])]
    return "\n".join([*lines, *(f"note: {fact}" for fact in analysis.facts)])


def main_effects(arm: ArmAnalysis) -> list[Effect]:
    """The effects of a table for everybody: one an outcome, and the adjusted ones."""
    compared = {effect.outcome for effect in (arm.primary, *arm.secondary)}
    return [
        *(arm.primary, *arm.secondary),
        *(g.effect for g in arm.guardrails if g.effect.outcome not in compared),
        *(adjustment.effect for adjustment in arm.adjustments),
    ]


def _row(effect: Effect) -> list[str]:
    return [
        *(effect.outcome, effect.arm),
        *(value_text(effect, effect.control), value_text(effect, effect.treatment)),
        *(relative_text(effect), format_p_value(effect.p), format_p_value(effect.p_adjusted)),
        effect.method,
    ]


def ab_table(analysis: AbAnalysis) -> pd.DataFrame:
    """All effects, a row each, those of segments with the name of their level."""
    rows = [effects_table(analysis.effects).assign(segment="", level="")] if analysis.arms else []
    for arm in analysis.arms:
        for segment in arm.segments:
            for level, effect in segment.levels:
                rows.append(effects_table([effect]).assign(segment=segment.column, level=level))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def ab_json(analysis: AbAnalysis) -> str:
    """Every number of the report as JSON, each under its claim."""
    content = {
        "claim": Claim.EXPERIMENT,
        "experiment": analysis.name,
        "verdict": verdict(analysis),
        "alerts": [{"level": level, "text": text} for level, text in alerts(analysis)],
        "not_to_conclude": not_to_conclude(analysis),
        "control": analysis.control,
        "alpha": analysis.settings.alpha,
        "served": {arm: list(versions) for arm, versions in analysis.served.items()},
        "customers": analysis.counts,
        "intended_shares": analysis.shares,
        "sample_ratio": analysis.ratio._asdict(),
        "balance": {
            arm: {
                "p": found.p,
                "broken": found.is_broken,
                "columns": found.columns.to_dict("records"),
            }
            for arm, found in analysis.balances.items()
        },
        "arms": {arm.arm: _arm(arm) for arm in analysis.arms},
        "facts": list(analysis.facts),
    }
    return json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False)


def _arm(arm: ArmAnalysis) -> dict[str, Any]:
    return {
        "sample_ratio_p": arm.pair_p,
        "primary": arm.primary.as_dict(),
        "secondary": [effect.as_dict() for effect in arm.secondary],
        "guardrails": [
            {"standing": g.standing, "tolerated": g.tolerated, **g.effect.as_dict()}
            for g in arm.guardrails
        ],
        "sensitivity": [effect.as_dict() for effect in arm.sensitivity],
        "adjusted": [
            {
                **a.effect.as_dict(),
                "covariate": a.covariate,
                "correlation": a.correlation,
                "variance_left": a.variance_left,
                "p_before": a.p_before,
                "warnings": list(a.warnings),
            }
            for a in arm.adjustments
        ],
        "segments": [
            {
                "column": s.column,
                "p_differ": s.p_differ,
                "withheld_levels": s.n_small,
                "levels": {level: effect.as_dict() for level, effect in s.levels},
            }
            for s in arm.segments
        ],
        "course": None if arm.course is None else _course(arm),
        "always_valid": None
        if arm.always_valid is None
        else {name: float(value) for name, value in arm.always_valid._asdict().items()},
        "power": None if arm.power is None else asdict(arm.power),
        "roi": None if arm.roi is None else asdict(arm.roi),
    }


def _course(arm: ArmAnalysis) -> dict[str, Any]:
    assert arm.course is not None
    course = arm.course
    parts: dict[str, Any] = {"by_day": course.by_day, "up_to": course.up_to}
    if course.always_valid is not None:
        parts["always_valid_up_to"] = course.always_valid
    series = {n: {k: v.tolist() for k, v in part._asdict().items()} for n, part in parts.items()}
    return {
        "customers": course.n_customers,
        "trend": course.trend,
        "slope_a_day": course.slope,
        "p_trend": course.p_trend,
        **series,
    }


def run_figures(analysis: AbAnalysis) -> dict[str, float]:
    """The numbers of a run: ``ab_effect/<arm>/<outcome>`` with its bounds and p, and the checks."""
    found = {"sample_ratio_p": analysis.ratio.p}
    found |= {f"customers/{_name(arm)}": float(n) for arm, n in analysis.counts.items()}
    for arm in analysis.arms:
        for effect in (arm.primary, *arm.secondary, *(g.effect for g in arm.guardrails)):
            start = f"{Claim.EXPERIMENT}/{_name(arm.arm)}/{_name(effect.outcome)}"
            for part in (
                "difference",
                "low",
                "high",
                "relative",
                "relative_low",
                "relative_high",
                "p",
            ):
                found[f"{start}/{part}"] = getattr(effect, part)
        if arm.roi is not None:
            found[f"{Claim.EXPERIMENT}/{_name(arm.arm)}/roi"] = arm.roi.roi
    return {name: value for name, value in found.items() if math.isfinite(value)}


def summary_line(arm: ArmAnalysis) -> str:
    """The share of the plan that has been reached, in a sentence; empty without figures."""
    power = arm.power
    if power is None:
        return ""
    line = (
        f"With these customers a change of {percent(power.detectable)} is shown four times of five."
    )
    if power.power_of_plan is not None and power.customers_needed is not None:
        line += (
            f" The planned effect would be shown with probability {power.power_of_plan:.2f}; 80 "
            f"% need {power.customers_needed:,.0f} customers an arm."
        )
    return line


def _name(text: str) -> str:
    """The text as MLflow takes it in the name of an outcome; a slash would begin another part."""
    return NOT_IN_A_NAME.sub("_", text.replace("/", " per "))


def _finite(value: Any) -> Any:
    """The value with None for every number that JSON does not have."""
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
