"""growthlab ab table: the customers of an experiment on the timeline, as task=uplift reads them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from growthlab.bundle.table_files import format_of
from growthlab.config.compose import Command
from growthlab.core.atomic_write import atomic_path
from growthlab.core.errors import ConfigError
from growthlab.effects.experiment_data import ExperimentData
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.timeline_table import SHARE, TimelineTable, timeline_table
from growthlab.tasks.experiment_task import task_for
from growthlab.workbench.experiment_input import timeline_experiment


def run(command: Command) -> int:
    """Write the table, and print the command that learns from it."""
    config = command.config
    outcome, days = ExperimentOutcome.of(str(config.outcome)), config.days
    if not isinstance(days, int) or isinstance(days, bool) or days < 1:
        raise ConfigError(f"days={days} must be a whole number of days of 1 or more")
    target = Path(str(config.output))
    kind = format_of(target)
    log, experiment = timeline_experiment(config, days)
    table = timeline_table(log, experiment, outcome, days)
    try:
        with atomic_path(target) as path:
            path.touch(mode=0o600)
            _write(table.rows, path, kind)
    except OSError as error:
        raise ConfigError(f"output={target} cannot be written ({error.strerror})") from error
    counts = ", ".join(f"{arm} {n:,}" for arm, n in experiment.counts.items())
    print(f"{target}: {len(table.rows):,} customers, {counts}; {outcome.name} of {days} days")
    for fact in table.facts:
        print(fact)
    print(f"next: {_next(table, experiment, target, log.key_fingerprint is not None, days)}")
    return 0


def _write(rows: pd.DataFrame, path: Path, kind: str) -> None:
    if kind == "csv":
        rows.to_csv(path, index=False)
    else:
        rows.to_parquet(path, index=False)


def _next(
    table: TimelineTable, experiment: ExperimentData, target: Path, pseudonyms: bool, days: int
) -> str:
    """The command that learns from the table."""
    probability = ",".join(f"'{arm}':'{SHARE}{arm}'" for arm in experiment.shares)
    words = [
        f"growthlab compare task={task_for(len(experiment.arms))} data=experiment_table",
        f"data.path={target}",
        f"\"data.control='{experiment.control}'\"",
        f'"data.probability={{{probability}}}"',
    ]
    if table.on_one_day:
        words.append("split.by=share")
    else:
        words.append(f"data.horizon_days={days}")
    if pseudonyms:
        words.append("data.user_ids=plain")
    return " ".join(words)
