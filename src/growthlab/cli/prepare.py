"""growthlab prepare: read, clean and cache a data set, and report what was dropped."""

from __future__ import annotations

import json

from growthlab.config.compose import Command
from growthlab.core.atomic_write import atomic_file
from growthlab.data.cleaning_report import cleaning_report_text
from growthlab.data.source import Source
from growthlab.workbench.set_up import cache_folder, data_source, read_or_open


def run(command: Command) -> int:
    """Prepare the data set, print what was dropped and why, and save that as JSON."""
    cache = cache_folder(command.config)
    source = data_source(command.config)
    data = read_or_open(source, command.config)
    name, report = command.choice("data"), data.cleaning
    if isinstance(source, Source):
        report = source.without_bots(data, None).cleaning  # bots by today: a fold knows its own
    print(f"{name}: {data.summary()}")
    if report:
        print(cleaning_report_text(report))
    else:
        print("no cleaning rule is set (data.cleaning): nothing was dropped")
    saved = cache / f"{name}-cleaning.json"
    with atomic_file(saved) as file:
        file.write(json.dumps(report, indent=2, default=str).encode())
    print(f"content {data.digest[:12]}; report saved in {saved}")
    return 0
