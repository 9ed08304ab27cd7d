"""The decision on a challenger as a Markdown report and as terminal text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from growthlab.pages.text_table import (
    format_interval,
    format_number,
    format_p_value,
    markdown_table,
    markdown_text,
    metric_label,
    plain_table,
)
from growthlab.promotion.decision import (
    EXPORTED_AGAIN,
    FIRST,
    NON_INFERIOR,
    ROUTES,
    SUPERIOR,
    Decision,
    Evidence,
)
from growthlab.promotion.gate import Gate, settings_of
from growthlab.promotion.online_evidence import ONLINE
from growthlab.promotion.ruling_check import Check

ROUTE_TITLES = {
    SUPERIOR: "Superior",
    NON_INFERIOR: "Non-inferior and cheaper",
    FIRST: "First champion",
    EXPORTED_AGAIN: "Exported again",
    ONLINE: "Experiment",
}
COSTS = {
    "fit_cpu_seconds": "fit, CPU seconds",
    "latency_p50_ms": "an answer, CPU ms, median",
    "latency_p95_ms": "an answer, CPU ms, 95th percentile",
    "bundle_mb": "bundle mb",
}
HOW_TO_READ = (
    "- The validation window chooses: a challenger that is not better there (or, on the cheaper route, "
    "not within the margin) is refused, whatever it scores after the cutoff.",
    "- The window after the cutoff confirms and can only veto: test, gain and guards are computed on "
    "it, and no setting, seed or epoch was chosen on it.",
    "- Every evaluation on that window is a logged run and counts, in any experiment, deleted runs "
    "included: p is corrected by Holm's method for all of them. A run that was killed or failed and "
    "was then repeated counts once with its repetition. p is one-sided; equal models "
    "pass as superior in at most alpha of cases, and a model that loses exactly the margin passes as "
    "non-inferior in at most alpha / 2.",
    "- A first champion is judged against the best baseline and the winner by validation of all models "
    "evaluated on the same window that can be exported (gate.first_against): on validation it may lie "
    "below each by the margin, and after the cutoff the 95 % interval of the difference must reach 0.",
    "- Guards are about what customers receive: a customer whom the model cannot score has the "
    "fallback list, which counts in every metric of lists.",
    "- Latency is CPU time of this process, so other work on the machine does not count. It is measured "
    "in several rounds; brackets hold the smallest and the largest, and only a spread that lies "
    "beyond a limit as a whole is refused.",
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

    @property
    def table_artifact(self) -> str:
        """The path of the table of checks, next to the report."""
        return f"promotion/{self.moment}.csv"


def verdict_of(case: PromotionCase, decision: Decision) -> str:
    """``promoted`` or ``refused``; for a dry run ``would be ...``."""
    verdict = "promoted" if decision.promote else "refused"
    return f"would be {verdict}" if case.dry_run else verdict


def report_of(case: PromotionCase, evidence: Evidence, decision: Decision, gate: Gate) -> str:
    """The decision and its evidence as Markdown."""
    verdict = verdict_of(case, decision)
    sentence = f"**{verdict.capitalize()}**: {markdown_text(decision.reason)}."
    title = f"# {markdown_text(f'{case.name}: {case.challenger_model}')} {verdict}"
    sections = [
        (f"{title} (dry run)" if case.dry_run else title, [sentence]),
        ("## Who and what", _facts(case, evidence)),
        ("## Among the models of this window", _standing(evidence)),
        ("## Evidence on the window after the cutoff", _paired(evidence)),
        ("## Beside it", _rivals(evidence, decision, gate)),
        *(
            (
                f"## {ROUTE_TITLES[route]}",
                _checks(checks) if checks else [f"{ROUTES[route].capitalize()}."],
            )
            for route, checks in decision.routes.items()
        ),
        ("## Guards, leakage and parity", _checks(decision.required)),
        ("## Costs", _costs(evidence)),
        ("## The gate", _settings(gate)),
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


def check_table(decision: Decision) -> list[dict[str, str]]:
    """A row a check: the route it belongs to (``always`` for all), its result, and what sets it."""
    groups = {**decision.routes, "always": decision.required}
    return [
        {
            "route": route,
            "check": check.name,
            "result": "passed" if check.passed else "failed",
            "value": check.value,
            "required": check.required,
            "set_by": check.setting,
        }
        for route, checks in groups.items()
        for check in checks
    ]


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
    return [f"- {name}: {markdown_text(value)}" for name, value in facts.items()]


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
    rows = []
    for name, label in COSTS.items():
        if name not in evidence.measures:
            continue
        measure, nothing = evidence.measures[name], (math.nan, math.nan)
        own = format_interval(measure.challenger, *(measure.spread or nothing), 3)
        other = "-"
        if measure.champion is not None:
            other = format_interval(measure.champion, *(measure.champion_spread or nothing), 3)
        rows.append([label, own, other])
    return markdown_table(["cost", "challenger", "champion"], rows) if rows else []


def _standing(evidence: Evidence) -> list[str]:
    """The objective with its bounds, and the ranks."""
    standing = evidence.standing
    if standing is None:
        return []
    bounds = format_interval(standing.value, standing.low, standing.high)
    models = "the only one" if standing.n == 1 else f"{standing.rank} of {standing.n:,}"
    rows = [
        ["after the cutoff, 95 % bounds", bounds],
        ["rank after the cutoff", models],
        ["on the validation window", format_number(evidence.valid)],
        ["rank on the validation window", f"{standing.valid_rank} of {standing.n:,}"],
    ]
    if standing.by_default:
        rows.append(["winner by default", standing.by_default])
    return markdown_table([metric_label(evidence.objective), "value"], rows)


def _rivals(evidence: Evidence, decision: Decision, gate: Gate) -> list[str]:
    """The models that a first champion is compared with."""
    if FIRST not in decision.routes:
        return []
    if not evidence.rivals:
        return ["No other model was evaluated on the same data, split and cutoff."]
    rows = []
    for rival in evidence.rivals:
        paired = rival.paired
        rows.append(
            [
                rival.title,
                "yes" if rival in decision.rivals else "no",
                format_number(rival.valid),
                format_number(paired.champion),
                format_interval(paired.gain, paired.low, paired.high),
                "-" if math.isnan(paired.relative) else f"{100 * paired.relative:+.1f} %",
            ]
        )
    header = ["model", "judged against", "validation", "after the cutoff", "gain", "relative"]
    against = ", ".join(gate.first_against) or "nobody"
    note = f"Gains are the challenger's over each, with 95 % bounds. gate.first_against: {against}."
    return [*markdown_table(header, rows, n_left=2), "", note]


def _settings(gate: Gate) -> list[str]:
    rows = [[f"`gate.{name}`", value] for name, value in settings_of(gate).items()]
    return markdown_table(["setting", "value"], rows, n_left=2)


def _checks(checks: tuple[Check, ...]) -> list[str]:
    rows = [[*_row(check), f"`{check.setting}`" if check.setting else "-"] for check in checks]
    return markdown_table(["check", "", "value", "required", "set by"], rows, n_left=5)


def _row(check: Check) -> list[str]:
    return [
        metric_label(check.name),
        "pass" if check.passed else "FAIL",
        check.value,
        check.required,
    ]


def summary_of(case: PromotionCase, evidence: Evidence, decision: Decision, gate: Gate) -> str:
    """The description of a promoted version: why, by whom, and where the report is."""
    parts = [
        f"{case.challenger_model}: {decision.reason}",
        _measured(evidence, decision, gate),
        f"decided by {case.by}, {case.at}, code {case.code_version}",
        f"report: {case.artifact} among the artifacts of run {case.challenger_run}",
    ]
    return markdown_text("; ".join(parts))


def _measured(evidence: Evidence, decision: Decision, gate: Gate) -> str:
    """Both models' objective and its test; without a test, the validation value."""
    name, paired = metric_label(evidence.objective), evidence.paired
    if paired is None:
        text = f"{name} {format_number(evidence.valid)} on the validation window"
        standing = evidence.standing
        if standing is None:
            return text
        bounds = format_interval(standing.value, standing.low, standing.high)
        return f"{text}, {bounds} after the cutoff, rank {standing.rank} of {standing.n:,}"
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
