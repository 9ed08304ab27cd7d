"""growthlab ope: what another policy would have earned."""

from __future__ import annotations

import hashlib
import shutil

from growthlab.config.compose import Command
from growthlab.core.claims import Claim
from growthlab.effects.ope_report import ope_figures, ope_html, ope_json, ope_sentence, ope_text
from growthlab.effects.report_folder import report_folder, write_files
from growthlab.tracking.command_run import command_run
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.run_links import look_lines
from growthlab.workbench.logged_config import plain_config
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
    logged = {k: v for k, v in plain_config(command).items() if k not in KEYS_NOT_LOGGED}
    with command_run(store, lineage, logged, "ope") as logged_run:
        for file in files:
            shutil.copy2(file, logged_run.folder)
        logged_run.metrics |= ope_figures(value)
    print("\n".join([ope_text(value), *(f"note: {note}" for note in notes)]))
    where = f"{files[0]}; run {logged_run.run_id} in {lineage.experiment}"
    print("\n".join(["", where, *look_lines(store, lineage.experiment, logged_run.run_id)]))
    return 0
