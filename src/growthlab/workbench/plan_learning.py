"""From the folder of a plan and a table of outcomes to the tables that experiments start from."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from growthlab.campaign.holdout import CONTROL, LASTING, PLAN
from growthlab.campaign.learning_tables import (
    CAMPAIGNS,
    CAMPAIGNS_ARM,
    NOTHING,
    NOTHING_PROBABILITY,
    OFFER_PROBABILITY,
    PlanRecord,
)
from growthlab.campaign.send_times import RANDOM, SLOT_ARM
from growthlab.core.atomic_write import atomic_folder
from growthlab.core.errors import ConfigError, near_matches, quoted
from growthlab.core.plain_values import plain_values
from growthlab.effects.experiment_data import EXPOSED, USER
from growthlab.effects.outcome_events import EventTable, OutcomeWindow, count_outcomes

CUSTOMERS, ACTIONS, TIMES = "customers.parquet", "actions.parquet", "send_times.parquet"
POLICY = "policy=policy.csv"  # that one writes oneself


@dataclass(frozen=True)
class LearningTables:
    """Tables by file name, what was left out, and the commands that learn from them."""

    tables: dict[str, pd.DataFrame]
    facts: list[str]
    commands: list[str]

    def write(self, folder: Path) -> None:
        """Write the tables in place of earlier ones.

        Raises
        ------
        ConfigError
            The folder is there and holds something else.
        """
        if folder.exists() and not (folder / CUSTOMERS).exists():
            raise ConfigError(f"{folder} is there and holds no outcomes: name another output")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(folder) as new:
            for name, table in self.tables.items():
                table.to_parquet(new / name, index=False)


def learning_tables(config: Any, folder: Path) -> LearningTables:
    """The tables of a plan and the outcomes in the days after its decision; they will be in `folder`.

    Raises
    ------
    ConfigError, DataError
        No plan, no outcome of this name, or whatever is wrong with the table of outcomes.
    """
    days = config.window_days
    if isinstance(days, bool) or not isinstance(days, int) or days < 1:
        raise ConfigError(f"window_days must be a whole number of days of 1 or more, got {days!r}")
    record = PlanRecord.read(Path(str(config.plan)))
    customers = record.customers
    exposures = pd.DataFrame({USER: customers["customer"], EXPOSED: customers["decided_at"]})
    events = EventTable(**plain_values(config.events)).read()
    outcome, possible = str(config.outcome), [str(c) for c in events.columns[2:]]
    if outcome not in possible:
        raise ConfigError(
            f"outcome={quoted(outcome)} is no column of numbers: {near_matches(outcome, possible)}"
        )
    counted = count_outcomes(exposures, events, OutcomeWindow(days, 0))
    found = counted.customers.rename(columns={USER: "customer"}).drop(columns=EXPOSED)
    tables = {CUSTOMERS: record.with_outcomes(found), ACTIONS: record.actions(found, outcome)}
    seen = folder / CUSTOMERS
    commands = [
        _ab(seen, customers, "arm", outcome, f"control={CONTROL}", f"arms=[{PLAN}]"),
        _typed("ope", f"actions.path={folder / ACTIONS}", "actions.customer=customer", POLICY),
    ]
    if CAMPAIGNS_ARM in customers:
        lasting = (f"control={LASTING}", f"arms=[{CAMPAIGNS}]", "name=campaigns")
        commands.append(_ab(seen, customers, CAMPAIGNS_ARM, outcome, *lasting))
    times = record.send_times(found)
    if times is not None:
        tables[TIMES] = times
        drawn = (f"control={RANDOM}", "name=send_times")
        commands.append(_ab(folder / TIMES, times, SLOT_ARM, outcome, *drawn))
    for number, offer in enumerate(record.offers, start=1):
        name = f"experiment-{number}.parquet"
        tables[name] = record.experiment(offer, found, outcome)
        commands.append(_uplift(folder / name, offer, outcome))
    return LearningTables(tables, counted.facts, commands)


def _ab(path: Path, customers: pd.DataFrame, arm: str, outcome: str, *words: str) -> str:
    """The comparison of the arms in a column, with their intended shares."""
    known = customers.drop_duplicates(arm).set_index(arm)[f"{arm}_probability"].astype(float)
    shares = ",".join(f"{name}:{share:.6g}" for name, share in known.items())
    column = [] if arm == "arm" else [f"exposures.arm={arm}"]
    table = (f"exposures.path={path}", "exposures.user_id=customer", *column)
    return _typed("ab", *table, *words, f"shares={{{shares}}}", f"outcomes=[{outcome}]")


def _uplift(path: Path, offer: str, outcome: str) -> str:
    """The comparison of models of what an offer changes."""
    probability = f"{NOTHING}:{NOTHING_PROBABILITY},{offer}:{OFFER_PROBABILITY}"
    columns = {"user_id": "customer", "arm": "arm", "label": outcome}
    named = [f"data.columns.{role}={column}" for role, column in columns.items()]
    table = ("data=experiment_table", f"data.path={path}", *named, f"data.control={NOTHING}")
    return _typed("compare", "task=uplift", *table, f"data.probability={{{probability}}}")


def _typed(*words: str) -> str:
    """A command as a shell takes it: a folder may have a name with spaces."""
    return shlex.join(["growthlab", *words])
