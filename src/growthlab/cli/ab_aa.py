"""growthlab ab aa: false alarms of the statistics on random splits of the shop's own customers."""

from __future__ import annotations

from growthlab.config.compose import Command
from growthlab.core.errors import ConfigError
from growthlab.effects.experiment_outcome import ExperimentOutcome
from growthlab.effects.false_alarms import TOLERATED, false_alarms
from growthlab.effects.shop_window import check_days, shop_window
from growthlab.pages.text_table import table_text
from growthlab.tracking.command_run import command_run
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.run_links import look_lines
from growthlab.workbench.logged_config import plain_config
from growthlab.workbench.set_up import event_source, read_or_open, tracking_store

ALARM = 3  # the exit status with fail_on_alarm=true
FEWEST_SPLITS = 100
KEYS_NOT_LOGGED = ("tracking", "cache", "memory_gb")


def run(command: Command) -> int:
    """Print the share of false alarms of every outcome, and log it in MLflow."""
    config = command.config
    outcomes = [ExperimentOutcome.of(str(spelling)) for spelling in config.outcomes]
    if not outcomes:
        raise ConfigError("outcomes=[] leaves nothing to test: name some")
    if config.splits < FEWEST_SPLITS:
        raise ConfigError(f"splits must be {FEWEST_SPLITS} or more, got {config.splits}")
    if not 0 < config.alpha < 0.5:
        raise ConfigError(f"alpha must lie between 0 and 0.5, got {config.alpha:g}")
    check_days(config.days, config.before)
    source, store, name = event_source(config), tracking_store(config), command.choice("data")
    log = read_or_open(source, config)
    window = shop_window(log, config.days, config.before)
    found = false_alarms(
        window, outcomes, n_splits=config.splits, alpha=config.alpha, seed=config.seed
    )
    lineage = Lineage.of_data(log, source, data=name, task="ab aa")
    logged = {k: v for k, v in plain_config(command).items() if k not in KEYS_NOT_LOGGED}
    with command_run(store, lineage, logged, "ab aa") as logged_run:
        for row in found.table.to_dict("records"):
            about = f"{row['outcome']}/{row['method']}".replace("/", " per ", 1)
            logged_run.metrics[f"false_alarms/{about}"] = float(row["false_alarms"])
    print(f"{found.n_splits:,} splits of {found.n_customers:,} customers, alpha {found.alpha:g}")
    print(table_text(found.table))
    if found.off:
        print(
            f"off by more than {100 * TOLERATED:g} %: {', '.join(found.off)}: p values of these "
            "outcomes cannot be trusted"
        )
    where = f"run {logged_run.run_id} in {lineage.experiment}"
    print("\n".join([where, *look_lines(store, lineage.experiment, logged_run.run_id)]))
    return ALARM if found.off and config.fail_on_alarm else 0
