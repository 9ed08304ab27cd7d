"""growthlab prepare: ingest, clean, cache; the cleaning report."""

from __future__ import annotations

import json
from pathlib import Path

from growthlab.cli.compose import Composed
from growthlab.core.build import build
from growthlab.evaluation.table import as_text


def run(found: Composed) -> int:
    """Prepare the data set, print what was dropped and why, and save it as ``cleaning.json``."""
    import pandas as pd

    cache = Path(found.config.cache)
    log = build(found.config.data).prepare(cache)
    report = pd.DataFrame(log.cleaning)
    name = found.name("data")
    first, last = log.span()
    print(f"{name}: {log.n_events:,} events, {log.n_users:,} users, {log.n_items:,} items, {first} to {last}")
    if len(report):
        shown = [c for c in ("rule", "events_before", "dropped", "events_after", "why") if c in report]
        print(as_text(report[shown]))
    else:
        print("no cleaning rule is set (data.cleaning): nothing was dropped")
    saved = cache / f"{name}-cleaning.json"
    saved.write_text(json.dumps(log.cleaning, indent=2, default=str))
    print(f"content {log.digest[:12]}; report saved in {saved}")
    return 0
