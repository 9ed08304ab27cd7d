"""growthlab refresh: update what a bundle knows of customers and stock; the model stays the same."""

from __future__ import annotations

from pathlib import Path

from growthlab.bundle.manifest import Manifest
from growthlab.config.compose import Command, compose
from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.core.moments import parse_moment
from growthlab.data.source import ReadsCustomers, Source
from growthlab.export.refresh_customers import refresh_customers
from growthlab.export.refresh_state import refresh
from growthlab.tasks.base import Task
from growthlab.tasks.data_defaults import with_data_defaults
from growthlab.workbench.set_up import data_source, prepared_data


def run(command: Command) -> int:
    """Read the data, write the new state, and swap the bundle in."""
    folder = Path(str(command.config.bundle))
    before = Manifest.read(folder)
    task_name = command.choice("task")
    if task_name != before.task:
        if any(word.startswith("task=") for word in command.words):
            raise ConfigError(
                f"{folder} answers {before.task}, not {task_name}: leave out task=, which "
                "the bundle names"
            )
        command = compose(command.name, [*command.words, f"task={before.task}"])
    config, data = command.config, command.choice("data")
    source = data_source(config)
    if isinstance(source, Source):
        now = _refreshed(command, source, folder, before)
    elif isinstance(source, ReadsCustomers) and config.cutoff is None:
        now = refresh_customers(folder, source, data)
    else:
        raise ConfigError(f"data={data} has no events: its rows are as they are, leave out cutoff")
    print(
        f"{folder}: {now.counts['n_known_users']:,} known users as of {now.state_cutoff or 'now'} "
        f"(before: {before.counts['n_known_users']:,} as of "
        f"{before.state_cutoff or before.cutoff or 'the export'}); the model stays that of "
        f"{now.cutoff or 'the export'}"
    )
    return 0


def _refreshed(command: Command, source: Source, folder: Path, before: Manifest) -> Manifest:
    """The bundle with the state that the events of a source give it."""
    config, data = command.config, command.choice("data")
    return refresh(
        folder,
        prepared_data(source, config, data, before),
        data,
        task=with_data_defaults(build(config.task, Task), source),
        cutoff=None if config.cutoff is None else parse_moment(config.cutoff, "cutoff"),
        cleaning=source.cleaning,
        same_data=bool(config.same_data),
    )
