"""From the folder of a plan and a table of outcomes to the tables that experiments start from."""

from __future__ import annotations

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
    commands = [
        f"growthlab ab exposures.path={folder / CUSTOMERS} exposures.user_id=customer "
        f"control={CONTROL} arms=[{PLAN}] {_shares(customers, 'arm')} outcomes=[{outcome}]",
        f"growthlab ope actions.path={folder / ACTIONS} actions.customer=customer policy=policy.csv",
    ]
    if CAMPAIGNS_ARM in customers:
        commands.append(
            f"growthlab ab name=campaigns exposures.path={folder / CUSTOMERS} exposures.user_id=customer "
            f"exposures.arm={CAMPAIGNS_ARM} control={LASTING} arms=[{CAMPAIGNS}] "
            f"{_shares(customers, CAMPAIGNS_ARM)} outcomes=[{outcome}]"
        )
    times = record.send_times(found)
    if times is not None:
        tables[TIMES] = times
        commands.append(
            f"growthlab ab name=send_times exposures.path={folder / TIMES} exposures.user_id=customer "
            f"exposures.arm={SLOT_ARM} control={RANDOM} {_shares(times, SLOT_ARM)} outcomes=[{outcome}]"
        )
    for number, offer in enumerate(record.offers, start=1):
        name = f"experiment-{number}.parquet"
        tables[name] = record.experiment(offer, found, outcome)
        commands.append(_uplift(folder / name, offer, outcome))
    return LearningTables(tables, counted.facts, commands)


def _shares(customers: pd.DataFrame, arm: str) -> str:
    """The intended shares of the arms, as a word of a command."""
    shares = customers.drop_duplicates(arm).set_index(arm)[f"{arm}_probability"].astype(float)
    return "'shares={" + ",".join(f"{name}:{share:.6g}" for name, share in shares.items()) + "}'"


def _uplift(path: Path, offer: str, outcome: str) -> str:
    """The comparison of models of what an offer changes."""
    probability = f"{NOTHING}:{NOTHING_PROBABILITY},{offer}:{OFFER_PROBABILITY}"
    columns = {"user_id": "customer", "arm": "arm", "label": outcome}
    named = " ".join(f"data.columns.{role}={column}" for role, column in columns.items())
    return (
        f"growthlab compare task=uplift data=experiment_table data.path={path} {named} "
        f"'data.control={NOTHING}' 'data.probability={{{probability}}}'"
    )
