"""growthlab ope: what another policy would have earned."""

from __future__ import annotations

import hashlib

from growthlab.config.compose import Command
from growthlab.core.claims import Claim
from growthlab.effects.ope_report import ope_figures, ope_html, ope_json, ope_sentence, ope_text
from growthlab.effects.report_folder import report_folder, write_files
from growthlab.tracking.lineage import Lineage
from growthlab.workbench.log_report import log_report
from growthlab.workbench.policy_input import judged_policy
from growthlab.workbench.set_up import tracking_store

KEYS_NOT_LOGGED = ("tracking", "output")


def run(command: Command) -> int:
    """Print the estimates, write the report, and log it in MLflow."""
    config = command.config
    folder, store = report_folder(config.output, config.name), tracking_store(config)
    value, actions, source, notes = judged_policy(config)
    name = str(config.name)
    texts = {"ope.html": ope_html(value, actions, name), "ope.json": ope_json(value, actions, name)}
    files = write_files(folder, texts)
    lineage = Lineage(
        data=name,
        digest=hashlib.sha256(source.read_bytes()).hexdigest(),
        task="ope",
        split="",
        cutoff="",
        source=str(source),
        counts={"rows": value.n_rows},
        more={"claim": str(Claim.OFF_POLICY), "verdict": ope_sentence(value)},
    )
    look = log_report(
        command,
        store,
        lineage,
        files,
        ope_figures(value),
        keys_not_logged=KEYS_NOT_LOGGED,
        where=str(files[0]),
    )
    print("\n".join([ope_text(value), *(f"note: {note}" for note in notes), "", *look]))
    return 0
