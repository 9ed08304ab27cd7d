"""The simulated shop against its own truth: results.csv of this study.

    python experiments/00-simulated-shop/run.py                         # all nine shops
    python experiments/00-simulated-shop/run.py simulated_shop_markov   # one kind; other rows stay

Each shop is compared by ``growthlab compare`` in a store of its own under ``.growthlab/studies/``; a
comparison that was interrupted goes on. The oracle is judged by the same task on the same fold.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from growthlab.cli.setting import Setting
from growthlab.config.compose import compose
from growthlab.core.histories import Histories
from growthlab.evaluation.bootstrap import ratios_of
from growthlab.evaluation.significance import compare_to_baseline

STUDY = Path(__file__).resolve().parent
RUNS = STUDY.parents[1] / ".growthlab" / "studies" / STUDY.name
SHOPS = ("simulated_shop", "simulated_shop_markov", "simulated_shop_iid")
SEEDS = (7, 8, 9)
NDCG = "ndcg_at_10"
SHOWN = (NDCG, "recall_at_20", "hit_rate_at_10", "coverage_at_10")
COLUMNS = [
    "task", "data", "protocol", "split", "model", "seed", "metric", "value", "low", "high",
    "fit_seconds", "device", "code_version", "run_id",
]  # fmt: skip


class Oracle:
    """The recommender that knows the customers of a shop: see `Truth.taste_scores`."""

    def __init__(self, setting: Setting) -> None:
        self.truth = setting.source.truth()  # type: ignore[attr-defined]
        self.cutoff = setting.folds[0].cutoff

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """The share of each item in the user's next orders."""
        item_ids = histories.catalogue.item_ids
        scores = self.truth.taste_scores(histories.user_ids, item_ids, self.cutoff)
        return (scores if items is None else scores[:, items]).astype(np.float32)


def compare(data: str, seed: int) -> str:
    """All models on one shop; the URI of the store with the runs."""
    folder = RUNS / f"{data}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    words = [f"data={data}", f"data.seed={seed}", "device=cpu", f"tracking.uri={uri}"]
    own = [f"tracking.artifacts={folder / 'artifacts'}", f"cache={RUNS / 'cache'}"]
    command = [sys.executable, "-m", "growthlab.cli.main", "compare", *words, *own]
    if subprocess.run(command).returncode not in (0, 1):  # 1: a model failed and is shown as such
        raise SystemExit(f"{data} seed {seed} stopped: the same command goes on with it")
    return uri


def rows_of(data: str, seed: int, uri: str) -> list[dict[str, Any]]:
    """Metrics of each model and of the oracle, shares of the gap, differences to item_knn."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == f"{data}/top_n"]
    (newest,) = client.search_runs(
        [experiment.experiment_id], "tags.kind = 'comparison'", max_results=1
    )
    children = client.search_runs(
        [experiment.experiment_id],
        f"tags.`mlflow.parentRunId` = '{newest.info.run_id}' AND attributes.status = 'FINISHED'",
    )
    rows, users = [], {}
    for run in children:
        name = run.data.tags["model"]
        path = client.download_artifacts(run.info.run_id, "per_user.parquet")
        users[name] = pd.read_parquet(path)[["user_id", NDCG]]
        about = {
            "protocol": f"data.seed={seed}, cutoff {run.data.tags['cutoff'][:10]}, 28 days",
            "model": name,
            "seed": int(run.data.tags["seed"]),
            "fit_seconds": round(run.data.metrics["fit_seconds"], 2),
            "code_version": run.data.tags["code_version"],
            "run_id": run.info.run_id,
        }
        found = run.data.metrics
        for metric in (f"test/{m}" for m in SHOWN):
            bounds = (found[metric], found.get(f"{metric}/low"), found.get(f"{metric}/high"))
            rows.append({**about, **estimate(metric, *bounds)})
        rows.append({**about, **estimate(f"valid/{NDCG}", found[f"valid/{NDCG}"])})
    rows += in_relation(rows, users, oracle(data, seed))
    fixed = {"task": "top_n", "data": data, "split": "global_time", "device": "cpu"}
    return [{**fixed, **row} for row in rows]


def oracle(name: str, seed: int) -> pd.DataFrame:
    """The oracle's NDCG of each user, by the same task on the same fold; who has no history is cold."""
    words = [
        f"data={name}",
        f"data.seed={seed}",
        "metrics=[ranking/ndcg]",
        f"cache={RUNS / 'cache'}",
    ]
    setting = Setting(compose("train", words))
    task, data = setting.task, setting.task.data(setting.folds[0])
    judged = task.judge(Oracle(setting), data, setting.metrics, seed=0)
    return judged.per_user[["user_id", NDCG]].assign(cold=data.histories.lengths == 0)


def in_relation(
    rows: list[dict[str, Any]], users: Mapping[str, pd.DataFrame], oracle: pd.DataFrame
) -> list[dict[str, Any]]:
    """The oracle itself, the share of its gap to popularity that each model closes, differences."""
    abouts = {
        r["model"]: {k: r[k] for k in r if k not in ("metric", "value", "low", "high")}
        for r in rows
    }
    table = pd.DataFrame({m: t.set_index("user_id")[NDCG] for m, t in users.items()})
    known = oracle.set_index("user_id").reindex(table.index)
    best = known[NDCG]
    gap = (best - table["popularity"]).to_numpy()
    parts = {m: ((table[m] - table["popularity"]).to_numpy(), gap) for m in table}
    found = [{**abouts[m], **estimate("gap_closed", *e)} for m, e in ratios_of(parts).items()]
    (mean,) = ratios_of({"oracle": (best.to_numpy(), np.ones(len(best)))}).values()
    shop = {k: abouts["popularity"][k] for k in ("protocol", "code_version")}
    found.append({**shop, "model": "oracle", **estimate(f"test/{NDCG}", *mean)})
    (cold,) = ratios_of({"cold": (np.where(known["cold"], gap, 0.0), gap)}).values()
    found.append({**shop, "model": "oracle", **estimate("gap_of_cold_users", *cold)})
    for row in compare_to_baseline(users, NDCG, "item_knn").itertuples():
        metric = f"{NDCG} minus item_knn's"
        found.append({**abouts[row.model], **estimate(metric, row.difference, row.low, row.high)})
    return found


def estimate(
    metric: str, value: float, low: float | None = None, high: float | None = None
) -> dict[str, Any]:
    """A metric with its bounds, rounded."""
    bounds = [None if b is None else round(b, 6) for b in (low, high)]
    return {"metric": metric, "value": round(value, 6), "low": bounds[0], "high": bounds[1]}


def main() -> None:
    """Compare and collect each shop asked for; rows of the others are kept."""
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    results = STUDY / "results.csv"
    for data in sys.argv[1:] or SHOPS:
        for seed in SEEDS:
            fresh = pd.DataFrame(rows_of(data, seed, compare(data, seed)), columns=COLUMNS)
            known = pd.read_csv(results) if results.exists() else fresh[:0]
            again = (known["data"] == data) & known["protocol"].str.startswith(f"data.seed={seed},")
            parts = [part for part in (known[~again], fresh) if len(part)]
            table = pd.concat(parts).sort_values(["data", "protocol", "model", "seed", "metric"])
            table.astype({"seed": "Int64"}).to_csv(results, index=False)
            print(f"{data} seed {seed}: {len(fresh)} rows", flush=True)


if __name__ == "__main__":
    main()
