"""Runs every policy of plan.yaml in every market, month by month, and keeps results.csv.

    nice -n 19 python experiments/09-closed-loop/run.py [--only NAME ...]

A seed and policy that stands in results.csv is not run again. Values are those of a month (``month 3``) or of
all of them (``all months``); bounds are those of the statement that the platform makes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from customer_scores import Scores
from policies import Moment, Planner, policies, slots_of

from growthlab.campaign.holdout import CONTROL, EXPLORE, PLAN
from growthlab.core.errors import DataError
from growthlab.data.market.market import Market, MarketSettings
from growthlab.data.market.market_items import DAYS
from growthlab.effects.experiment_data import ExperimentData
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.logged_actions import LoggedActions
from growthlab.effects.off_policy_value import off_policy_value
from growthlab.effects.tea_statistics import effect_of
from growthlab.tracking.code_version import code_version

STUDY = Path(__file__).resolve().parent
RESULTS = STUDY / "results.csv"
COLUMNS = ["task", "data", "protocol", "split", "model", "seed", "metric", "value", "low", "high",
           "fit_seconds", "device", "code_version", "run_id"]  # fmt: skip
CODE = code_version()
JUDGED = ("news", "email")  # the policy that ope judges from the exploration


class Loop:
    """One policy in one market."""

    def __init__(self, plan: dict[str, Any], name: str, start: Market, scores: Scores) -> None:
        self.plan, self.name, self.market, self.scores = plan, name, start, scores
        self.policy = policies(plan)[name]
        self.rows: list[dict[str, Any]] = []
        self.logged: list[pd.DataFrame] = []  # what exploration did
        self.discounts = np.zeros(len(start.user_ids))

    def run(self) -> list[dict[str, Any]]:
        """All months."""
        for month in range(1, self.plan["months"] + 1):
            self.month(month)
        self.fairness()
        return self.rows

    def month(self, month: int) -> None:
        """Plan, let it happen, and say what is said of it."""
        market = self.market
        truth = None
        if isinstance(self.policy, Planner) or self.name == "oracle":
            truth = market.true_effects(slots_of(market, self.plan))
        moment = Moment(market, truth, self.scores, self.plan, month)  # type: ignore[arg-type]
        plan = self.policy.rows(moment)
        later = market.next_month(plan)
        self.market = later
        assert later.last is not None
        sent, profit = later.last.sent, later.profits[-1]
        label = f"month {month}"
        self.add(label, "profit", profit.sum())
        self.add(label, "messages", len(sent))
        self.add(label, "answers", sent.answered.sum())
        self.add(label, "opt_outs", sent.closed.sum())
        self.add(label, "here", later.state.is_here(later.world, later.state.month * DAYS).sum())
        offers = later.world.parameters.offers
        depth = np.array([offer["discount"] for offer in offers.values()])[sent.offer]
        np.add.at(self.discounts, sent.customer, depth > 0)
        if isinstance(self.policy, Planner):
            self.state_effects(self.policy, moment, plan, profit)
            self.learn(self.policy, moment, plan, profit)

    def state_effects(
        self, policy: Planner, moment: Moment, plan: pd.DataFrame, profit: np.ndarray
    ) -> None:
        """The statement of ab on the plan, its truth, and what control and exploration cost."""
        market, truth, label = moment.market, moment.truth, f"month {moment.month}"
        place = pd.Index(market.user_ids).get_indexer(pd.Index(plan["customer"]))
        month, total = (
            self.true_of(plan, place, truth, each) for each in (truth.month, truth.total)
        )
        arms = plan["arm"].to_numpy()
        planned = arms == PLAN
        effect = self.effect_of_plan(policy, moment, plan, profit[place])
        self.add(label, "ab_effect", *effect)
        self.add(label, "ab_truth", month[planned].mean())
        self.add(label, "planned_total", total[planned].sum())
        explored = arms == EXPLORE
        lost = explored.sum() * total[planned].mean() - total[explored].sum()
        self.add(label, "cost_of_exploration", lost)
        self.add(label, "cost_of_control", (arms == CONTROL).sum() * total[planned].mean())
        self.log_exploration(moment, plan, profit, place, explored)
        if moment.month in self.plan["ope_months"]:
            self.state_policy_value(label)

    def effect_of_plan(
        self, policy: Planner, moment: Moment, plan: pd.DataFrame, profit: np.ndarray
    ) -> tuple[float, float, float]:
        """The effect of being planned on the profit of a customer, and its bounds; profits by row."""
        customers = pd.DataFrame(
            {"user_id": plan["customer"], "arm": plan["arm"], "profit": profit}
        )
        control = policy.control
        shares = {PLAN: 1 - control - policy.explore, CONTROL: control}
        data = ExperimentData.of(customers, control=CONTROL, arms=[PLAN], shares=shares)
        effect = effect_of(data, ExperimentOutcome.of("profit"), PLAN, level=0.95)
        return effect.difference, effect.low, effect.high

    def true_of(
        self, plan: pd.DataFrame, place: np.ndarray, truth: Any, effects: np.ndarray
    ) -> np.ndarray:
        """The true effect of each row of a plan; 0 without message."""
        sent = plan["offer"].notna().to_numpy()
        offer, channel = (
            pd.Index(names).get_indexer(pd.Index(plan[column][sent]))
            for names, column in ((truth.offers, "offer"), (truth.channels, "channel"))
        )
        slot = truth.slots.get_indexer(pd.DatetimeIndex(plan["slot"][sent]))
        out = np.zeros(len(plan))
        out[sent] = effects[place[sent], offer, channel, slot]
        return out

    def log_exploration(
        self,
        moment: Moment,
        plan: pd.DataFrame,
        profit: np.ndarray,
        place: np.ndarray,
        explored: np.ndarray,
    ) -> None:
        """The rows of exploring customers who may get e-mails, as ope reads them, and their truth."""
        truth = moment.truth
        offer, channel = truth.offers.index(JUDGED[0]), truth.channels.index(JUDGED[1])
        rows = explored & plan["customer"].isin(moment.may(JUDGED[1])).to_numpy()
        same = (plan["offer"] == JUDGED[0]) & (plan["channel"] == JUDGED[1])
        expected = truth.without[place] + truth.month[place, offer, channel].mean(axis=1)
        self.logged.append(
            pd.DataFrame(
                {
                    "customer": place,
                    "reward": profit[place],
                    "logged": plan["assignment_probability"] / plan["arm_probability"],
                    "target": np.where(same, 1 / len(truth.slots), 0.0),
                    "expected": expected,
                }
            )[rows]
        )

    def state_policy_value(self, label: str) -> None:
        """The statement of ope on the news by e-mail for everybody, from all exploration so far."""
        log = pd.concat(self.logged)
        value = self.value_of_news(label, log)
        if value is None:
            self.add(label, "ope_refused", 1.0)
            return
        self.add(label, "ope_value", *value)
        self.add(label, "ope_truth", log["expected"].mean())

    def value_of_news(self, label: str, log: pd.DataFrame) -> tuple[float, float, float] | None:
        """The value of the policy that ope judges and its bounds; None where ope refuses to say it."""
        actions = LoggedActions(
            reward=log["reward"].to_numpy(),
            logged=log["logged"].to_numpy(),
            target=log["target"].to_numpy(),
            cluster=pd.factorize(log["customer"])[0],
        )
        try:
            value = off_policy_value(actions).headline
        except DataError:
            return None
        return value.value, value.low, value.high

    def learn(
        self, policy: Planner, moment: Moment, plan: pd.DataFrame, profit: np.ndarray
    ) -> None:
        """Show the learner of a planner what its control and exploration did."""
        learner = policy.learner
        if learner is None:
            return
        market = moment.market
        costs = {name: c["cost"] for name, c in market.world.parameters.channels.items()}
        earned = pd.Series(profit, index=market.user_ids)
        sent = plan[plan["offer"].notna()]
        paid = pd.Series(sent["channel"].map(costs).to_numpy(), index=sent["customer"])
        earned = earned.add(paid, fill_value=0.0)
        reach = market.reachable
        some = reach["customer"][reach["consent"]].drop_duplicates()
        learner.see(moment.table.loc[some], plan, earned, policy.propensity)
        self.add(f"month {moment.month}", "offers_with_skill", sum(learner.shown.values()))

    def fairness(self) -> None:
        """Discounts a customer who had arrived before the loop, by age and by third of earlier profit."""
        market = self.market
        first = len(market.profits) - self.plan["months"]
        known = market.world.customers.arrival <= (market.state.month - self.plan["months"]) * DAYS
        before = np.sum(market.profits[:first], axis=0)
        thirds = pd.qcut(pd.Series(before[known]).rank(method="first"), 3, labels=False).to_numpy()
        ages = market.world.customers.attributes["age_band"].to_numpy()[known]
        for kind, groups in (("age", ages), ("third", thirds)):
            means = pd.Series(self.discounts[known]).groupby(groups).mean()
            for name, mean in means.items():
                self.add("all months", f"discounts, {kind} {name}", mean)

    def add(self, protocol: str, metric: str, value: float, *bounds: float) -> None:
        """A row of results.csv."""
        low, high = bounds or (np.nan, np.nan)
        self.rows.append(
            {
                "task": "plan",
                "data": "simulated_market",
                "protocol": protocol,
                "split": "",
                "model": self.name,
                "seed": self.market.settings.seed,
                "metric": metric,
                "value": round(float(value), 6),
                "low": low,
                "high": high,
                "device": "cpu",
                "code_version": CODE,
            }
        )


def left(plan: dict[str, Any], seeds: list[int]) -> Iterator[tuple[int, list[str]]]:
    """Seeds with the policies that have not run."""
    done: set[tuple[int, str]] = set()
    if RESULTS.exists():
        known = pd.read_csv(RESULTS)
        done = set(zip(known["seed"], known["model"], strict=True))
    for seed in seeds:
        names = [name for name in plan["policies"] if (seed, name) not in done]
        if names:
            yield seed, names


def main() -> None:
    """Run what is left."""
    plan = yaml.safe_load((STUDY / "plan.yaml").read_text())
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="some of the markets of plan.yaml"
    )
    seeds = [int(row["name"]) for row in plan["parts"]["markets"]["rows"]]
    only = " ".join(parser.parse_args().only or map(str, seeds)).split()
    for seed, names in left(plan, [seed for seed in seeds if str(seed) in only]):
        start = Market.start(MarketSettings(seed=seed, **plan["market"]))
        scores = Scores.of(start)
        for name in names:
            started = time.process_time()
            rows = Loop(plan, name, start, scores).run()
            seconds = time.process_time() - started
            table = (
                pd.DataFrame(rows).assign(fit_seconds=round(seconds, 1)).reindex(columns=COLUMNS)
            )
            text = table.to_csv(header=not RESULTS.exists(), index=False)
            with RESULTS.open("ab", buffering=0) as file:  # in one piece: several may write
                file.write(text.encode())
            profit = sum(row["value"] for row in rows if row["metric"] == "profit")
            print(f"seed {seed} {name}: profit {profit:,.0f}, {seconds:.0f} CPU s", flush=True)


if __name__ == "__main__":
    main()
