"""The steps of size.py in Polars: python measure.py FILE FOLDER prints the seconds of each stage."""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path

import polars as pl

ORDER = ["user_id", "timestamp", "item_id", "event_type"]
WINDOWS = (7, 30, 90, 180, 365)


def now() -> tuple[float, float]:
    """Seconds on the wall and of the processor."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def main() -> None:
    """Run the stages; the engine is the streaming one, which may leave rows on disk."""
    path, folder = map(Path, sys.argv[1:])
    last = now()

    def done(stage: str) -> None:
        nonlocal last
        wall, cpu = (after - before for after, before in zip(now(), last, strict=True))
        print(json.dumps({"stage": stage, "wall_seconds": wall, "cpu_seconds": cpu}), flush=True)
        last = now()

    prepared = folder / "prepared.parquet"
    pl.scan_parquet(path).unique().sort(ORDER).sink_parquet(prepared)
    done("prepare")
    events = pl.scan_parquet(prepared)
    newest = events.select(pl.col("timestamp").max()).collect().item()
    cutoff = newest + timedelta(seconds=1) - timedelta(days=28)
    past = events.filter(pl.col("timestamp") < cutoff)
    done("split")
    items = past.select(pl.col("item_id").unique().sort()).with_row_index("item")
    coded = past.join(items, on="item_id", how="left", maintain_order="left")
    arrays = coded.select("item", "timestamp", pl.col("quantity", "unit_price").cast(pl.Float32))
    lengths = past.group_by("user_id").len().sort("user_id")
    kept = arrays.collect(engine="streaming"), lengths.collect(engine="streaming")
    done("histories")
    del kept
    bought = past.filter(pl.col("event_type") == "purchase")
    spend = (pl.col("quantity") * pl.col("unit_price")).sum().alias("spend")
    orders = bought.group_by("user_id", "timestamp").agg(spend)
    value = pl.col("spend")
    columns = [
        pl.col("timestamp").min().alias("first"),
        pl.col("timestamp").max().alias("last"),
        pl.len().alias("orders"),
        value.sum().alias("total"),
        value.mean().alias("basket_value"),
        value.std().alias("basket_value_sd"),
    ]
    views = []
    for days in WINDOWS:
        recent = pl.col("timestamp") >= cutoff - timedelta(days=days)
        columns.append(recent.sum().alias(f"orders_{days}d"))
        columns.append(value.filter(recent).sum().alias(f"spend_{days}d"))
        views.append(recent.sum().alias(f"views_{days}d"))
    viewed = past.filter(pl.col("event_type") == "view").group_by("user_id").agg(views)
    table = orders.group_by("user_id").agg(columns).join(viewed, on="user_id", how="left")
    table.collect(engine="streaming")
    done("customer table")


main()
