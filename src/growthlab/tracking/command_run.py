"""The run of a command that trains no model: its config, data, metrics, and files as artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from growthlab.core.interrupts import uninterrupted
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.run_clock import end_run, new_run
from growthlab.tracking.run_files import artifact_folder, log_curves, log_metrics, log_params
from growthlab.tracking.store import Store


@dataclass
class CommandRun:
    """What will be logged: the files in `folder`, `metrics`, and `series` (a step a value)."""

    run_id: str
    folder: Path
    metrics: dict[str, float] = field(default_factory=dict)
    series: dict[str, Sequence[float]] = field(default_factory=dict)


@contextmanager
def command_run(
    store: Store, lineage: Lineage, config: Mapping[str, Any], kind: str
) -> Iterator[CommandRun]:
    """A run that ends with the block: FINISHED, FAILED on an error, KILLED on an interrupt."""
    client = store.client
    tags = {**lineage.tags(), "kind": kind}
    experiment = store.experiment(lineage.experiment)
    run_id = ""
    try:
        with uninterrupted():
            run_id = new_run(client, experiment, kind, tags)
        log_params(client, run_id, config)
        client.log_inputs(run_id, datasets=[lineage.dataset()])
        with artifact_folder(client, run_id) as folder:
            (folder / "config.yaml").write_text(yaml.safe_dump(dict(config), sort_keys=False))
            run = CommandRun(run_id, folder)
            yield run
        log_metrics(client, run_id, run.metrics)
        log_curves(client, run_id, run.series, gaps=True)
        end_run(client, run_id, "FINISHED")
    except BaseException as error:
        status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        if run_id:
            end_run(client, run_id, status)
        raise
