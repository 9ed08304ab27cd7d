"""The decision on a challenger as tags of its run and its version: a readable line each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from growthlab.pages.text_table import format_interval, format_p_value
from growthlab.promotion.decision import Decision, Evidence
from growthlab.promotion.gate import Gate, settings_of
from growthlab.promotion.promotion_report import PromotionCase
from growthlab.promotion.rival import Rival
from growthlab.promotion.ruling_check import Check

if TYPE_CHECKING:
    from mlflow import MlflowClient

TAG_PREFIX = "gate."
MAX_TAG_LENGTH = 5000  # characters that every MLflow version accepts


def tags_of(
    case: PromotionCase, evidence: Evidence, decision: Decision, gate: Gate
) -> dict[str, str]:
    """The decision, its evidence, and a tag for each check under the check's name."""
    standing = evidence.standing
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
        "leakage": "clean" if evidence.leakage.get("clean") is True else "not clean",
        "evidence": "offline" if evidence.online is None else "ab",
        "settings": " ".join(f"gate.{n}={v}" for n, v in settings_of(gate).items()),
        "table": case.table_artifact,
    }
    if standing is not None:
        tags["test"] = format_interval(standing.value, standing.low, standing.high)
        tags["rank"] = f"{standing.rank} of {standing.n}, {standing.valid_rank} by validation"
    if evidence.online is not None:
        tags |= {"experiment": evidence.online.name, "experiment.run": evidence.online.run_id}
        tags["experiment.verdict"] = evidence.online.verdict
    if evidence.valid_champion is not None:
        tags["valid_champion"] = f"{evidence.valid_champion:.6g}"
    if evidence.paired is not None:
        tags |= {n: f"{v:.6g}" for n, v in asdict(evidence.paired).items()}
    tags |= {f"beside.{rival.model}": _beside(rival) for rival in evidence.rivals}
    for checks in (*decision.routes.values(), decision.required):
        for check in checks:
            key = f"guard.{check.key}" if check.key in tags else check.key
            tags[key] = _line(check)
    return {f"{TAG_PREFIX}{name}": str(value)[:MAX_TAG_LENGTH] for name, value in tags.items()}


def _line(check: Check) -> str:
    """``failed: 0.8800, at least 0.9900, set by gate.guards.ranking.coverage.limit``."""
    result = "passed" if check.passed else "failed"
    return f"{result}: {check.value}, {check.requirement}"


def _beside(rival: Rival) -> str:
    paired = rival.paired
    gain = format_interval(paired.gain, paired.low, paired.high)
    p = format_p_value(paired.p)
    return f"{rival.title}: {100 * paired.relative:+.1f} %, {gain}, p of no gain {p}"


def write_run_tags(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    """Write the tags of a decision to a run, in place of those of an earlier one."""
    for key in client.get_run(run_id).data.tags:
        if key.startswith(TAG_PREFIX) and key not in tags:
            client.delete_tag(run_id, key)
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
