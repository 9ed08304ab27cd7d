"""growthlab portrait: the tags of every customer as of a cutoff, and the dictionary of tags."""

from __future__ import annotations

from growthlab.config.compose import Command
from growthlab.core.build import build
from growthlab.features.portrait.portrait import Portrait
from growthlab.features.portrait.portrait_files import (
    output_path,
    write_customer_portraits,
    write_dictionary,
)
from growthlab.tracking.command_run import command_run
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.run_links import look_lines
from growthlab.workbench.customer_views import portrait_at
from growthlab.workbench.logged_config import plain_config
from growthlab.workbench.set_up import event_source, read_or_open, shop_calendar, tracking_store

KEYS_NOT_LOGGED = ("tracking", "cache", "dictionary", "output", "memory_gb")


def run(command: Command) -> int:
    """Write the portrait to a Parquet file and to a run in MLflow."""
    config = command.config
    if config.dictionary is not None:
        write_dictionary(output_path(config.dictionary, "dictionary"))
        print(f"tags in {config.dictionary}")
        return 0
    portrait: Portrait = build(config.portrait, Portrait)
    source, store = event_source(config), tracking_store(config)
    output = output_path(config.output, "output", ".parquet")
    calendar = shop_calendar(config, source)
    requested = None if config.cutoff is None else calendar.parse(config.cutoff, "cutoff")
    events = read_or_open(source, config)
    table, end, cutoff = portrait_at(portrait, source, events, calendar, requested)
    lineage = Lineage.of_data(
        events, source, data=command.choice("data"), task="portrait", cutoff=str(end)
    )
    logged = {k: v for k, v in plain_config(command).items() if k not in KEYS_NOT_LOGGED}
    with command_run(store, lineage, logged, "portrait") as logged_run:
        for folder in (output.parent, logged_run.folder):
            write_customer_portraits(table, folder / output.name)
        logged_run.metrics |= {"customers": len(table.frame), "tags": len(table.tags)}
    print(table.summary(cutoff))
    where = f"portraits in {output}; run {logged_run.run_id} in {lineage.experiment}"
    print("\n".join([where, *look_lines(store, lineage.experiment, logged_run.run_id)]))
    return 0
