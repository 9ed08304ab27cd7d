"""The run of a command that writes a report: its settings, files and figures, and where they are."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from growthlab.config.compose import Command
from growthlab.tracking.command_run import command_run
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.run_links import look_lines
from growthlab.tracking.store import Store
from growthlab.workbench.logged_config import plain_config


def log_report(
    command: Command,
    store: Store,
    lineage: Lineage,
    files: Sequence[Path],
    figures: Mapping[str, float],
    *,
    keys_not_logged: Collection[str],
    where: str,
) -> list[str]:
    """Log a report in MLflow as a run of the task's kind; the lines that say where it is.

    `where` begins these lines: the report's file, say.
    """
    logged = {k: v for k, v in plain_config(command).items() if k not in keys_not_logged}
    with command_run(store, lineage, logged, lineage.task) as run:
        for file in files:
            shutil.copy2(file, run.folder)
        run.metrics |= figures
    line = f"{where}; run {run.run_id} in {lineage.experiment}"
    page = next((file.name for file in files if file.suffix == ".html"), None)
    return [line, *look_lines(store, lineage.experiment, run.run_id, page=page)]
