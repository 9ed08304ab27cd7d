"""Runs the plan, and adds what the simulated shop knows of its customers: results.csv and the small tables.

    python experiments/05-churn-and-value/run.py PATH-OF-THE-DATA      # --collect-only: without the runs

An interrupted study goes on where it stopped. The oracle answers with the true probability of no order and
the true expected spend of every customer, and is judged by the same metrics on the same customers.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

STUDY = Path(__file__).resolve().parent
sys.path.insert(0, str(STUDY.parent))
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from study import COLUMNS, collect, growthlab, run_plan, store_of  # noqa: E402

from growthlab.cli.setting import Setting  # noqa: E402
from growthlab.config.compose import compose  # noqa: E402
from growthlab.evaluation.bootstrap import metrics_of_predictions  # noqa: E402
from growthlab.evaluation.significance import compare_predictions  # noqa: E402
from growthlab.metrics.binary.roc_auc import RocAuc  # noqa: E402
from growthlab.metrics.predictions import bins_of, grouped  # noqa: E402
from growthlab.metrics.value.normalised_gini import NormalisedGini  # noqa: E402

PORTRAIT = STUDY.with_name(f"{STUDY.name}-portrait")  # names the store, no folder
SHOP = "simulated_shop"
TRUTHS = {"churn": "churn_probability", "value": "expected_spend"}
HORIZON = 28.0
SHOWN = 12  # customers of the common report


def runs_of(client: Any) -> Iterator[Any]:
    """Every finished run of a model, the newest first; of a run made twice only the newest."""
    seen = set()
    places = [e.experiment_id for e in client.search_experiments()]
    query = "tags.kind = 'model' AND status = 'FINISHED'"
    order = ["start_time DESC"]
    for run in client.search_runs(places, query, max_results=5000, order_by=order):
        tags = run.data.tags
        key = tuple(tags[n] for n in ("task", "data", "cutoff", "model", "seed"))
        if key not in seen:
            seen.add(key)
            yield run


def table_of(client: Any, run: Any, name: str) -> pd.DataFrame:
    """A table that the run left."""
    return pd.read_parquet(client.download_artifacts(run.info.run_id, f"{name}.parquet"))


def against_the_truth(client: Any) -> list[dict[str, Any]]:
    """How far each model is from what the shop knows, and how well the shop itself would do."""
    rows: list[dict[str, Any]] = []
    judged = set()
    for task, question in TRUTHS.items():
        setting = Setting(compose("compare", [f"task={task}", f"data={SHOP}"]))
        truth = setting.source.truth()  # type: ignore[attr-defined]
        for run in runs_of(client):
            tags = run.data.tags
            if (tags["task"], tags["data"]) != (task, SHOP):
                continue
            table = table_of(client, run, "predictions")
            known = getattr(truth, question)(table["user_id"].to_numpy(), tags["cutoff"], HORIZON)
            about = {
                "task": task, "data": SHOP, "protocol": f"cutoff {tags['cutoff'][:10]}",
                "split": tags["split"], "fit_seconds": 0.0, "device": tags.get("device", "cpu"),
                "code_version": tags["code_version"], "run_id": run.info.run_id,
            }  # fmt: skip
            mine = {**about, "model": tags["model"], "seed": int(tags["seed"])}
            error = np.abs(table["prediction"] - known).mean()
            rows += [{**mine, "metric": "truth/mean_error", "value": round(float(error), 6)}]
            if table["prediction"].nunique() > 1:
                together = np.corrcoef(table["prediction"], known)[0, 1]
                rows += [{**mine, "metric": "truth/correlation", "value": round(together, 6)}]
            if (task, tags["cutoff"]) in judged:
                continue
            judged.add((task, tags["cutoff"]))
            found = metrics_of_predictions(table["label"].to_numpy(), known, setting.metrics)
            rows += [
                {**about, "model": "oracle", "seed": 0, "metric": f"test/{name}",
                 "value": round(e.value, 6), "low": e.low, "high": e.high}
                for name, e in found.items() if np.isfinite(e.value)
            ]  # fmt: skip
    return rows


def reliability(client: Any) -> pd.DataFrame:
    """Stated and real share of leavers in tenths, before and after calibration, seed 0."""
    parts = []
    for run in runs_of(client):
        tags = run.data.tags
        if tags["task"] != "churn" or tags["seed"] != "0":
            continue
        table = table_of(client, run, "predictions")
        for when, column in (("after", "prediction"), ("before", "uncalibrated")):
            if column not in table:
                continue
            label, stated = table["label"].to_numpy(), table[column].to_numpy()
            share, mean = bins_of(grouped(label, stated), 10)
            about = {"data": tags["data"], "cutoff": tags["cutoff"][:10], "model": tags["model"]}
            tenths = {"tenth": range(1, 11), "stated": mean.round(6), "share": share.round(6)}
            parts.append(pd.DataFrame({**about, "when": when, **tenths}))
    return pd.concat(parts, ignore_index=True).sort_values(
        ["data", "cutoff", "model", "when", "tenth"]
    )


def predictions_of(client: Any, task: str) -> dict[tuple[str, str], dict[str, list[pd.DataFrame]]]:
    """The predictions of every seed: data set and cutoff, then model."""
    found: dict[tuple[str, str], dict[str, list[pd.DataFrame]]] = {}
    for run in runs_of(client):
        tags = run.data.tags
        if tags["task"] == task:
            models = found.setdefault((tags["data"], tags["cutoff"][:10]), {})
            models.setdefault(tags["model"], []).append(table_of(client, run, "predictions"))
    return found


def differences(client: Any) -> pd.DataFrame:
    """Each model's objective less that of BG/NBD, paired by customer, mean over seeds, at every cutoff."""
    parts = []
    for task, metric in {"churn": RocAuc(), "value": NormalisedGini()}.items():
        for (data, cutoff), found in sorted(predictions_of(client, task).items()):
            table = compare_predictions(found, metric, "bg_nbd")
            kept = table[["model", "difference", "low", "high", "p_holm"]].round(6)
            parts.append(kept.assign(task=task, data=data, cutoff=cutoff))
    return pd.concat(parts, ignore_index=True).sort_values(["task", "data", "cutoff", "model"])


