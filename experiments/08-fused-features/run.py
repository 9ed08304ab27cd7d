"""Fits models of churn, value and effects with and without the features that a plan joins to its customers.

    python experiments/08-fused-features/run.py [--only NAME ...]

A step is a market; its number is the seed in results.csv, and the protocol there is the group of features.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from fused_features import by_snapshot, contact_columns, list_columns, permuted
from message_months import MessageMarket
from trials import METRICS, Trial, all_customers, trials

from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.data.event_log import EventLog
from growthlab.features.examples import Examples
from growthlab.models.boosting import TREES
from growthlab.models.table_estimator import wrap_estimator
from growthlab.models.uplift.base import EffectModel
from growthlab.tasks.churn import Churn
from growthlab.tasks.top_n import TopN
from growthlab.tasks.uplift import Uplift
from growthlab.tasks.value import Value
from growthlab.tracking.code_version import code_version
from growthlab.training.fit_options import FitOptions

sys.path.append(str(Path(__file__).resolve().parents[1]))

from study import COLUMNS, Step, Study

CODE = code_version()
KINDS = {
    "churn": Churn.model_type,
    "value": Value.model_type,
    "uplift": Uplift.model_type,
    "effect": Value.model_type,
}
ALONE = "customer table"


class FusedFeatures(Study):
    """The same customers, models and cutoff with other columns."""

    def rows(self, step: Step, data: Path | None) -> pd.DataFrame:
        """Every task, group of features and model in the market of a step."""
        seed = int(step.settings)
        messages = MessageMarket.run(seed, self.plan)
        log = messages.market.log()
        made = list(trials(messages, log, self.plan))
        groups = self.groups(log, messages, all_customers(made), seed)
        rows = [
            {"protocol": group, "seed": seed, **row}
            for group, added in groups.items()
            for trial in made
            for row in self.fitted(trial, added, seed)
        ]
        shared = {"data": "simulated_market", "split": "global_time", "device": "cpu"}
        return pd.DataFrame(rows).assign(**shared, code_version=CODE).reindex(columns=COLUMNS)

    def groups(
        self, log: EventLog, messages: MessageMarket, customers: Examples, seed: int
    ) -> dict[str, pd.DataFrame]:
        """What each group adds to the customer table, in the order of the customers."""
        events, channels = messages.market.tables()[0], messages.market.world.parameters.channels
        silent = [name for name, channel in channels.items() if not channel["clicks"]]
        contacts, lists = [], []
        for snapshot, rows in by_snapshot(customers):
            users = customers.user_ids[rows]
            recommender = build(_node(self.plan["lists"], "top_n"), TopN.model_type, "model")
            contacts.append(contact_columns(events, snapshot, users, silent).set_index(rows))
            lists.append(list_columns(log, snapshot, users, recommender).set_index(rows))
        contact, listed = pd.concat(contacts).sort_index(), pd.concat(lists).sort_index()
        listed["top_category"] = listed["top_category"].astype("category")
        both = contact.join(listed)
        return {
            ALONE: both[[]],
            "with contacts": contact,
            "with lists": listed,
            "with both": both,
            "with both, permuted": permuted(both, customers.snapshots, seed),
        }

    def fitted(self, trial: Trial, added: pd.DataFrame, seed: int) -> list[dict[str, Any]]:
        """The metric of each model of a trial's task with some columns more."""
        train, evaluated = trial.with_columns(added)
        options = FitOptions(seed=seed, epochs=self.plan["trees"] // TREES)
        rows = []
        for name, node in self.plan["models"][trial.task].items():
            model = build(_node(node, trial.task), KINDS[trial.task], "model")
            model = model if isinstance(model, EffectModel) else wrap_estimator(model)
            started = time.perf_counter()
            model.fit(train, options)
            seconds = round(time.perf_counter() - started, 3)
            value = round(trial.value(model.predict(evaluated)), 6)
            metric, _ = METRICS[trial.task]
            about = {"task": trial.task, "model": name, "metric": metric}
            rows.append({**about, "value": value, "fit_seconds": seconds})
        return rows


def _node(model: str | Mapping[str, Any], task: str) -> Mapping[str, Any]:
    """The config of a model: a file of conf/model, or what the plan says."""
    return _file(model, task) if isinstance(model, str) else model


@cache
def _file(name: str, task: str) -> Mapping[str, Any]:
    node: Mapping[str, Any] = compose("train", [f"task={task}", f"model={name}"]).config.model
    return node


if __name__ == "__main__":
    FusedFeatures(__file__).run()
