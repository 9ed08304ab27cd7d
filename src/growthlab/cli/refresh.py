"""growthlab refresh: what a bundle knows of customers and stock, as of now; the model stays."""

from __future__ import annotations

from pathlib import Path

from growthlab.bundle.manifest import Manifest
from growthlab.cli.setting import Setting
from growthlab.config.compose import Command, compose
from growthlab.core.errors import ConfigError
from growthlab.core.moments import moment_of
from growthlab.export.refresh_state import refresh


def run(found: Command) -> int:
    """Read the data, write the state anew, put the bundle in its place."""
    folder = Path(str(found.config.bundle))
    before = Manifest.read(folder)
    task = found.name("task")
    if task != before.task:
        if any(word.startswith("task=") for word in found.given):
            raise ConfigError(
                f"{folder} answers {before.task}, not {task}: leave task= out, it says so itself"
            )
        found = compose(found.command, [*found.given, f"task={before.task}"])
    setting = Setting(found)
    cutoff = None if found.config.cutoff is None else moment_of(found.config.cutoff, "cutoff")
    now = refresh(
        folder,
        setting.log,
        setting.data_name,
        task=setting.task,
        cutoff=cutoff,
        cleaning=setting.source.cleaning,
        same_data=bool(found.config.same_data),
    )
    print(
        f"{folder}: {now.counts['n_known_users']:,} known users as of {now.state_cutoff or 'now'} "
        f"(before: {before.counts['n_known_users']:,} as of "
        f"{before.state_cutoff or before.cutoff or 'the export'}); the model stays that of "
        f"{now.cutoff or 'the export'}"
    )
    return 0
