"""growthlab prepare: ingest, clean, cache; the cleaning report."""

from __future__ import annotations

import json

from growthlab.cli.setting import cache_of
from growthlab.config.compose import Command
from growthlab.core.build import build
from growthlab.data.cleaning import report_text


def run(found: Command) -> int:
    """Prepare the data set, print what was dropped and why, and save it as ``cleaning.json``."""
    cache = cache_of(found.config)
    log = build(found.config.data).prepare(cache)
    name = found.name("data")
    first, last = log.span()
    print(
        f"{name}: {log.n_events:,} events, {log.n_users:,} users, {log.n_items:,} items, {first} to {last}"
    )
    if log.cleaning:
        print(report_text(log.cleaning))
    else:
        print("no cleaning rule is set (data.cleaning): nothing was dropped")
    saved = cache / f"{name}-cleaning.json"
    saved.write_text(json.dumps(log.cleaning, indent=2, default=str))
    print(f"content {log.digest[:12]}; report saved in {saved}")
    return 0
