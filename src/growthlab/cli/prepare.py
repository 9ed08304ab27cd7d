"""growthlab prepare: read, clean and cache a data set, and report what was dropped."""

from __future__ import annotations

import json

from growthlab.config.compose import Command
from growthlab.core.atomic_write import atomic_file
from growthlab.data.cleaning import cleaning_report_text
from growthlab.workbench.set_up import cache_folder, data_source


def run(command: Command) -> int:
    """Prepare the data set, print what was dropped and why, and save that as JSON."""
    cache = cache_folder(command.config)
    log = data_source(command.config).prepare(cache)
    name = command.choice("data")
    first, last = log.span()
    print(
        f"{name}: {log.n_events:,} events, {log.n_users:,} users, {log.n_items:,} items, {first} to {last}"
    )
    if log.cleaning:
        print(cleaning_report_text(log.cleaning))
    else:
        print("no cleaning rule is set (data.cleaning): nothing was dropped")
    saved = cache / f"{name}-cleaning.json"
    with atomic_file(saved) as file:
        file.write(json.dumps(log.cleaning, indent=2, default=str).encode())
    print(f"content {log.digest[:12]}; report saved in {saved}")
    return 0
