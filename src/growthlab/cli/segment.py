"""growthlab segment: segments, tiers, triggers and lookalikes as of a date, one row a customer."""

from __future__ import annotations

import shutil
from pathlib import Path

from growthlab.config.compose import Command
from growthlab.insight.customer_tables import customer_sections
from growthlab.tracking.command_run import command_run
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.run_links import look_lines
from growthlab.workbench.customer_views import segments_at
from growthlab.workbench.logged_config import plain_config
from growthlab.workbench.set_up import event_source, read_or_open, shop_calendar, tracking_store

KEYS_NOT_LOGGED = ("tracking", "cache", "output", "memory_gb")


def run(command: Command) -> int:
    """Write one Parquet file a section to ``output``/<data> and to a run in MLflow."""
    config = command.config
    named = any(word.startswith("section=") for word in command.words)
    sections = customer_sections(config.get("section") or {}, named=named)
    source, store = event_source(config), tracking_store(config)
    calendar = shop_calendar(config, source)
    requested = None if config.as_of is None else calendar.parse(config.as_of, "as_of")
    name = command.choice("data")
    events = read_or_open(source, config)
    result, end, as_of = segments_at(sections, source, events, calendar, requested)
    folder = Path(str(config.output)) / name
    paths = result.save(folder)
    lineage = Lineage.of_data(events, source, data=name, task="segment", cutoff=str(end))
    logged = {k: v for k, v in plain_config(command).items() if k not in KEYS_NOT_LOGGED}
    with command_run(store, lineage, logged, "segment") as logged_run:
        for path in paths:
            shutil.copy(path, logged_run.folder)
        logged_run.metrics |= result.metrics
    print(result.summary(folder))
    where = f"as of {as_of} ({calendar.timezone}); run {logged_run.run_id} in {lineage.experiment}"
    print("\n".join([where, *look_lines(store, lineage.experiment, logged_run.run_id)]))
    return 0
