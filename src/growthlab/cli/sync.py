"""growthlab sync: send what a tracking server that was away has not received."""

from __future__ import annotations

from growthlab.config.compose import Command
from growthlab.core.build import build
from growthlab.tracking.store import Store
from growthlab.tracking.sync import sync


def run(command: Command) -> int:
    """Send the results that commands have left here; the status is 1 if some could not be sent."""
    store: Store = build(
        command.config.tracking, Store
    )  # not opened, which would send all by the way
    report = sync(store)
    print(f"{report.n_sent} results of {report.n_outboxes} commands are sent to {store.name}")
    for line in report.remarks:
        print(line)
    return 1 if report.failed else 0
