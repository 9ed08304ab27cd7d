"""Cross-validates the models of plan.yaml on Hillstrom's campaign, each e-mail against no e-mail.

    python experiments/06-hillstrom/run.py CUSTOMERS.parquet

The folds are cut by a seeded shuffle of the customers of all arms, and nothing is chosen: every model has its
default settings, is fitted to four folds and evaluated on the fifth. differences.csv holds the paired
differences from the response model by repeat and fold; the interval of a repeat is over the customers of all
its folds. In results.csv the seed counts the folds of all repeats.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.core.seeding import random_stream
from growthlab.data.hillstrom import NONE, Hillstrom
from growthlab.data.labelled_table import LabelledTable
from growthlab.evaluation.intervals import percentile_bounds
from growthlab.evaluation.leaderboard_columns import build_metrics
from growthlab.evaluation.randomisation import sample_ratio
from growthlab.evaluation.significance import bootstrap_p, resampled_metric
from growthlab.metrics.uplift.qini_sklift import QiniSklift
from growthlab.metrics.uplift.rate_qini import RateQini
from growthlab.split.fold import TableFold
from growthlab.tasks.uplift import Uplift
from growthlab.tasks.uplift_data import UpliftData
from growthlab.tracking.code_version import code_version
from growthlab.training.fit_options import FitOptions

sys.path.append(str(Path(__file__).resolve().parents[1]))

from study import COLUMNS, Step, Study

COMPARED = {"visit": QiniSklift(), "spend": RateQini()}  # scikit-uplift's is for 0 and 1 alone
REFERENCE = "response"
CODE = code_version()
Z = 1.959964  # the normal quantile of 95 %


class HillstromStudy(Study):
    """Models by cross-validation, with paired differences from the response model."""

    def rows(self, step: Step, data: Path | None) -> pd.DataFrame:
        """The metrics of every model, repeat and fold of one arm and outcome."""
        if data is None:
            raise ValueError("the study needs the data")
        if step.part == "effects":
            return pd.DataFrame(self.effects(step, data)).reindex(columns=COLUMNS)
        columns = {"arm": "segment", "label": step.part}
        table = Hillstrom(path=str(data), columns=columns).read()
        task = Uplift(arm=str(step.row["settings"]))
        metrics, _ = build_metrics(compose("compare", ["task=uplift"]).config.metrics)
        rows: list[dict[str, Any]] = []
        differences: list[dict[str, Any]] = []
        for repeat in range(self.plan["repeats"]):
            drawn: dict[str, list[np.ndarray]] = {}
            for fold, cut in enumerate(self.folds(table, repeat)):
                shared = {
                    "task": "uplift",
                    "data": "hillstrom",
                    "protocol": f"{step.part}, {step.row['name']}",
                    "split": "customers in folds",
                    "seed": repeat * self.plan["folds"] + fold,
                    "device": "cpu",
                    "code_version": CODE,
                }
                predictions: dict[str, list[pd.DataFrame]] = {}
                data_of_fold = task.table_data(cut)
                for model, found in self.judged(step, task, data_of_fold, metrics, repeat):
                    predictions[model] = [found["table"]]
                    rows += [
                        {**shared, "model": model, "metric": f"test/{name}", "value": round(v, 6)}
                        | {"fit_seconds": found["fit_seconds"]}
                        for name, v in found["values"].items()
                        if np.isfinite(v)
                    ]
                metric = COMPARED[step.part]
                values, resampled = resampled_metric(
                    predictions, metric, seed=repeat, n_resamples=self.plan["resamples"]
                )
                for model, each in resampled.items():
                    drawn.setdefault(model, []).append(each - resampled[REFERENCE])
                    differences.append(
                        {
                            "protocol": shared["protocol"],
                            "repeat": repeat,
                            "fold": fold,
                            "model": model,
                            "metric": metric.name,
                            "difference": values[model] - values[REFERENCE],
                        }
                    )
                print(f"{step.name}: repeat {repeat} fold {fold}", flush=True)
            differences += [
                {
                    "protocol": f"{step.part}, {step.row['name']}",
                    "repeat": repeat,
                    "model": model,
                    "metric": COMPARED[step.part].name,
                    **_of_repeat(np.mean(each, axis=0)),
                }
                for model, each in drawn.items()
                if model != REFERENCE
            ]
        self.keep_differences(pd.DataFrame(differences))
        return pd.DataFrame(rows).reindex(columns=COLUMNS)

    def effects(self, step: Step, data: Path) -> Iterator[dict[str, Any]]:
        """The average effect of an arm on each outcome, and the p of the sizes of the two arms."""
        for outcome in COMPARED:
            columns = {"arm": "segment", "label": outcome}
            table = Hillstrom(path=str(data), columns=columns).read()
            arms = table.assignment.arms  # type: ignore[union-attr]
            treated, control = (table.label[arms == a] for a in (step.row["settings"], NONE))
            difference = treated.mean() - control.mean()
            error = np.sqrt(treated.var(ddof=1) / len(treated) + control.var(ddof=1) / len(control))
            sizes = {"arm": len(treated), "control": len(control)}
            shared = {
                "task": "uplift",
                "data": "hillstrom",
                "protocol": f"{outcome}, {step.row['name']}",
                "split": "all customers",
                "model": "difference of means",
                "seed": 0,
                "device": "cpu",
                "code_version": CODE,
            }
            yield shared | {
                "metric": "average_effect",
                "value": round(difference, 6),
                "low": round(difference - Z * error, 6),
                "high": round(difference + Z * error, 6),
            }
            p = sample_ratio(sizes, dict.fromkeys(sizes, 1)).p
            yield shared | {"metric": "p_sample_ratio", "value": round(p, 6)}
            yield shared | {"metric": "customers", "value": sum(sizes.values())}

    def folds(self, table: LabelledTable, repeat: int) -> Iterator[TableFold]:
        """The folds of one partition of all customers."""
        n = self.plan["folds"]
        part = random_stream(repeat, "hillstrom folds").permutation(len(table)) % n
        for fold in range(n):
            yield TableFold(table.select(part != fold), table.select(part == fold))

    def judged(
        self,
        step: Step,
        task: Uplift,
        data: UpliftData,
        metrics: Mapping[str, Any],
        seed: int,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each model fitted and evaluated on a fold."""
        for model in step.plan["models"]:
            node = compose("train", ["task=uplift", f"model=uplift/{model}"]).config.model
            started = time.perf_counter()
            fitted = task.fit(build(node, task.model_type, "model"), data, FitOptions(seed=seed))
            seconds = time.perf_counter() - started
            found = task.evaluate(fitted, data, metrics, seed=seed, intervals=False)
            yield (
                model,
                {
                    "table": found.per_user,
                    "values": {name: e.value for name, e in found.values.items()},
                    "fit_seconds": round(seconds, 3),
                },
            )

    def keep_differences(self, rows: pd.DataFrame) -> None:
        """Put rows into differences.csv in place of those of the same protocol."""
        path = self.folder / "differences.csv"
        if path.exists():
            known = pd.read_csv(path)
            rows = pd.concat([known[~known["protocol"].isin(rows["protocol"])], rows])
        rows.to_csv(path, index=False, float_format="%.6f")


def _of_repeat(drawn: np.ndarray) -> dict[str, float]:
    """The mean of the resamples with bounds and p."""
    low, high = percentile_bounds(drawn)
    return {
        "difference": float(np.nanmean(drawn)),
        "low": low,
        "high": high,
        "p": bootstrap_p(drawn),
    }


if __name__ == "__main__":
    HillstromStudy(__file__).run()
