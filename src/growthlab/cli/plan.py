"""growthlab plan: whom to tell what, when and where within a budget."""

from __future__ import annotations

import shutil
from pathlib import Path

from growthlab.campaign.example_tables import write_example
from growthlab.campaign.plan_files import ARTIFACTS, metrics, plan_folder, write_plan
from growthlab.campaign.plan_page import plan_page, summary
from growthlab.config.compose import Command
from growthlab.tracking.command_run import command_run
from growthlab.tracking.run_links import look_lines
from growthlab.workbench.campaign_planning import planned_campaign
from growthlab.workbench.logged_config import plain_config
from growthlab.workbench.set_up import event_source, read_or_open, tracking_store

KEYS_NOT_LOGGED = ("tracking", "data", "cache", "output", "memory_gb", "privacy", "example")


def run(command: Command) -> int:
    """Write the plan to the folder ``output``/<campaign>, once it is checked, and log it in MLflow."""
    config = command.config
    if config.example:
        paths = write_example(read_or_open(event_source(config), config), Path(str(config.tables)))
        print("\n".join(str(path) for path in paths))
        return 0
    store = tracking_store(config)
    folder = plan_folder(Path(str(config.output)), str(config.campaign))
    planned = planned_campaign(config)
    plan, currency = planned.plan, str(config.currency or "")
    page = plan_page(plan, currency, int(config.draws), planned.budgets)
    write_plan(plan, planned.check, page, folder)
    logged = {k: v for k, v in plain_config(command).items() if k not in KEYS_NOT_LOGGED}
    with command_run(store, planned.lineage, logged, "plan") as logged_run:
        for name in ARTIFACTS:
            shutil.copy(folder / name, logged_run.folder)
        logged_run.metrics |= metrics(plan)
    print(summary(plan, currency))
    experiment = planned.lineage.experiment
    print(f"{folder}; run {logged_run.run_id} in {experiment}")
    print("\n".join(look_lines(store, experiment, logged_run.run_id)))
    return 0
