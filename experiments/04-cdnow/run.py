"""Fits the models of plan.yaml to CDNOW and compares their forecasts with the weeks that followed.

    python experiments/04-cdnow/run.py FOLDER

FOLDER holds sample.parquet. It takes about two minutes, most of them for the bootstrap of Pareto/NBD.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from growthlab.core.seeding import random_stream
from growthlab.data.cdnow import CDNOW
from growthlab.evaluation.bootstrap import evaluate_predictions
from growthlab.features.btyd import btyd_summary
from growthlab.metrics.binary.brier import Brier
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.metrics.value.mae import MAE
from growthlab.metrics.value.normalised_gini import NormalisedGini
from growthlab.metrics.value.rmse import RMSE
from growthlab.metrics.value.spearman import Spearman
from growthlab.models.btyd.fit import Fit, bootstrapped, fit_purchases, fit_spend
from growthlab.models.btyd.purchase_summary import PurchaseSummary, Spends
from growthlab.tracking.code_version import code_version

sys.path.append(str(Path(__file__).resolve().parents[1]))

from study import COLUMNS, Step, Study

START, WEEK = datetime(1997, 1, 1), timedelta(days=7)
KINDS = ("purchases", "revenue")
MOST = 7  # repeat purchases from which on customers are one group


class Row(NamedTuple):
    """What differs between the rows of results.csv."""

    task: str
    protocol: str
    model: str
    metric: str
    value: float
    low: float = np.nan
    high: float = np.nan
    fit_seconds: float = np.nan


class Cohort:
    """The customers of the sample, in weeks, at the end of the calibration and after it."""

    def __init__(self, path: Path, plan: Mapping[str, Any]) -> None:
        self.weeks, self.holdout = plan["calibration"], plan["holdout"]
        self.log = CDNOW(path=str(path)).read()
        table = btyd_summary(self.log, START + self.weeks * WEEK)
        self.ids = table.index
        # published: from the day of the first purchase to the last day, not to its end
        self.T = (table["T"].to_numpy() - 1) / 7
        self.x, self.t_x = table["frequency"].to_numpy(), table["recency"].to_numpy() / 7
        self.mean_spend = table["monetary_value"].to_numpy()

    @property
    def summary(self) -> PurchaseSummary:
        """What the purchase models are fitted to."""
        return PurchaseSummary.of(self.x, self.t_x, self.T)

    @cached_property
    def days(self) -> pd.DataFrame:
        """A row a customer and day with a purchase: spend, days since the start, repeat or not."""
        bought = self.log.query(
            "SELECT user_id, date_diff('day', TIMESTAMP '1997-01-01', timestamp) AS day, "
            "sum(quantity * unit_price) AS spend FROM events GROUP BY ALL"
        )
        first = bought.groupby("user_id")["day"].transform("min")
        return bought.assign(repeat=bought["day"] > first)

    @cached_property
    def later(self) -> pd.DataFrame:
        """Purchases and spend of every customer in the holdout."""
        after = self.days[self.days["day"] >= 7 * self.weeks]
        by = after.groupby("user_id")["spend"].agg(purchases="size", spend="sum")
        return by.reindex(self.ids, fill_value=0).astype(float)

    def repeats_until(self, weeks: np.ndarray) -> np.ndarray:
        """Repeat purchases of all customers in the first so many weeks."""
        days = np.sort(self.days.loc[self.days["repeat"], "day"].to_numpy())
        return np.searchsorted(days, 7 * weeks, side="left").astype(float)

    def expected_until(self, weeks: np.ndarray, model: Any) -> np.ndarray:
        """Repeat purchases that the model expects of customers of whom it knows the first day alone."""
        first = self.weeks - self.T  # when each was new, in weeks
        known = np.maximum(weeks[:, None] - np.unique(first)[None, :], 0.0)
        _, n = np.unique(first, return_counts=True)
        return model.purchases_of_a_new_customer(known.ravel()).reshape(known.shape) @ n


def fits(cohort: Cohort, plan: Mapping[str, Any]) -> dict[str, tuple[Fit, float]]:
    """Each model with its bootstrap, and the seconds of the fit alone."""
    fitted = {}
    for name in plan["published"]:
        spends = name == "gamma_gamma"
        data: Any = Spends.of(cohort.x, cohort.mean_spend) if spends else cohort.summary
        started = time.perf_counter()
        fit: Any = fit_spend(data) if spends else fit_purchases(name, data)
        seconds = time.perf_counter() - started
        random = random_stream(0, "04-cdnow", name)
        fitted[name] = bootstrapped(fit, data, "case", plan["resamples"], random), seconds
        print(fitted[name][0].table().to_string(index=False), flush=True)
    return fitted


def parameters(fitted: Mapping[str, tuple[Fit, float]]) -> Iterator[Row]:
    """Parameters with errors and intervals, and the log-likelihoods."""
    for name, (fit, seconds) in fitted.items():
        for row in fit.table().itertuples():
            bounds = row.value, row.low, row.high
            metric = f"fitted/{row.parameter}"
            yield Row("value", "weeks 1-39", name, metric, *bounds, seconds)
            if np.isfinite(row.standard_error):
                error = f"{metric}/standard_error"
                yield Row("value", "weeks 1-39", name, error, row.standard_error)


def holdout(cohort: Cohort, fitted: Mapping[str, tuple[Fit, float]]) -> Iterator[Row]:
    """Each predictor against the purchases and the revenue of the holdout."""
    who = cohort.x, cohort.t_x, cohort.T
    spend = fitted["gamma_gamma"][0].model.spend(cohort.x, cohort.mean_spend)
    past = cohort.days[cohort.days["day"] < 7 * cohort.weeks].groupby("user_id")["spend"].sum()
    actual = cohort.later["purchases"].to_numpy(), cohort.later["spend"].to_numpy()
    ahead = float(cohort.holdout)
    pace = cohort.x * ahead / cohort.T
    forecast = {
        "actual": dict(zip(KINDS, actual, strict=True)),
        "mean": {kind: np.full(len(a), a.mean()) for kind, a in zip(KINDS, actual, strict=True)},
        "past_pace": {"purchases": pace, "revenue": pace * np.nan_to_num(cohort.mean_spend)},
        "past_spend": {"revenue": past.reindex(cohort.ids).to_numpy()},
    }
    for name, (fit, _) in fitted.items():
        if name == "gamma_gamma":
            continue
        expected = fit.model.purchases(*who, ahead)
        forecast[name] = {"purchases": expected, "revenue": expected * spend}
        totals = [m.purchases(*who, ahead).sum() for m in fit.models()]
        bounds = np.quantile(totals, [0.025, 0.975])
        yield Row("value", "weeks 40-78", name, "purchases/total", expected.sum(), *bounds)
    metrics = {m.name: m for m in (MAE(), RMSE(), Spearman(), NormalisedGini())}
    groups = np.minimum(cohort.x, MOST).astype(int)
    for name, predictions in forecast.items():
        for kind, prediction in predictions.items():
            if not (name in fitted and kind == "purchases"):
                yield Row("value", "weeks 40-78", name, f"{kind}/total", prediction.sum())
            for k in range(MOST + 1):
                mean = prediction[groups == k].mean()
                yield Row("value", "weeks 40-78", name, f"{kind}/after_{k}_repeats", mean)
            if name == "actual":
                continue
            # equal scores may differ in their last bit
            judged = prediction.astype(np.float32).astype(float)
            truth = forecast["actual"][kind]
            for metric, estimate in evaluate_predictions(truth, judged, metrics).items():
                if np.isfinite(estimate.value):
                    yield Row("value", "weeks 40-78", name, f"{kind}/{metric}", *estimate)


def alive(cohort: Cohort, fitted: Mapping[str, tuple[Fit, float]]) -> Iterator[Row]:
    """How well P(alive) and P(a purchase) tell who buys in the holdout."""
    bought = (cohort.later["purchases"].to_numpy() > 0).astype(float)
    who = cohort.x, cohort.t_x, cohort.T
    for name in ("bg_nbd", "mbg_nbd", "pareto_nbd"):
        model = fitted[name][0].model
        scores = {"p_alive": model.p_alive(*who)}
        if hasattr(model, "p_purchase"):
            scores["p_purchase"] = model.p_purchase(*who, float(cohort.holdout))
        for score, p in scores.items():
            judged = evaluate_predictions(bought, p, {m.name: m for m in (RocAuc(), Brier())})
            for metric, estimate in judged.items():
                yield Row("churn", "weeks 40-78", name, f"{score}/{metric}", *estimate)


def tracking(cohort: Cohort, fitted: Mapping[str, tuple[Fit, float]]) -> Iterator[Row]:
    """Cumulative repeat purchases by week, and what the models expect from the first days alone."""
    weeks = np.arange(1, cohort.weeks + cohort.holdout + 1)
    lines = {"actual": cohort.repeats_until(weeks)}
    for name, (fit, _) in fitted.items():
        if name != "gamma_gamma":
            lines[name] = cohort.expected_until(weeks.astype(float), fit.model)
    for name, line in lines.items():
        for week, value in zip(weeks, line, strict=True):
            yield Row("value", "weeks 1-78", name, f"cumulative/week_{week:02d}", value)


class Cdnow(Study):
    """One step: fit, forecast, compare."""

    def rows(self, step: Step, data: Path | None) -> pd.DataFrame:
        """Parameters, forecasts and their errors."""
        assert data is not None
        cohort = Cohort(data / step.plan["file"], step.plan)
        fitted = fits(cohort, step.plan)
        parts = (parameters(fitted), *(p(cohort, fitted) for p in (holdout, alive, tracking)))
        table = pd.DataFrame(row for part in parts for row in part)
        fixed = {"data": "cdnow", "split": "global_time", "seed": 0, "device": "cpu", "run_id": ""}
        table = table.assign(**fixed, code_version=code_version())
        return table.round({"value": 6, "low": 6, "high": 6, "fit_seconds": 4})[COLUMNS]


if __name__ == "__main__":
    Cdnow(__file__).run()
