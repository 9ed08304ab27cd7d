"""A run of a command that trains nothing: its config and data, figures of its own, files as artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from growthlab.tracking.lineage import Lineage
from growthlab.tracking.run_files import artifacts, flattened, log_metrics
from growthlab.tracking.store import Store

PARAMS = 100  # a call


@dataclass
class FilesRun:
    """What goes into the run: files written to `folder`, and `metrics`."""

    run_id: str
    folder: Path
    metrics: dict[str, float] = field(default_factory=dict)


@contextmanager
def files_run(
    store: Store, lineage: Lineage, config: Mapping[str, Any], kind: str
) -> Iterator[FilesRun]:
    """A run that ends with the block: FINISHED, or FAILED (KILLED) by what is raised in it."""
    from mlflow.entities import Param

    client = store.client
    tags = {**lineage.tags(), "kind": kind}
    experiment = store.experiment(lineage.experiment)
    run_id = client.create_run(experiment, run_name=kind, tags=tags).info.run_id
    try:
        params = [Param(k, v[:6000]) for k, v in flattened(config).items()]
        for start in range(0, len(params), PARAMS):
            client.log_batch(run_id, params=params[start : start + PARAMS])
        client.log_inputs(run_id, datasets=[lineage.dataset()])
        with artifacts(client, run_id) as folder:
            (folder / "config.yaml").write_text(yaml.safe_dump(dict(config), sort_keys=False))
            run = FilesRun(run_id, folder)
            yield run
        log_metrics(client, run_id, run.metrics)
    except BaseException as error:
        status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        client.set_terminated(run_id, status)
        raise
    client.set_terminated(run_id, "FINISHED")
