"""growthlab ope: what another policy would have earned."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from growthlab.config.compose import Command
from growthlab.core.claims import Claim
from growthlab.core.errors import ConfigError
from growthlab.core.plain_types import argument_types, type_mismatch
from growthlab.core.plain_values import plain_values
from growthlab.effects.logged_actions import ActionTable, LoggedActions
from growthlab.effects.off_policy_value import off_policy_value
from growthlab.effects.ope_report import ope_figures, ope_html, ope_json, ope_sentence, ope_text
from growthlab.effects.report_folder import report_folder, write_files
from growthlab.effects.served_policy import ServedPolicyInput
from growthlab.tracking.command_run import command_run
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.run_links import look_lines
from growthlab.workbench.logged_config import plain_config
from growthlab.workbench.set_up import tracking_store

KEYS_NOT_LOGGED = ("tracking", "output")


def run(command: Command) -> int:
    """Print the estimates, write the report, and log it in MLflow."""
    config = command.config
    folder, store = report_folder(config.output, config.name), tracking_store(config)
    if config.assumption not in (None, "independent", "cascade"):
        raise ConfigError(f"assumption must be independent or cascade, got {config.assumption}")
    if not 0 < config.alpha < 0.5:
        raise ConfigError(f"alpha must lie between 0 and 0.5, got {config.alpha:g}")
    source, actions, notes = _read(config)
    value = off_policy_value(
        actions,
        switch_at=config.switch_at,
        shrinkage=config.shrinkage,
        level=1 - config.alpha,
        seed=config.seed,
    )
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


def _read(config: Any) -> tuple[Path, LoggedActions, list[str]]:
    """The file of the log, its actions beside the policy, and notes on what was left out."""
    table = _action_table(plain_values(config.actions))
    policy = None if config.policy is None else str(config.policy)
    if (config.log is None) == (table.path is None):
        raise ConfigError(
            "give the log as a table (actions.path), or a service's request log (log=)"
        )
    if config.log is None:
        return Path(str(table.path)), table.read(policy, config.assumption, config.seed), []
    if policy is None:
        raise ConfigError("log= needs policy=: the folder of the bundle whose lists are compared")
    if config.assumption == "cascade":
        raise ConfigError(
            "assumption=cascade needs actions.path: positions of a request log are independent"
        )
    served = ServedPolicyInput(
        log=str(config.log),
        bundle=policy,
        event=str(config.log_event),
        since=None if config.log_since is None else str(config.log_since),
        until=None if config.log_until is None else str(config.log_until),
    )
    return Path(str(config.log)), *served.read()


def _action_table(settings: dict[str, object]) -> ActionTable:
    """The table of a config; ConfigError for a setting of a wrong type."""
    for name, annotation in argument_types(ActionTable).items():
        if name in settings and (wrong := type_mismatch(settings[name], annotation)):
            raise ConfigError(f"actions.{name} must be {wrong}, got {settings[name]!r}")
    return ActionTable(**settings)  # type: ignore[arg-type]
