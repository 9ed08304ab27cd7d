"""Compares every recommender on the simulated shops of plan.yaml, and each with the oracle of its shop.

    python experiments/00-simulated-shop/run.py                                # all nine shops
    python experiments/00-simulated-shop/run.py --only simulated_shop_markov   # one kind

The oracle is evaluated by the same task on the same fold.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from growthlab.config.compose import compose
from growthlab.core.histories import Histories
from growthlab.evaluation.bootstrap import ratio_estimates
from growthlab.evaluation.significance import compare_to_baseline
from growthlab.tracking.run_files import logged_values
from growthlab.workbench.set_up import set_up
from growthlab.workbench.workbench import Workbench

sys.path.append(str(Path(__file__).resolve().parents[1]))

from study import COLUMNS, Step, Study

NDCG = "ndcg_at_10"
SHOWN = (NDCG, "recall_at_20", "hit_rate_at_10", "coverage_at_10")


class Oracle:
    """The recommender that knows the customers of a shop: see `Truth.taste_scores`."""

    def __init__(self, bench: Workbench) -> None:
        self.truth = bench.source.truth()  # type: ignore[attr-defined]
        self.cutoff = bench.folds[0].cutoff

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """The share of each item in the user's next orders."""
        item_ids = histories.catalogue.item_ids
        scores = self.truth.taste_scores(histories.user_ids, item_ids, self.cutoff)
        return (scores if items is None else scores[:, items]).astype(np.float32)


class SimulatedShop(Study):
    """Beside each model's metrics: its difference to item_knn and its share of the gap to the oracle."""

    def rows(self, step: Step, data: Path | None) -> pd.DataFrame:
        """Metrics of each model and of the oracle, shares of the gap, differences to item_knn."""
        shop_seed = step.settings.removeprefix("data.seed=")
        rows, users = [], {}
        for run in self.runs(step.name):
            name, metrics = run.data.tags["model"], logged_values(self.client, run)
            users[name] = self.table_of(run, "per_user.parquet")[["user_id", NDCG]]
            about = {
                "protocol": f"data.seed={shop_seed}, cutoff {run.data.tags['cutoff'][:10]}, 28 days",
                "model": name,
                "seed": int(run.data.tags["seed"]),
                "fit_seconds": round(metrics["fit_seconds"], 2),
                "code_version": run.data.tags["code_version"],
                "run_id": run.info.run_id,
            }
            for metric in (f"test/{m}" for m in SHOWN):
                bounds = (
                    metrics[metric],
                    metrics.get(f"{metric}/low"),
                    metrics.get(f"{metric}/high"),
                )
                rows.append({**about, **estimate(metric, *bounds)})
            rows.append({**about, **estimate(f"valid/{NDCG}", metrics[f"valid/{NDCG}"])})
        rows += in_relation(rows, users, self.oracle(step))
        fixed = {"task": "top_n", "data": step.part, "split": "global_time", "device": "cpu"}
        return pd.DataFrame([{**fixed, **row} for row in rows], columns=COLUMNS)

    def oracle(self, step: Step) -> pd.DataFrame:
        """The oracle's NDCG of each user; who has no history is cold."""
        cache = f"cache={self.runs_folder / 'cache'}"
        words = [f"data={step.part}", step.settings, "metrics=[ranking/ndcg]", cache]
        bench = set_up(compose("train", words))
        task, data = bench.task, bench.task.data(bench.folds[0])
        judged = task.evaluate(Oracle(bench), data, bench.metrics, seed=0)
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
    related = [
        {**abouts[m], **estimate("gap_closed", *e)} for m, e in ratio_estimates(parts).items()
    ]
    (mean,) = ratio_estimates({"oracle": (best.to_numpy(), np.ones(len(best)))}).values()
    shop = {k: abouts["popularity"][k] for k in ("protocol", "code_version")}
    related.append({**shop, "model": "oracle", **estimate(f"test/{NDCG}", *mean)})
    (cold,) = ratio_estimates({"cold": (np.where(known["cold"], gap, 0.0), gap)}).values()
    related.append({**shop, "model": "oracle", **estimate("gap_of_cold_users", *cold)})
    for row in compare_to_baseline(users, NDCG, "item_knn").itertuples():
        metric = f"{NDCG} minus item_knn's"
        related.append({**abouts[row.model], **estimate(metric, row.difference, row.low, row.high)})
    return related


def estimate(
    metric: str, value: float, low: float | None = None, high: float | None = None
) -> dict[str, Any]:
    """A metric with its bounds, rounded."""
    bounds = [None if b is None else round(b, 6) for b in (low, high)]
    return {"metric": metric, "value": round(value, 6), "low": bounds[0], "high": bounds[1]}


if __name__ == "__main__":
    SimulatedShop(__file__).run()
