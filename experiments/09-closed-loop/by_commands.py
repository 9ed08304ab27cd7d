"""The planner with heuristic values by the platform's own commands, beside run.py's calls of their functions.

    python experiments/09-closed-loop/by_commands.py FOLDER [--market 101] [--months 3]

Each month the market writes the tables of a campaign, ``growthlab plan`` writes its plan, the market goes on
by a month after that file, and ``growthlab plan outcomes``, ``ab`` and ``ope`` say what happened. All files
stay in FOLDER. A month whose plan is there goes on after it, whoever wrote it: another call with more months
continues the market, also after a plan of one's own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from customer_scores import Scores
from policies import DAYS_PLANNED, KEY, Moment, Planner, Policy, write_tables
from run import STUDY, Loop

from growthlab.campaign.offer_values import HEURISTIC
from growthlab.core.pseudonyms import KEY_VARIABLE
from growthlab.data.market.market import Market, MarketSettings
from growthlab.data.market.market_items import DAYS

NAME = "planner_heuristic"
REFUSED = 2  # exit status of a command that may not say what it was asked
Run = Callable[[list[str], Path], tuple[int, str]]


def run_command(words: list[str], folder: Path) -> tuple[int, str]:
    """A command of growthlab in a process of its own, in a folder: its exit status and what it printed."""
    ended = subprocess.run(
        [sys.executable, "-m", "growthlab", *words],
        cwd=folder,
        env={**os.environ, KEY_VARIABLE: KEY},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


class CommandPlanner(Planner):
    """The planner, whose plan is the file that ``growthlab plan`` writes."""

    folder: Path
    run: Run

    def rows(self, moment: Moment) -> pd.DataFrame:
        """See `Policy.rows`."""
        name = self.campaign(moment)
        path = self.folder / "plans" / name / "plan.parquet"
        if not path.exists():
            tables = month_folder(self.folder, moment.month)
            write_tables(moment, tables)
            self.write_values(moment, tables)
            plan = moment.plan
            words = [
                f"tables={tables.name}", f"campaign={name}", f"budget={moment.budget!r}",
                f"first_slot={moment.market.now.isoformat()}", f"days={DAYS_PLANNED}",
                f"control={self.control}", f"explore={self.explore}",
                f"explore_limit={plan['explore_limit']}", "draws=0",
            ]  # fmt: skip
            done(self.run(["plan", *words], self.folder), "plan")
        return pd.read_parquet(path)

    def write_values(self, moment: Moment, folder: Path) -> None:
        """The table of values: what a customer is expected to spend, the same for each offer."""
        value, offers = moment.table["value"], list(moment.market.world.parameters.offers)
        table = pd.DataFrame(
            {
                "customer": np.repeat(value.index.to_numpy(), len(offers)),
                "offer": np.tile(offers, len(value)),
                HEURISTIC: np.repeat(value.to_numpy(), len(offers)),
                "model": "value/bg_nbd",
            }
        )
        table.to_parquet(folder / "values.parquet")


class CommandLoop(Loop):
    """The loop of run.py, whose plans and statements come from commands."""

    def __init__(
        self, plan: dict[str, Any], start: Market, scores: Scores, folder: Path, run: Run
    ) -> None:
        super().__init__(plan, NAME, start, scores)
        planner = CommandPlanner(**vars(self.policy))
        planner.folder, planner.run = folder, run
        self.policy: Policy = planner
        self.folder, self.run_command = folder, run

    def effect_of_plan(
        self, policy: Planner, moment: Moment, plan: pd.DataFrame, profit: np.ndarray
    ) -> tuple[float, float, float]:
        """See `Loop.effect_of_plan`: by ``plan outcomes``, and the ``ab`` that it prints."""
        tables, name = month_folder(self.folder, moment.month), policy.campaign(moment)
        report = self.folder / "reports" / tables.name / "ab.json"
        if not report.exists():
            end = moment.market.now + timedelta(days=DAYS)
            window = (end - plan["decided_at"].max()).days
            happened = pd.DataFrame(
                {
                    "user_id": plan["customer"],
                    "timestamp": end - timedelta(days=2),
                    "profit": profit,
                }
            )
            last = happened.iloc[:1].assign(
                timestamp=end, profit=0.0
            )  # the table is whole until then
            happened = pd.concat([happened, last])
            happened.to_parquet(tables / "profits.parquet")
            words = [
                f"plan=plans/{name}", f"events.path={tables.name}/profits.parquet",
                "outcome=profit", f"window_days={window}",
            ]  # fmt: skip
            printed = done(
                self.run_command(["plan", "outcomes", *words], self.folder), "plan outcomes"
            )
            (ab,) = [line for line in printed.splitlines() if line.startswith("growthlab ab ")]
            done(self.run_command([*shlex.split(ab)[1:], f"name={tables.name}"], self.folder), "ab")
        found = json.loads(report.read_text())["arms"]["plan"]["primary"]
        return found["difference"], found["low"], found["high"]

    def value_of_news(self, label: str, log: pd.DataFrame) -> tuple[float, float, float] | None:
        """See `Loop.value_of_news`: by ``ope``."""
        tables = month_folder(self.folder, int(label.removeprefix("month ")))
        report = self.folder / "reports" / tables.name / "ope.json"
        if not report.exists():
            # customers are resampled in the order of their names: as run.py, in that of appearance
            names = [f"{place:08}" for place in pd.factorize(log["customer"])[0]]
            log.assign(action="message", customer=names).to_parquet(tables / "explored.parquet")
            words = [
                f"actions.path={tables.name}/explored.parquet", "actions.propensity=logged",
                "actions.target=target", "actions.customer=customer", f"name={tables.name}",
            ]  # fmt: skip
            ended = self.run_command(["ope", *words], self.folder)
            if ended[0] == REFUSED:
                return None
            done(ended, "ope")
        found = json.loads(report.read_text())["estimates"]["SNIPS"]  # no rewards are modelled here
        return found["value"], found["low"], found["high"]


def month_folder(folder: Path, month: int) -> Path:
    """The folder of the tables of a month, which is also the name of its reports."""
    tables = folder / f"month-{month:02}"
    tables.mkdir(parents=True, exist_ok=True)
    return tables


def done(ended: tuple[int, str], name: str) -> str:
    """What a command printed; the end of the study where it failed."""
    status, printed = ended
    if status:
        raise SystemExit(f"growthlab {name} ended with status {status}")
    return printed


def compared(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> pd.DataFrame:
    """A row a number of both, values and bounds: what commands said and what functions said."""
    keys = ["protocol", "metric"]
    tables = [
        pd.DataFrame(rows).set_index(keys)[["value", "low", "high"]].stack().dropna()
        for rows in (ours, theirs)
    ]
    return pd.concat(tables, axis=1, keys=["commands", "functions"])


def main() -> int:
    """Run the months by commands and by functions, and compare; 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where all tables, plans and reports are")
    parser.add_argument("--market", type=int, default=101, help="its seed")
    parser.add_argument("--months", type=int, default=3, help="from the first on")
    words = parser.parse_args()
    plan = {**yaml.safe_load((STUDY / "plan.yaml").read_text()), "months": words.months}
    words.folder.mkdir(parents=True, exist_ok=True)
    start = Market.start(MarketSettings(seed=words.market, **plan["market"]))
    scores = Scores.of(start)
    ours = CommandLoop(plan, start, scores, words.folder.resolve(), run_command).run()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.process_time()
    theirs = Loop(plan, NAME, start, scores).run()
    table = compared(ours, theirs)
    table.reset_index().to_csv(words.folder / "compared.csv", index=False)
    differ = table[table["commands"] != table["functions"]]
    print(
        f"market {words.market}, {words.months} months: {len(table)} numbers, {len(differ)} differ; commands "
        f"took {used.ru_utime + used.ru_stime:.0f} CPU s, all of run.py's {time.process_time() - begun:.0f}"
    )
    if len(differ):
        print(differ.to_string())
    return 1 if len(differ) else 0


if __name__ == "__main__":
    sys.exit(main())
