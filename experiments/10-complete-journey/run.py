"""Compares households that got a campaign with those that did not, which were not drawn by chance.

    python experiments/10-complete-journey/run.py DATA

Every number is called a difference: the functions of `growthlab ab` are used for their arithmetic, while the
command itself, and `task=uplift`, are shown this data in the step `refusals`.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from journey import Journey

from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.effects.adjustment import adjusted, predicted_covariate
from growthlab.effects.effect import Effect
from growthlab.effects.experiment_data import ExperimentData
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.tea_statistics import effect_of
from growthlab.effects.welch import LEVEL
from growthlab.evaluation.bootstrap import evaluate_predictions
from growthlab.evaluation.leaderboard_columns import build_metrics
from growthlab.evaluation.randomisation import Balance, balance
from growthlab.evaluation.significance import compare_predictions
from growthlab.features.examples import Examples
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.models.table_estimator import wrap_estimator
from growthlab.tasks.base import Task
from growthlab.tracking.code_version import code_version
from growthlab.training.fit_options import FitOptions

sys.path.append(str(Path(__file__).resolve().parents[1]))

from study import COLUMNS, Step, Study

CODE = code_version()
OTHERS, GOT = "none", "campaign"
SPEND, CHANGE = (ExperimentOutcome.of(name) for name in ("spend of window", "change to window"))
FEATURES = ("purchases", "purchases and history", "history")


class CompleteJourney(Study):
    """Differences with their placebo, the use of response history, and what the commands refuse."""

    def rows(self, step: Step, data: Path | None) -> pd.DataFrame:
        """The rows of a step, see the part of its name."""
        assert data is not None
        self.data = data
        parts = {
            "differences": self.differences,
            "response_history": self.response_history,
            "refusals": self.refusals,
        }
        shared = {"data": "complete_journey", "split": "", "seed": 0, "device": "cpu"}
        shared |= {"code_version": CODE}
        return pd.DataFrame(shared | row for row in parts[step.part](step)).reindex(columns=COLUMNS)

    @cached_property
    def journey(self) -> Journey:
        """The data."""
        return Journey.read(self.data)

    @property
    def days(self) -> int:
        """The length of every window."""
        return int(self.plan["days"])

    def households(self, campaign: str) -> np.ndarray:
        """Those who are compared: with a purchase before the window before the start."""
        return self.journey.buyers(self.journey.start(campaign) - timedelta(days=self.days))

    def differences(self, step: Step) -> Iterator[dict[str, Any]]:
        """What differs before the start, and the spend after it and before it, plain and adjusted."""
        campaign = step.row["name"]
        start, households = self.journey.start(campaign), self.households(campaign)
        got = self.journey.got(campaign, households)
        shared = {"task": "difference", "protocol": f"campaign {campaign}"}
        found, before = self.balance(start, households, got)
        for metric, value in self.facts(campaign, households, got, found, before).items():
            yield shared | {"model": "facts", "metric": metric, "value": value}
        for column in found.columns.itertuples():
            name = f"standardised difference of {column.column}"
            yield shared | {
                "model": "balance",
                "metric": name,
                "value": round(column.difference, 6),
            }
        for name in self.plan["shown"]:
            for group, rows in ((OTHERS, ~got), (GOT, got)):
                mean = round(float(before.loc[rows, name].mean()), 6)
                yield shared | {"model": group, "metric": f"mean {name}", "value": mean}
        for window, moment in (("after", start), ("before", start - timedelta(days=self.days))):
            for model, effect in self.compared(moment, households, got):
                bounds = {k: round(getattr(effect, k), 6) for k in ("low", "high")}
                value = {"metric": f"difference {window}", "value": round(effect.difference, 6)}
                yield shared | {"model": model} | value | bounds
                if model == "none":
                    means = ((OTHERS, effect.control), (GOT, effect.treatment))
                    for group, mean in means:
                        value = {"metric": f"spend {window}", "value": round(mean, 6)}
                        yield shared | {"model": group} | value

    def balance(
        self, start: datetime, households: np.ndarray, got: np.ndarray
    ) -> tuple[Balance, pd.DataFrame]:
        """The balance of all that was known at the start, and this table."""
        purchases = self.journey.purchases(start, households, demographics=True)
        before = purchases.reset_index(drop=True).join(self.journey.history(start, households))
        return balance(before, got), before

    def facts(
        self,
        campaign: str,
        households: np.ndarray,
        got: np.ndarray,
        found: Balance,
        before: pd.DataFrame,
    ) -> dict[str, float]:
        """Numbers of households, the balance as a whole, and how well spend alone tells who got it."""
        start = self.journey.start(campaign)
        other = self.journey.got_another(campaign, start, self.days, households)
        redeems = self.journey.redeems(campaign, start, self.days, households)
        spend = before["spend"].to_numpy(dtype=float)
        auc = RocAuc()
        return {
            f"households {OTHERS}": float((~got).sum()),
            f"households {GOT}": float(got.sum()),
            f"another campaign open {OTHERS}": round(float(other[~got].mean()), 6),
            f"another campaign open {GOT}": round(float(other[got].mean()), 6),
            "redeem": round(float(redeems[got].mean()), 6),
            "balance p": found.p,
            "columns": float(len(found.columns)),
            "columns far apart": float(len(found.far_apart)),
            "roc_auc of spend for who got it": round(auc(got.astype(float), spend), 6),
        }

    def compared(
        self, moment: datetime, households: np.ndarray, got: np.ndarray
    ) -> Iterator[tuple[str, Effect]]:
        """The difference in spend after a moment, plain and adjusted by what was known then."""
        known = self.known(moment, households, "purchases and history")
        earlier = self.journey.spend(moment - timedelta(days=self.days), self.days, households)
        spend = self.journey.spend(moment, self.days, households)
        outcomes = {SPEND.name: spend, CHANGE.name: spend - earlier}
        table = known.assign(arm=np.where(got, GOT, OTHERS), **outcomes)
        data = ExperimentData.of(table, control=OTHERS)
        plain = effect_of(data, SPEND, GOT, level=LEVEL)
        yield "none", plain
        yield "change", effect_of(data, CHANGE, GOT, level=LEVEL)
        predicted = predicted_covariate(data, SPEND, list(known))
        for name, covariate in (("spend before", earlier), ("all known", predicted)):
            yield name, adjusted(data, SPEND, plain, covariate, name, level=LEVEL).effect

    def known(self, moment: datetime, households: np.ndarray, features: str) -> pd.DataFrame:
        """What was known at a moment, of one of `FEATURES`."""
        history = self.journey.history(moment, households)
        if features == "history":
            return history
        purchases = self.journey.purchases(moment, households).reset_index(drop=True)
        return purchases if features == "purchases" else purchases.join(history)

    def response_history(self, step: Step) -> Iterator[dict[str, Any]]:
        """Models with and without response history, and the differences of their metrics."""
        metrics = _metrics(step.row["task"], step.row["metrics"])
        shared = {
            "task": step.row["name"],
            "protocol": f"campaign {self.plan['campaigns']['test']}",
        }
        parts = {f: self.examples(step.row["name"], f) for f in FEATURES}
        for name in step.row["models"]:
            tables = {}
            for features, (train, test) in parts.items():
                model = _model(step.row["task"], name).fit(train, FitOptions(seed=0))
                prediction = model.predict(test)
                columns = {"user_id": test.user_ids, "label": test.truth, "prediction": prediction}
                tables[features] = [pd.DataFrame(columns)]
                found = evaluate_predictions(test.truth, prediction, metrics)
                for metric, estimate in found.items():
                    model_row = {"model": f"{name}, {features}", "metric": metric}
                    yield shared | model_row | _rounded(**estimate._asdict())
            for metric in metrics:
                against = compare_predictions(tables, metric, FEATURES[0])
                for row in against.itertuples():
                    model_row = {"model": f"{name}, {row.model}"}
                    value = _rounded(value=row.difference, low=row.low, high=row.high)
                    yield shared | model_row | {"metric": f"difference of {metric.name}"} | value
        train, test = parts[FEATURES[0]]
        for group, examples in (("learn", train), ("test", test)):
            positive = float((examples.truth > 0).mean())
            yield shared | {"model": group, "metric": "households", "value": len(examples)}
            yield shared | {"model": group, "metric": "share above 0", "value": round(positive, 6)}

    def examples(self, outcome: str, features: str) -> tuple[Examples, Examples]:
        """Those to learn from, at the starts of earlier campaigns, and those of the test."""
        campaigns = self.plan["campaigns"]
        learn = [self.at_start(outcome, features, name) for name in campaigns["learn"]]
        return Examples.concat(learn), self.at_start(outcome, features, campaigns["test"])

    def at_start(self, outcome: str, features: str, campaign: str) -> Examples:
        """Households as known at the start of a campaign; for redemption only those who got it."""
        start = self.journey.start(campaign)
        households = self.journey.buyers(start)
        if outcome == "redemption":
            households = households[self.journey.got(campaign, households)]
            target = self.journey.redeems(campaign, start, self.days, households)
        else:
            target = self.journey.spend(start, self.days, households)
        table = self.known(start, households, features)
        times = np.full(len(households), np.datetime64(start, "us"))
        return Examples(table, households, times, float(self.days), target=target)

    def refusals(self, step: Step) -> Iterator[dict[str, Any]]:
        """The exit status of a command; what it says goes to refusals.csv."""
        folder = self.runs_folder / "refusals"
        share = self.write_households(folder)
        words = step.settings.replace("SHARE", f"{share:.4f}").replace("REST", f"{1 - share:.4f}")
        program = [sys.executable, "-m", "growthlab.cli.main", *shlex.split(words)]
        done = subprocess.run(program, cwd=folder, capture_output=True, text=True)
        self.keep_line(step.row["name"], words, done)
        status = {"model": step.row["name"], "metric": "exit status", "value": done.returncode}
        yield {"task": "refusal", "protocol": f"campaign {self.plan['campaigns']['test']}"} | status

    def write_households(self, folder: Path) -> float:
        """The files that the commands read, of the last campaign; the share of households that got it."""
        campaign = self.plan["campaigns"]["test"]
        start, households = self.journey.start(campaign), self.households(campaign)
        got = self.journey.got(campaign, households)
        folder.mkdir(parents=True, exist_ok=True)
        window = timedelta(days=self.days)
        known = self.journey.purchases(start, households).reset_index(drop=True)
        history = self.journey.history(start, households)
        table = pd.DataFrame({"user_id": households, "arm": np.where(got, GOT, OTHERS)})
        table["spend"] = self.journey.spend(start, self.days, households)
        table["before spend"] = self.journey.spend(start - window, self.days, households)
        for name in ("orders_90d", "days_since_last"):
            table[name] = known[name]
        table["campaigns_received"] = history["campaigns_received"]
        table.to_csv(folder / "households.csv", index=False)
        table[["user_id", "arm", "spend"]].to_csv(folder / "spend.csv", index=False)
        columns = "user_id, item_id, event_type, timestamp, unit_price"
        purchases = self.journey.log.query(f"SELECT {columns} FROM events")
        purchases.to_csv(folder / "purchases.csv", index=False)
        policy = pd.DataFrame({"action": [GOT, OTHERS], "probability": [1.0, 0.0]})
        policy.to_csv(folder / "policy.csv", index=False)
        return float(got.mean())

    def keep_line(self, name: str, words: str, done: subprocess.CompletedProcess[str]) -> None:
        """Put what a command said into refusals.csv: its error, or its verdict with the warnings."""
        path = self.folder / "refusals.csv"
        said = done.stderr if done.returncode == 2 else done.stdout
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        if done.returncode == 2:
            said = lines[-1]
        else:  # its title, what it says, and a table
            said = " ".join(takewhile(lambda line: not line.startswith("outcome "), lines[1:]))
        row = pd.DataFrame([{"step": name, "command": f"growthlab {words}", "said": said}])
        if path.exists():
            known = pd.read_csv(path)
            row = pd.concat([known[known["step"] != name], row])
        row.to_csv(path, index=False)


def _model(task: str, name: str) -> Any:
    """A model of the platform with its default settings."""
    node = compose("train", [f"task={task}", f"model={task}/{name}"]).config
    kind = build(node.task, Task, "task").model_type
    return wrap_estimator(build(node.model, kind, "model"))


def _metrics(task: str, names: list[str]) -> list[Any]:
    """Metrics of the platform."""
    family = {"churn": "binary", "value": "value"}[task]
    words = ",".join(f"{family}/{name}" for name in names)
    config = compose("train", [f"task={task}", f"metrics=[{words}]"]).config
    metrics, _ = build_metrics(config.metrics)
    return list(metrics.values())


def _rounded(**values: float) -> dict[str, float]:
    """The values with six digits."""
    return {name: round(float(value), 6) for name, value in values.items()}


if __name__ == "__main__":
    CompleteJourney(__file__).run()
