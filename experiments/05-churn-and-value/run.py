"""Runs the comparisons of plan.yaml, and adds what the simulated shop knows of its customers.

    python experiments/05-churn-and-value/run.py TRANSACTIONS.parquet

The oracle answers with the true probability of no order and the true expected spend of every customer, and is
evaluated by the same metrics on the same customers. reliability.csv, customers.csv, differences.csv and
portrait.csv are written once every part has run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from growthlab.config.compose import compose
from growthlab.evaluation.bootstrap import evaluate_predictions
from growthlab.evaluation.significance import compare_predictions
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.metrics.predictions import equal_mass_bins, group_by_prediction
from growthlab.metrics.value.normalised_gini import NormalisedGini
from growthlab.workbench.set_up import set_up

sys.path.append(str(Path(__file__).resolve().parents[1]))

from study import COLUMNS, Step, Study, about

SHOP = "simulated_shop"
TRUTHS = {"churn_shop": "churn_probability", "value_shop": "expected_spend"}
OBJECTIVES = {"churn": RocAuc(), "value": NormalisedGini()}
PARTS = ("churn_shop", "value_shop", "churn_retail", "value_retail", "lists")
PORTRAIT = ("portrait_shop", "portrait_retail")
HORIZON = 28.0
SHOWN = 12  # customers of the common report

Predictions = dict[tuple[str, str], dict[str, list[pd.DataFrame]]]


class ChurnAndValue(Study):
    """Beside the metrics: distance to the truth of the shop, reliability, paired differences, one report."""

    def rows(self, step: Step, data: Path | None) -> pd.DataFrame:
        """The metrics; on the shop also each model's distance to the truth, and the oracle's metrics."""
        if step.part in PORTRAIT:
            return pd.DataFrame(columns=COLUMNS)
        metrics = super().rows(step, data)
        if step.part not in TRUTHS:
            return metrics
        truths = pd.DataFrame(self.against_the_truth(step), columns=COLUMNS)
        return pd.concat([metrics, truths], ignore_index=True)

    def finish(self) -> None:
        """Write the small tables, once every part has run."""
        missing = {*PARTS, *PORTRAIT} - {
            run.data.tags["step"] for run in self.runs(*PARTS, *PORTRAIT)
        }
        if missing:
            print(f"the small tables need {', '.join(sorted(missing))} too: they stay as they were")
            return
        self.reliability().to_csv(self.folder / "reliability.csv", index=False)
        self.same_customers().to_csv(self.folder / "customers.csv", index=False)
        self.differences().to_csv(self.folder / "differences.csv", index=False)
        self.with_portrait().to_csv(self.folder / "portrait.csv", index=False)

    def against_the_truth(self, step: Step) -> list[dict[str, Any]]:
        """How far each model is from what the shop knows, and how well the shop itself would do."""
        rows: list[dict[str, Any]] = []
        cutoffs = set()
        bench = set_up(compose("compare", step.words[1:]))
        truth = getattr(bench.source.truth(), TRUTHS[step.part])  # type: ignore[attr-defined]
        for run in self.runs(step.part):
            tags = run.data.tags
            table = self.table_of(run, "predictions.parquet")
            known = truth(table["user_id"].to_numpy(), tags["cutoff"], HORIZON)
            shared = {**about(run, step), "fit_seconds": 0.0}
            error = np.abs(table["prediction"] - known).mean()
            rows += [{**shared, "metric": "truth/mean_error", "value": round(float(error), 6)}]
            if table["prediction"].nunique() > 1:
                correlation = np.corrcoef(table["prediction"], known)[0, 1]
                rows += [{**shared, "metric": "truth/correlation", "value": round(correlation, 6)}]
            if tags["cutoff"] in cutoffs:
                continue
            cutoffs.add(tags["cutoff"])
            estimates = evaluate_predictions(table["label"].to_numpy(), known, bench.metrics)
            oracle = {**shared, "model": "oracle", "seed": 0}
            for name, estimate in estimates.items():
                if np.isfinite(estimate.value):
                    bounds = {"low": estimate.low, "high": estimate.high}
                    value = round(estimate.value, 6)
                    rows += [{**oracle, "metric": f"test/{name}", "value": value, **bounds}]
        return rows

    def reliability(self) -> pd.DataFrame:
        """Stated and real share of leavers in tenths, before and after calibration, seed 0."""
        parts = []
        for run in self.runs("churn_shop", "churn_retail"):
            tags = run.data.tags
            if tags["seed"] != "0":
                continue
            table = self.table_of(run, "predictions.parquet")
            for when, column in (("after", "prediction"), ("before", "uncalibrated")):
                if column not in table:
                    continue
                label, stated = table["label"].to_numpy(), table[column].to_numpy()
                share, mean = equal_mass_bins(group_by_prediction(label, stated), 10)
                named = {
                    "data": tags["data"],
                    "cutoff": tags["cutoff"][:10],
                    "model": tags["model"],
                }
                tenths = {"tenth": range(1, 11), "stated": mean.round(6), "share": share.round(6)}
                parts.append(pd.DataFrame({**named, "when": when, **tenths}))
        return pd.concat(parts, ignore_index=True).sort_values(
            ["data", "cutoff", "model", "when", "tenth"]
        )

    def predictions(self, parts: Sequence[str]) -> Predictions:
        """The predictions of every seed: data set and cutoff, then model."""
        predictions: Predictions = {}
        for run in self.runs(*parts):
            tags = run.data.tags
            models = predictions.setdefault((tags["data"], tags["cutoff"][:10]), {})
            table = self.table_of(run, "predictions.parquet")
            models.setdefault(tags["model"], []).append(table)
        return predictions

    def differences(self) -> pd.DataFrame:
        """Each model's objective less that of BG/NBD, paired by customer, mean over seeds, every cutoff."""
        parts = []
        for task, metric in OBJECTIVES.items():
            predictions = self.predictions([f"{task}_shop", f"{task}_retail"])
            for (data, cutoff), models in sorted(predictions.items()):
                table = compare_predictions(models, metric, "bg_nbd")
                kept = table[["model", "difference", "low", "high", "p_holm"]].round(6)
                parts.append(kept.assign(task=task, data=data, cutoff=cutoff))
        return pd.concat(parts, ignore_index=True).sort_values(["task", "data", "cutoff", "model"])

    def with_portrait(self) -> pd.DataFrame:
        """ROC AUC with the portrait's tags less that without, paired by customer, mean over seeds."""
        rows = []
        without = self.predictions(["churn_shop", "churn_retail"])
        for (data, cutoff), models in sorted(self.predictions(PORTRAIT).items()):
            for model in sorted(models):
                both = {"without": without[data, cutoff][model], "with": models[model]}
                change = compare_predictions(both, RocAuc(), "without").iloc[0]
                mean = {when: np.mean([auc_of(t) for t in tables]) for when, tables in both.items()}
                named = {
                    "data": data,
                    "cutoff": cutoff,
                    "model": model,
                    "seeds": len(models[model]),
                }
                bounds = change[["difference", "low", "high", "p"]].astype(float).round(6)
                rows.append({**named, **{when: round(v, 6) for when, v in mean.items()}, **bounds})
        return pd.DataFrame(rows)

    def same_customers(self) -> pd.DataFrame:
        """Churn probability, expected value and the top of the list, of the same customers at one cutoff.

        By each task's winner on validation, on the simulated shop; the customers of whom most is at risk.
        """
        best: dict[str, Any] = {}
        runs = list(self.runs("churn_shop", "value_shop", "lists"))
        newest = max(run.data.tags["cutoff"] for run in runs)
        goal = {"churn": "roc_auc", "value": "normalised_gini", "top_n": "ndcg_at_10"}
        for run in runs:
            tags, metrics = run.data.tags, run.data.metrics
            if (tags["cutoff"], tags["seed"]) != (newest, "0"):
                continue
            now = best.get(tags["task"])
            name = f"valid/{goal[tags['task']]}"
            if now is None or metrics[name] > now.data.metrics[name]:
                best[tags["task"]] = run
        churn, value = (
            self.table_of(best[task], "predictions.parquet").set_index("user_id")["prediction"]
            for task in ("churn", "value")
        )
        lists = self.table_of(best["top_n"], "recommendations.parquet")
        top = lists[lists["rank"] <= 3].sort_values(["user_id", "rank"])
        items = top.groupby("user_id")["item_id"].agg(", ".join)
        both = pd.DataFrame({"churn": churn, "value": value, "recommended": items}).dropna()
        chosen = (both["churn"] * both["value"]).nlargest(SHOWN).index
        names = {task: run.data.tags["model"] for task, run in best.items()}
        table = both.loc[chosen].round({"churn": 3, "value": 2}).reset_index()
        return table.assign(cutoff=newest[:10], models=" / ".join(names[task] for task in goal))


def auc_of(table: pd.DataFrame) -> float:
    """ROC AUC of a table of predictions."""
    return RocAuc()(table["label"].to_numpy(), table["prediction"].to_numpy())


if __name__ == "__main__":
    ChurnAndValue(__file__).run()
