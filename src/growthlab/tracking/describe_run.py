"""A report in MLflow: a run of kind ``describe`` with the page, its tables and its monthly figures."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from growthlab.tracking.lineage import Lineage
from growthlab.tracking.run_files import BATCH, artifacts, flattened
from growthlab.tracking.store import Store

KIND = "describe"


def log_description(
    store: Store,
    lineage: Lineage,
    config: Mapping[str, Any],
    folder: Path,
    series: Mapping[str, Sequence[float]],
    cleaning: Sequence[Mapping[str, Any]],
) -> str:
    """Log the files of the folder and the series as metrics (a step a month); the run's id.

    A run that cannot be written to the end is FAILED.
    """
    from mlflow.entities import Param

    client, experiment = store.client, store.experiment(lineage.experiment)
    tags = {**lineage.tags(), "kind": KIND}
    run_id = str(client.create_run(experiment, run_name=KIND, tags=tags).info.run_id)
    try:
        client.log_batch(run_id, params=[Param(k, v[:6000]) for k, v in flattened(config).items()])
        client.log_inputs(run_id, datasets=[lineage.dataset()])
        _log_series(store, run_id, series)
        client.log_artifacts(run_id, str(folder))
        with artifacts(client, run_id) as more:
            (more / "config.yaml").write_text(yaml.safe_dump(dict(config), sort_keys=False))
            (more / "cleaning.json").write_text(json.dumps(cleaning, indent=2, default=str))
    except BaseException as error:
        client.set_terminated(
            run_id, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        )
        raise
    client.set_terminated(run_id, "FINISHED")
    return run_id


def _log_series(store: Store, run_id: str, series: Mapping[str, Sequence[float]]) -> None:
    """Each series as ``month/<name>``, steps from 1; what is not known has no step."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    points = [
        Metric(f"month/{name}", float(value), now, step)
        for name, values in series.items()
        for step, value in enumerate(values, start=1)
        if math.isfinite(value)
    ]
    for start in range(0, len(points), BATCH):
        store.client.log_batch(run_id, metrics=points[start : start + BATCH])
