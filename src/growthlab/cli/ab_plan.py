"""growthlab ab plan: the customers and days that an experiment needs, from the shop's own log."""

from __future__ import annotations

from pathlib import Path

from growthlab.config.compose import Command
from growthlab.core.atomic_write import atomic_file
from growthlab.core.errors import ConfigError
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.experiment_plan import PowerSettings, plan
from growthlab.effects.shop_window import check_days, shop_window
from growthlab.pages.csv_table import csv_of_table
from growthlab.pages.text_table import table_text
from growthlab.tracking.command_run import command_run
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.run_links import look_lines
from growthlab.workbench.logged_config import plain_config
from growthlab.workbench.set_up import event_source, read_or_open, tracking_store

KEYS_NOT_LOGGED = ("tracking", "cache", "output", "memory_gb")


def run(command: Command) -> int:
    """Print the plan, write it as a table, and log it in MLflow."""
    config = command.config
    settings = PowerSettings(
        outcomes=[ExperimentOutcome.of(str(spelling)) for spelling in config.outcomes],
        effect=config.effect,
        segments=[str(column) for column in config.segments],
        arms=config.arms,
        alpha=config.alpha,
        power=config.power,
    )
    check_days(config.days, config.before)
    source, store, name = event_source(config), tracking_store(config), command.choice("data")
    log = read_or_open(source, config)
    table = plan(shop_window(log, config.days, config.before), settings)
    text = csv_of_table(table)
    path = Path(str(config.output)) / name / "ab-plan.csv"
    try:
        with atomic_file(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise ConfigError(
            f"output={config.output} cannot be written ({error.strerror}): choose another folder"
        ) from error
    lineage = Lineage.of_data(log, source, data=name, task="ab plan")
    logged = {k: v for k, v in plain_config(command).items() if k not in KEYS_NOT_LOGGED}
    with command_run(store, lineage, logged, "ab plan") as logged_run:
        (logged_run.folder / path.name).write_text(text, encoding="utf-8")
    print(f"for a change of {100 * settings.effect:+g} %, customers needed are those of an arm")
    print(table_text(table))
    where = f"{path}; run {logged_run.run_id} in {lineage.experiment}"
    print("\n".join([where, *look_lines(store, lineage.experiment, logged_run.run_id)]))
    return 0
