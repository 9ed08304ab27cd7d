"""The decision on a challenger as a Markdown report, as terminal text, and as tags of the version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from growthlab.pages.text_table import (
    format_interval,
    format_number,
    format_p_value,
    markdown_table,
    metric_label,
    plain_table,
)
from growthlab.promotion.gate import (
    EXPORTED_AGAIN,
    FIRST,
    NON_INFERIOR,
    ROUTES,
    SUPERIOR,
    Check,
    Decision,
    Evidence,
    Gate,
)

TAG_PREFIX = "gate."
MAX_TAG_LENGTH = 5000  # characters that every MLflow version accepts
ROUTE_TITLES = {
    SUPERIOR: "Superior",
    NON_INFERIOR: "Non-inferior and cheaper",
    FIRST: "First champion",
    EXPORTED_AGAIN: "Exported again",
}
HOW_TO_READ = (
    "- The validation window chooses: a challenger that is not better there (or, on the cheaper route, "
    "not within the margin) is refused, whatever it scores after the cutoff.",
    "- The window after the cutoff confirms and can only veto: test, gain and guards are computed on "
    "it, and no setting, seed or epoch was chosen on it.",
    "- Every evaluation on that window is a logged run and counts, in any experiment, deleted and failed "
    "runs included: p is corrected by Holm's method for all of them. It is one-sided; equal models "
    "pass as superior in at most alpha of cases, and a model that loses exactly the margin passes as "
    "non-inferior in at most alpha / 2.",
    "- The objective is the one that the champion was promoted by. Another one must be requested, and "
    "each measured metric then counts as a test of every evaluation.",
    "- Everything is measured on logged behaviour. Only an experiment shows what the change does to sales.",
)


@dataclass(frozen=True, kw_only=True)
class PromotionCase:
    """The challenger and champion of a registered model, and who decides, when, and by which code.

    `bundle_version` names the bundle that was judged, which is that of `challenger_version` in the
    registry; that is None where the bundle is registered only on promotion. A `dry_run` changes
    nothing, and its report says what would be done.
    """

    name: str
    challenger_run: str
    challenger_model: str
    champion_run: str | None
    champion_model: str | None
    champion_version: str | None
    challenger_version: str | None
    bundle_version: str
    data_digest: str
    split: str
    cutoff: str
    by: str
    at: str
    code_version: str
    dry_run: bool = False

    @property
    def moment(self) -> str:
        """The time of the decision as part of a file name: ``20240401T120000Z``."""
        return datetime.fromisoformat(self.at).strftime("%Y%m%dT%H%M%SZ")

    @property
    def artifact(self) -> str:
        """The report's path among the artifacts of the challenger's run."""
        return f"promotion/{self.moment}.md"


def verdict_of(case: PromotionCase, decision: Decision) -> str:
    """``promoted`` or ``refused``; for a dry run ``would be ...``."""
    verdict = "promoted" if decision.promote else "refused"
    return f"would be {verdict}" if case.dry_run else verdict


def report_of(case: PromotionCase, evidence: Evidence, decision: Decision, gate: Gate) -> str:
    """The decision and its evidence as Markdown."""
    verdict = verdict_of(case, decision)
    sentence = f"**{verdict.capitalize()}**: {decision.reason}."
    title = f"# {case.name}: {case.challenger_model} {verdict}"
    sections = [
        (f"{title} (dry run)" if case.dry_run else title, [sentence]),
        ("## Who and what", _facts(case, evidence)),
        ("## Evidence on the window after the cutoff", _paired(evidence)),
        *(
            (
                f"## {ROUTE_TITLES[route]}",
                _checks(checks) if checks else [f"{ROUTES[route].capitalize()}."],
            )
            for route, checks in decision.routes.items()
        ),
        ("## Guards, leakage and parity", _checks(decision.required)),
        ("## Costs", _costs(evidence)),
        ("## The gate", [f"- {n}: `{json.dumps(v)}`" for n, v in asdict(gate).items()]),
        ("## How to read this", list(HOW_TO_READ)),
    ]
    lines = [line for title, body in sections if body for line in (title, "", *body, "")]
    return "\n".join(lines)


def checks_as_text(decision: Decision) -> str:
    """The checks in plain text for a terminal."""
    groups = {ROUTE_TITLES[route]: checks for route, checks in decision.routes.items()}
    groups["Always"] = decision.required
    rows = [
        [title if not place else "", *_row(check)]
        for title, checks in groups.items()
        for place, check in enumerate(checks)
    ]
    return "\n".join(plain_table(["", "check", "", "value", "required"], rows, left=5))


def tags_of(
    case: PromotionCase, evidence: Evidence, decision: Decision, gate: Gate
) -> dict[str, str]:
    """The decision and its evidence as tags of the model version; the checks are one JSON text."""
    tags: dict[str, Any] = {
        "decision": "promoted" if decision.promote else "refused",
        "way": decision.route,
        "reason": decision.reason,
        "by": case.by,
        "at": case.at,
        "code_version": case.code_version,
        "against_version": case.champion_version or "",
        "against_run": case.champion_run or "",
        "bundle_version": case.bundle_version,
        "objective": evidence.objective,
        "objective_before": evidence.objective_before or "",
        "valid": f"{evidence.valid:.6g}",
        "parity": f"{evidence.parity.n_same}/{evidence.parity.n_compared}",
        "leakage": "clean" if _passed(decision, "leakage report") else "not clean",
        "settings": json.dumps(asdict(gate)),
        "checks": _as_json(decision),
    }
    if evidence.valid_champion is not None:
        tags["valid_champion"] = f"{evidence.valid_champion:.6g}"
    if evidence.paired is not None:
        tags |= {n: f"{v:.6g}" for n, v in asdict(evidence.paired).items()}
    return {f"{TAG_PREFIX}{name}": str(value)[:MAX_TAG_LENGTH] for name, value in tags.items()}


def _as_json(decision: Decision) -> str:
    """Every check as JSON; only names and results where all of it is too long for a tag."""
    names = [{"name": c.name, "passed": c.passed} for c in _all_checks(decision)]
    values = [{"found": c.value, "wanted": c.required} for c in _all_checks(decision)]
    text = json.dumps([name | value for name, value in zip(names, values, strict=True)])
    return text if len(text) <= MAX_TAG_LENGTH else json.dumps(names)


def _facts(case: PromotionCase, evidence: Evidence) -> list[str]:
    champion = "none yet"
    if case.champion_run is not None:
        version = f"version {case.champion_version}, " if case.champion_version else ""
        champion = f"{case.champion_model} ({version}run {case.champion_run})"
    origin = "of the run, to be registered on promotion"
    if case.challenger_version is not None:
        origin = f"of version {case.challenger_version} in the registry"
    facts = {
        "Challenger": f"{case.challenger_model} (run {case.challenger_run})",
        "Bundle judged": f"`{case.bundle_version}`, {origin}",
        "Champion": champion,
        "Objective": _objective(evidence),
        "Data digest (SHA-256)": f"`{case.data_digest}`",
        "Split and cutoff": f"{case.split}, {case.cutoff or 'no clock'}",
        "Decided by": f"{case.by}, {case.at}, code {case.code_version}",
    }
    return [f"- {name}: {value}" for name, value in facts.items()]


def _objective(evidence: Evidence) -> str:
    """The objective, and how it was chosen."""
    own, before = metric_label(evidence.objective), evidence.objective_before
    if before is None:
        return f"{own}, which also judges later challengers"
    if before == evidence.objective:
        return f"{own}, the champion's"
    return (
        f"{own}, **changed** by gate.new_objective: the champion was promoted by {metric_label(before)}; "
        f"each of {evidence.n_objectives} metrics counts as a test"
    )


def _paired(evidence: Evidence) -> list[str]:
    paired = evidence.paired
    if paired is None:
        return []
    counted = "evaluations on this window"
    if evidence.n_objectives > 1:
        counted += f", times {evidence.n_objectives} metrics"
    rows = [
        ["champion", format_number(paired.champion)],
        ["challenger", format_number(paired.challenger)],
        ["gain, 95 % bounds", format_interval(paired.gain, paired.low, paired.high)],
        ["relative gain", f"{100 * paired.relative:+.1f} %"],
        ["p, one-sided, of no gain", format_p_value(paired.p)],
        ["the same, Holm", format_p_value(paired.p_holm)],
        ["p, one-sided, of a loss of the margin", format_p_value(paired.p_margin)],
        ["the same, Holm", format_p_value(paired.p_margin_holm)],
        ["customers", f"{paired.n_customers:,}"],
        [counted, f"{paired.n_evaluations:,}"],
    ]
    return markdown_table([metric_label(evidence.objective), "value"], rows)


def _costs(evidence: Evidence) -> list[str]:
    names = ("fit_seconds", "latency_p50_ms", "latency_p95_ms", "bundle_mb")
    rows = [
        [
            metric_label(n),
            format_number(evidence.measures[n].challenger, 3),
            "-" if (v := evidence.measures[n].champion) is None else format_number(v, 3),
        ]
        for n in names
        if n in evidence.measures
    ]
    return markdown_table(["cost", "challenger", "champion"], rows) if rows else []


def _checks(checks: tuple[Check, ...]) -> list[str]:
    return markdown_table(["check", "", "value", "required"], [_row(c) for c in checks], n_left=4)


def _row(check: Check) -> list[str]:
    return [
        metric_label(check.name),
        "pass" if check.passed else "FAIL",
        check.value,
        check.required,
    ]


def _all_checks(decision: Decision) -> Iterator[Check]:
    for checks in decision.routes.values():
        yield from checks
    yield from decision.required


def _passed(decision: Decision, name: str) -> bool:
    return all(c.passed for c in decision.required if c.name == name)


def summary_of(case: PromotionCase, evidence: Evidence, decision: Decision, gate: Gate) -> str:
    """The description of a promoted version: why, by whom, and where the report is."""
    parts = [
        f"{case.challenger_model}: {decision.reason}",
        _measured(evidence, decision, gate),
        f"decided by {case.by}, {case.at}, code {case.code_version}",
        f"report: {case.artifact} among the artifacts of run {case.challenger_run}",
    ]
    return "; ".join(parts)


def _measured(evidence: Evidence, decision: Decision, gate: Gate) -> str:
    """Both models' objective and its test; without a test, the validation value."""
    name, paired = metric_label(evidence.objective), evidence.paired
    if paired is None:
        return f"{name} {format_number(evidence.valid)} on the validation window"
    test = f"p (one-sided, Holm) {format_p_value(paired.p_holm)}"
    if decision.route == NON_INFERIOR:
        loss = f"{100 * gate.margin:g} %"
        test = f"p of a loss of {loss} (one-sided, Holm) {format_p_value(paired.p_margin_holm)}"
    return (
        f"{name} {format_number(paired.challenger)}, the champion's "
        f"{format_number(paired.champion)}, after the cutoff: relative gain "
        f"{100 * paired.relative:+.1f} %, {test}, "
        f"{paired.n_customers:,} customers"
    )
