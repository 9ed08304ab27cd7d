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

if TYPE_CHECKING:
    from mlflow.entities import Run

TAGS = {"data": "data_digest", "cutoff": "cutoff", "split": "split", "code": "code_version"}
NOT_SETTINGS = ("tracking.", "cache", "device", "memory_gb", "chosen.")  # decide nothing
MOST_CHANGES = 12


def comparison_before(recorder: ComparisonRun, objective: str) -> EarlierComparison | None:
    """The newest finished comparison of the same experiment and objective before this one."""
    client, run_id = recorder.store.client, recorder.run_id
    query = f"tags.kind = 'comparison' AND tags.winner LIKE '%' AND tags.objective = '{objective}'"
    runs = client.search_runs(
        [recorder.experiment_id], query, order_by=["start_time DESC"], max_results=2
    )
    before = next((run for run in runs if run.info.run_id != run_id), None)
    if before is None:
        return None
    try:
        leaderboard, config = _files(recorder, before)
    except (GrowthlabError, OSError, ValueError):  # an earlier version, or files that are gone
        return None
    if not {"model", objective} <= set(leaderboard):
        return None
    values = dict(zip(leaderboard["model"].astype(str), leaderboard[objective], strict=True))
    tags, now = before.data.tags, client.get_run(run_id).data.tags
    changes = {
        kind: [f"{tags.get(tag, 'unknown')[:40]} then, {now.get(tag, 'unknown')[:40]} now"]
        for kind, tag in TAGS.items()
        if tags.get(tag) != now.get(tag)
    }
    changes["settings"] = _changed_settings(config, recorder.config)
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


def _changed_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The settings that differ, with both values; the first of many."""
    old, new = flattened(before), flattened(now)
    names = [n for n in dict.fromkeys([*old, *new]) if not n.startswith(NOT_SETTINGS)]
    changed = [
        f"{n} {old.get(n, 'not there')} then, {new.get(n, 'not there')} now"
        for n in names
        if old.get(n) != new.get(n)
    ]
    more = len(changed) - MOST_CHANGES
    return [*changed[:MOST_CHANGES], *([f"and {more} more"] if more > 0 else [])]
