"""Runs a study's plan through the command line, and collects its results.csv out of MLflow.

    python experiments/study.py experiments/01-online-retail PATH-OF-THE-DATA

A study's folder holds plan.yaml: ``command`` (words after ``growthlab``) for each part. The runs go to
``.growthlab/studies/<study>/``; an interrupted study goes on where it stopped.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from leaderboard import OBJECTIVE

COLUMNS = [
    "task", "data", "protocol", "split", "model", "seed", "metric", "value", "low", "high",
    "fit_seconds", "device", "code_version", "run_id",
]  # fmt: skip
ACCURACY = ("hit_rate_at_10", "ndcg_at_10")
ROOT = Path(__file__).resolve().parents[1]


def store_of(study: Path) -> Path:
    """The study's MLflow store."""
    return ROOT / ".growthlab" / "studies" / study.name / "mlflow.db"


def run_plan(study: Path, data: str | None) -> None:
    """Every part of the plan, one after the other."""
    for part in yaml.safe_load((study / "plan.yaml").read_text())["parts"]:
        growthlab(study, part["command"].split(), data)


def growthlab(study: Path, words: Sequence[str], data: str | None) -> None:
    """One command with the study's own store and cache; `data` stands for DATA in its words."""
    store = store_of(study)
    store.parent.mkdir(parents=True, exist_ok=True)
    own = [
        f"tracking.uri=sqlite:///{store}",
        f"tracking.artifacts={store.parent / 'artifacts'}",
        f"cache={store.parent / 'cache'}",
    ]
    here = [w.replace("DATA", str(Path(data).resolve())) if data else w for w in words]
    print("growthlab", *words, flush=True)
    done = subprocess.run(["growthlab", *here, *own])
    if done.returncode not in (0, 1):  # 1: a model failed, and the leaderboard says which
        sys.exit(done.returncode)


def collect(study: Path, strata: Sequence[str] = ()) -> pd.DataFrame:
    """One row a metric of each run of the study's comparisons; of a run made twice, the newest.

    Of the `strata` of the truth the two accuracies at 10 are told too, where a run has them.
    """
    from mlflow import MlflowClient

    if not store_of(study).exists():
        return pd.DataFrame(columns=COLUMNS)
    client = MlflowClient(f"sqlite:///{store_of(study)}")
    rows: list[dict[str, object]] = []
    for experiment in client.search_experiments():
        query = "tags.kind = 'model' AND status = 'FINISHED'"
        runs = client.search_runs(
            [experiment.experiment_id], query, max_results=5000, order_by=["start_time DESC"]
        )
        for run in runs:
            rows += [*_rows(run), *_rows_of_strata(client, run, strata)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    same = ["task", "data", "protocol", "split", "model", "seed", "metric"]
    return table.drop_duplicates(same).sort_values(same).reset_index(drop=True)


def searched(study: Path) -> pd.DataFrame:
    """What each model's search used and found, beside its own settings; empty without a search."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{store_of(study)}")
    for experiment in client.search_experiments():
        place = [experiment.experiment_id]
        for run in client.search_runs(place, "tags.kind = 'comparison'", max_results=5000):
            if not any(a.path == "search.csv" for a in client.list_artifacts(run.info.run_id)):
                continue
            table = pd.read_csv(client.download_artifacts(run.info.run_id, "search.csv"))
            objective = f"valid/{OBJECTIVE[run.data.tags['task']]}"
            query = "tags.kind = 'trial' AND tags.trial = '0' AND status = 'FINISHED'"
            first = client.search_runs(place, query, max_results=5000)
            own = {
                t.data.tags["study"].rpartition("-")[2]: t.data.metrics[objective] for t in first
            }
            table.insert(len(table.columns) - 2, "own valid", table["model"].map(own))
            return table
    return pd.DataFrame()


def _about(run: Any) -> dict[str, object]:
    """What all rows of a run share."""
    tags = run.data.tags
    return {
        "task": tags["task"],
        "data": tags["data"],
        "protocol": tags.get("protocol") or f"cutoff {tags['cutoff'][:10]}",
        "split": tags["split"],
        "model": tags["model"],
        "seed": int(tags["seed"]),
        "fit_seconds": round(run.data.metrics["fit_seconds"], 3),
        "device": tags.get("device", "cpu"),
        "code_version": tags["code_version"],
        "run_id": run.info.run_id,
    }


def _rows(run: Any) -> list[dict[str, object]]:
    """One row a metric of a run."""
    metrics = run.data.metrics
    named = [m for m in metrics if m.startswith(("test/", "valid/", "score_seconds", "coverage"))]
    return [
        {
            **_about(run),
            "metric": name,
            "value": round(metrics[name], 6),
            "low": metrics.get(f"{name}/low"),
            "high": metrics.get(f"{name}/high"),
        }
        for name in named
        if not name.endswith(("/low", "/high"))
    ]


def _rows_of_strata(client: Any, run: Any, strata: Sequence[str]) -> list[dict[str, object]]:
    """The two accuracies at 10 against the parts of the truth: ``test/ndcg_at_10 of tail``."""
    if not strata:
        return []
    table = pd.read_csv(client.download_artifacts(run.info.run_id, "strata.csv"))
    wanted = table["stratum"].isin(strata) & table["metric"].isin(ACCURACY)
    return [
        {
            **_about(run),
            "metric": f"test/{row.metric} of {row.stratum}",
            **{name: round(getattr(row, name), 6) for name in ("value", "low", "high")},
        }
        for row in table[wanted].itertuples()
    ]


def main() -> None:
    """Run, collect, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("data", nargs="?", help="path that stands for DATA in the plan")
    parser.add_argument("--collect-only", action="store_true")
    given = parser.parse_args()
    if not given.collect_only:
        run_plan(given.study, given.data)
    results = collect(given.study)
    results.to_csv(given.study / "results.csv", index=False)
    table = searched(given.study)
    if len(table):
        table.to_csv(given.study / "search.csv", index=False)
    print(f"{len(results):,} rows in {given.study / 'results.csv'}")


if __name__ == "__main__":
    main()
