"""growthlab plan: whom to tell what, when and where within a budget."""

from __future__ import annotations

from pathlib import Path

from growthlab.campaign.example_tables import write_example
from growthlab.campaign.impact_assessment import impact_assessment
from growthlab.campaign.plan_files import (
    ARTIFACTS,
    ASSESSMENT,
    PAGE,
    metrics,
    plan_folder,
    write_plan,
)
from growthlab.campaign.plan_page import plan_page, summary
from growthlab.config.compose import Command
from growthlab.workbench.campaign_planning import planned_campaign
from growthlab.workbench.log_report import log_report
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
    texts = {
        PAGE: plan_page(plan, currency, int(config.draws), planned.budgets),
        ASSESSMENT: impact_assessment(plan, planned.features.columns.tolist(), currency),
    }
    write_plan(plan, planned.check, planned.features, texts, folder)
    look = log_report(
        command,
        store,
        planned.lineage,
        [folder / name for name in ARTIFACTS],
        metrics(plan),
        keys_not_logged=KEYS_NOT_LOGGED,
        where=str(folder),
    )
    print("\n".join([summary(plan, currency), *look]))
    return 0
