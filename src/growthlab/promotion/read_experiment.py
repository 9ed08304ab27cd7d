"""From a run of growthlab ab to the evidence that it is for a challenger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from growthlab.core.errors import ConfigError
from growthlab.effects.served_experiment import CHALLENGER
from growthlab.promotion.online_evidence import OnlineEvidence
from growthlab.tracking.find_run import find_run
from growthlab.tracking.run_files import download_artifact

if TYPE_CHECKING:
    from growthlab.promotion.model_run import ModelRun

REPORT = "ab.json"


def read_experiment(run_id: str, judged: Mapping[str, ModelRun]) -> OnlineEvidence:
    """The evidence in a run of growthlab ab, of the two runs that are `judged` by arm.

    Raises
    ------
    ConfigError
        There is no such run, or its report is of no request log.
    """
    word, challenger = f"ab_run={run_id}", judged[CHALLENGER]
    run = find_run(challenger.store, word)
    if run.data.tags.get("kind") != "ab" or run.info.status != "FINISHED":
        raise ConfigError(f"{word} is not a finished run of growthlab ab")
    path = download_artifact(challenger.store.client, run.info.run_id, REPORT, challenger.folder)
    report = json.loads(path.read_text(encoding="utf-8"))
    if not report.get("served"):
        raise ConfigError(
            f"{word} compares no challenger with its champion: growthlab ab log=REQUESTS does, by "
            "the request log of a service with both"
        )
    arm = report["arms"].get(CHALLENGER, {})
    balance = report.get("balance", {}).get(CHALLENGER, {})
    always_valid = arm.get("always_valid")
    return OnlineEvidence(
        run_id=run.info.run_id,
        name=str(report["experiment"]),
        verdict=str(report["verdict"]),
        alpha=float(report["alpha"]),
        sequential_p=None if always_valid is None else float(always_valid["p"]),
        sample_ratio_p=float(report["sample_ratio"]["p"]),
        balance_p=None if balance.get("p") is None else float(balance["p"]),
        is_balanced=not balance.get("broken", False),
        effect=arm.get("primary"),
        guardrails=arm.get("guardrails", []),
        served=report["served"],
        expected={side: each.bundle.manifest.version for side, each in judged.items()},
    )
