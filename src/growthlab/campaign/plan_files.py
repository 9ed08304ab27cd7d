"""The files of a plan: checked before anybody can see them, and replaced together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from growthlab.campaign.checker import PlanCheck
from growthlab.campaign.plan_figures import shadow_prices, suppressed
from growthlab.campaign.planning import CampaignPlan
from growthlab.core.atomic_write import atomic_folder
from growthlab.core.errors import ConfigError, DataError
from growthlab.pages.csv_table import csv_of_table, table_of_csv

PLAN, PRICES, SUPPRESSED, PAGE = "plan", "shadow_prices.csv", "suppressed.csv", "plan.html"
ASSESSMENT = "impact_assessment.md"
EXPLORATION, FEATURES = "exploration.parquet", "features.parquet"
ARTIFACTS = (f"{PLAN}.parquet", f"{PLAN}.csv", PRICES, SUPPRESSED, PAGE, ASSESSMENT)


def write_plan(
    plan: CampaignPlan,
    check: PlanCheck,
    features: pd.DataFrame,
    texts: Mapping[str, str],
    folder: Path,
) -> None:
    """Write the plan, if the check of its written rows finds no fault.

    `features` are what is known of each customer at the moment of decision, `texts` the page and the
    assessment by file name.

    Raises
    ------
    DataError
        The check found faults; nothing is written, and what was there stays.
    """
    with atomic_folder(folder) as new:
        path = new / f"{PLAN}.parquet"
        plan.rows.to_parquet(path, index=False)
        if faults := check.faults(path):
            raise DataError(
                f"the plan is not written, it breaks its own rules: {'; '.join(faults)}"
            )
        plan.chances.to_parquet(new / EXPLORATION, index=False)
        known = pd.DataFrame({"customer": plan.options.customers}).join(features)
        known.to_parquet(new / FEATURES, index=False)
        messages = plan.rows[plan.rows["offer"].notna()]
        (new / f"{PLAN}.csv").write_text(csv_of_table(messages), encoding="utf-8")
        (new / PRICES).write_text(csv_of_table(shadow_prices(plan)), encoding="utf-8")
        (new / SUPPRESSED).write_text(csv_of_table(suppressed(plan)), encoding="utf-8")
        for name, text in texts.items():
            (new / name).write_text(text, encoding="utf-8")


def plan_folder(output: Path, campaign: str) -> Path:
    """The folder of a campaign's plan.

    Raises
    ------
    ConfigError
        It is there and holds something else, which writing the plan would remove.
    """
    folder = output / campaign
    if folder.exists() and not (folder / f"{PLAN}.parquet").exists():
        raise ConfigError(f"{folder} is there and holds no plan: name another output or campaign")
    return folder


def earlier_prices(path: Path, names: list[tuple[str, str]]) -> np.ndarray:
    """The prices of an earlier plan for rows of the same kind and name; 0 for new ones.

    A capacity is another day's under another name: its price is that of the same channel and hour.
    """
    if not path.exists():
        raise DataError(f"{path} is not there: warm_start names the folder of an earlier plan")
    table = table_of_csv(path)
    missing = {"limit", "name", "price"} - set(table.columns)
    if missing:
        raise DataError(f"{path} has no column {sorted(missing)[0]}: is it of an earlier plan?")
    known = {
        (str(kind), _without_day(str(kind), str(name))): float(price)
        for kind, name, price in table[["limit", "name", "price"]].itertuples(index=False)
    }
    return np.array([known.get((kind, _without_day(kind, name)), 0.0) for kind, name in names])


def _without_day(kind: str, name: str) -> str:
    if kind != "capacity":
        return name
    channel, _, moment = name.rpartition(" ")
    return f"{channel} {moment.partition('T')[2]}"


def metrics(plan: CampaignPlan) -> dict[str, float]:
    """The figures of the run."""
    rows = plan.rows
    sent = rows[rows["offer"].notna()]
    figures: dict[str, Any] = {
        "customers": len(plan.options.customers),
        "messages": len(sent),
        "explored_messages": len(plan.exploration.messages),
        "control_customers": rows[rows["arm"] == "control"]["customer"].nunique(),
        "lasting_control_customers": rows[rows["arm"] == "lasting_control"]["customer"].nunique(),
        "cost": sent["cost"].sum(),
        plan.options.values.claim: sent["value"].sum(),
        "bound_of_planned": plan.solution.bound,
        "gap_of_planned": plan.solution.gap,
        "explore_share": plan.exploration.share,
    }
    return {name: float(value) for name, value in figures.items()}
