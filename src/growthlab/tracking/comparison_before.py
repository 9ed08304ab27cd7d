"""The comparison before this one in its experiment, and what was different then."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from growthlab.core.errors import GrowthlabError
from growthlab.core.plain_yaml import read_plain_yaml
from growthlab.evaluation.earlier_comparison import EarlierComparison
from growthlab.pages.csv_table import table_of_csv
from growthlab.tracking.comparison_run import ComparisonRun
from growthlab.tracking.run_files import download_artifact, flattened
from growthlab.tracking.run_links import run_address
from growthlab.tracking.server_faults import without_waiting

if TYPE_CHECKING:
    from mlflow.entities import Run

TAGS = {"data": "data_digest", "cutoff": "cutoff", "split": "split", "code": "code_version"}
NOT_SETTINGS = ("tracking.", "cache", "device", "memory_gb", "chosen.")  # decide nothing
MODELS = "models"  # of the config of a comparison: settings by name
MOST_CHANGES = 12


def comparison_before(recorder: ComparisonRun, objective: str) -> EarlierComparison | None:
    """The newest finished comparison of the same experiment and objective before this one."""
    client, run_id = recorder.store.client, recorder.run_id
    query = f"tags.kind = 'comparison' AND tags.winner LIKE '%' AND tags.objective = '{objective}'"
    try:
        with without_waiting():
            runs = client.search_runs(
                [recorder.experiment_id], query, order_by=["start_time DESC"], max_results=2
            )
            before = next((run for run in runs if run.info.run_id != run_id), None)
            if before is None:
                return None
            leaderboard, config = _files(recorder, before)
            now = client.get_run(run_id).data.tags
    except (GrowthlabError, OSError, ValueError):
        return None  # an earlier version, files that are gone, or a server that is away
    if not {"model", objective} <= set(leaderboard):
        return None
    values = dict(zip(leaderboard["model"].astype(str), leaderboard[objective], strict=True))
    tags = before.data.tags
    changes = {
        kind: [f"{tags.get(tag, 'unknown')[:40]} then, {now.get(tag, 'unknown')[:40]} now"]
        for kind, tag in TAGS.items()
        if tags.get(tag) != now.get(tag)
    }
    changes["settings"] = settings_that_changed(config, recorder.config)
    address = run_address(recorder.store, recorder.experiment_id, before.info.run_id)
    name = f"{before.info.run_name}, run {before.info.run_id[:8]}"
    return EarlierComparison(name, address, values, tags["winner"], changes)


def _files(recorder: ComparisonRun, run: Run) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The leaderboard and the config of a comparison."""
    client, run_id = recorder.store.client, run.info.run_id
    with tempfile.TemporaryDirectory() as folder:
        path = download_artifact(client, run_id, "leaderboard.csv", folder)
        table = table_of_csv(Path(path))
        config = read_plain_yaml(download_artifact(client, run_id, "config.yaml", folder))
    return table, dict(config) if isinstance(config, dict) else {}


def settings_that_changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The settings that differ, with both values; the first of many.

    A model that was not compared before, or is not now, is one of them.
    """
    old, new = flattened(before), flattened(now)
    models = [_models(each) for each in (before, now)]
    changed = [f"{name} is new" for name in sorted(models[1] - models[0])]
    changed += [f"{name} is left out now" for name in sorted(models[0] - models[1])]
    either = tuple(f"{MODELS}.{name}." for name in models[0] ^ models[1])
    names = [n for n in dict.fromkeys([*old, *new]) if not n.startswith((*NOT_SETTINGS, *either))]
    changed += [
        f"{n} {_text(old, n)} then, {_text(new, n)} now" for n in names if old.get(n) != new.get(n)
    ]
    more = len(changed) - MOST_CHANGES
    return [*changed[:MOST_CHANGES], *([f"and {more} more"] if more > 0 else [])]


def _text(settings: Mapping[str, Any], name: str) -> str:
    """A setting as config files write it."""
    return {"None": "null"}.get(value := str(settings.get(name, "not there")), value)


def _models(config: Mapping[str, Any]) -> set[str]:
    """The names of the models of a comparison's config."""
    models = config.get(MODELS)
    return {str(name) for name in models} if isinstance(models, Mapping) else set()