def with_portrait(plain: Any, tagged: Any) -> pd.DataFrame:
    """ROC AUC with the portrait's tags less that without, paired by customer, mean over seeds."""
    rows = []
    without = predictions_of(plain, "churn")
    for (data, cutoff), found in sorted(predictions_of(tagged, "churn").items()):
        for model in sorted(found):
            both = {"without": without[data, cutoff][model], "with": found[model]}
            change = compare_predictions(both, RocAuc(), "without").iloc[0]
            mean = {when: np.mean([auc_of(t) for t in tables]) for when, tables in both.items()}
            about = {"data": data, "cutoff": cutoff, "model": model, "seeds": len(found[model])}
            bounds = change[["difference", "low", "high", "p"]].astype(float).round(6)
            rows.append({**about, **{when: round(v, 6) for when, v in mean.items()}, **bounds})
    return pd.DataFrame(rows)


def auc_of(table: pd.DataFrame) -> float:
    """ROC AUC of a table of predictions."""
    return RocAuc()(table["label"].to_numpy(), table["prediction"].to_numpy())


def same_customers(client: Any) -> pd.DataFrame:
    """Churn probability, expected value and the top of the list, of the same customers at one cutoff.

    Of each task's winner by validation on the simulated shop; the customers of whom most is at risk.
    """
    best: dict[str, Any] = {}
    newest = max(r.data.tags["cutoff"] for r in runs_of(client) if r.data.tags["data"] == SHOP)
    goal = {"churn": "roc_auc", "value": "normalised_gini", "top_n": "ndcg_at_10"}
    for run in runs_of(client):
        tags, metrics = run.data.tags, run.data.metrics
        if (tags["data"], tags["cutoff"], tags["seed"]) != (SHOP, newest, "0"):
            continue
        now = best.get(tags["task"])
        name = f"valid/{goal[tags['task']]}"
        if now is None or metrics[name] > now.data.metrics[name]:
            best[tags["task"]] = run
    churn = table_of(client, best["churn"], "predictions").set_index("user_id")["prediction"]
    value = table_of(client, best["value"], "predictions").set_index("user_id")["prediction"]
    lists = table_of(client, best["top_n"], "recommendations").sort_values(["user_id", "rank"])
    tops = lists[lists["rank"] <= 3].groupby("user_id")["item_id"].agg(", ".join)
    both = pd.DataFrame({"churn": churn, "value": value, "recommended": tops}).dropna()
    chosen = (both["churn"] * both["value"]).nlargest(SHOWN).index
    names = {t: r.data.tags["model"] for t, r in best.items()}
    table = both.loc[chosen].round({"churn": 3, "value": 2}).reset_index()
    return table.assign(cutoff=newest[:10], models=" / ".join(names[t] for t in goal))


def main() -> None:
    """Run, collect, write."""
    from mlflow import MlflowClient

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", help="path that stands for DATA in the plan")
    parser.add_argument("--collect-only", action="store_true")
    given = parser.parse_args()
    if not given.collect_only:
        run_plan(STUDY, given.data)
        for part in yaml.safe_load((STUDY / "plan.yaml").read_text())["with_portrait"]:
            growthlab(PORTRAIT, part["command"].split(), given.data)
    client, tagged = (MlflowClient(f"sqlite:///{store_of(s)}") for s in (STUDY, PORTRAIT))
    results = pd.concat(
        [collect(STUDY), pd.DataFrame(against_the_truth(client), columns=COLUMNS)],
        ignore_index=True,
    )
    results.to_csv(STUDY / "results.csv", index=False)
    reliability(client).to_csv(STUDY / "reliability.csv", index=False)
    same_customers(client).to_csv(STUDY / "customers.csv", index=False)
    differences(client).to_csv(STUDY / "differences.csv", index=False)
    with_portrait(client, tagged).to_csv(STUDY / "portrait.csv", index=False)
    print(f"{len(results):,} rows in {STUDY / 'results.csv'}")


if __name__ == "__main__":
    main()
