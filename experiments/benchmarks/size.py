"""How large may a log be: prepare, split, histories and customer table of 10^6 events and more.

    python experiments/benchmarks/size.py [--events 1e6 1e7] [--sides growthlab duckdb_sort pandas polars]

The log is made out of core: views and purchases of a tenth as many customers, whose activity and taste
follow Zipf's law, a thousandth of the rows twice. Each side runs in a fresh process that ends where
it holds more than `--cap-gb`; every row goes to size.csv as it comes. The side `duckdb_sort` only sorts
and writes the file. Polars has an environment of its own, as in peers.py.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from peers import environment

HERE = Path(__file__).resolve().parent
SCRATCH = HERE.parents[1] / ".growthlab" / "bench" / "size"
RESULTS = HERE / "size.csv"
COLUMNS = ["events", "side", "stage", "wall_seconds", "cpu_seconds", "peak_gb", "note"]
ORDER = ["user_id", "timestamp", "item_id", "event_type"]
HORIZON = timedelta(days=28)
WINDOWS = (7, 30, 90, 180, 365)


def log_file(n: int) -> Path:
    """The Parquet file of so many events, made where it is not there."""
    path = SCRATCH / f"{n}.parquet"
    if path.exists():
        return path
    SCRATCH.mkdir(parents=True, exist_ok=True)
    n_users, n_items = n // 10, max(n // 1000, 1000)

    def uniform(stream: int) -> str:
        return f"(hash(i * 8 + {stream}) / 18446744073709551616.0)"

    sql = f"""
        WITH rows AS (
            SELECT CASE WHEN range % 1000 = 999 THEN range - 1 ELSE range END AS i FROM range({n})
        ), drawn AS (
            SELECT least(floor({n_users} * pow({uniform(1)}, 2)), {n_users - 1})::BIGINT AS user_rank,
                least(floor({n_items} * pow({uniform(2)}, 1 / 0.3)), {n_items - 1})::BIGINT AS item_rank,
                {uniform(3)} AS moment, {uniform(4)} < 0.1 AS bought, {uniform(5)} AS size
            FROM rows
        )
        SELECT 'u' || lpad(((user_rank * 7919 + 13) % {n_users})::VARCHAR, 9, '0') AS user_id,
            'i' || lpad(((item_rank * 7919 + 13) % {n_items})::VARCHAR, 7, '0') AS item_id,
            CASE WHEN bought THEN 'purchase' ELSE 'view' END AS event_type,
            TIMESTAMP '2024-01-01' + to_seconds(floor(moment * 31536000)::BIGINT) AS timestamp,
            CASE WHEN bought THEN 1 + floor(size * size * 3) END::DOUBLE AS quantity,
            CASE WHEN bought THEN (1 + (item_rank * 31) % 500) / 4.0 END::DOUBLE AS unit_price
        FROM drawn
    """
    settings = {"memory_limit": "2GB", "temp_directory": str(SCRATCH / "spilled")}
    with duckdb.connect(config=settings) as connection:
        connection.execute("SET preserve_insertion_order = false")
        partial = path.with_suffix(".partial")
        connection.execute(f"COPY ({sql}) TO '{partial}' (FORMAT parquet)")
        partial.rename(path)
    return path


class Stages:
    """Seconds by stage, printed as JSON for the parent process."""

    def __init__(self) -> None:
        self._last = self._now()

    def done(self, stage: str) -> None:
        """Say what a stage took."""
        now = self._now()
        wall, cpu = (after - before for after, before in zip(now, self._last, strict=True))
        print(json.dumps({"stage": stage, "wall_seconds": wall, "cpu_seconds": cpu}), flush=True)
        self._last = self._now()

    def _now(self) -> tuple[float, float]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return time.perf_counter(), used.ru_utime + used.ru_stime


def growthlab(path: Path, folder: Path, memory_gb: float) -> None:
    """What `growthlab prepare` does and what the tasks take of the fold, in its own order."""
    from growthlab.data.cleaning import Cleaning
    from growthlab.data.database import limit_memory
    from growthlab.data.tabular_file import TabularFile
    from growthlab.features.build_histories import catalogue_of, histories_of
    from growthlab.features.customer_table import customer_table
    from growthlab.split.global_time import GlobalTime
    from growthlab.tasks.snapshots import buyer_ids

    limit_memory(memory_gb)
    stages = Stages()
    os.environ["GROWTHLAB_KEY_FILE"] = str(folder / "pseudonym.key")  # not that of whoever runs it
    log = TabularFile(path=str(path), cleaning=Cleaning()).prepare(folder)
    stages.done("prepare")
    fold = GlobalTime(horizon_days=HORIZON.days).folds(log)[0]
    stages.done("split")
    histories_of(fold.past, ("view", "purchase"), catalogue_of(fold.past))
    stages.done("histories")
    assert fold.record is not None
    assert fold.cutoff is not None
    customer_table(fold.record, fold.cutoff, buyer_ids(fold.record, fold.cutoff, None))
    stages.done("customer table")


def duckdb_sort(path: Path, folder: Path, memory_gb: float) -> None:
    """DuckDB alone: the same file sorted by customer and written."""
    config = {"memory_limit": f"{memory_gb}GiB", "temp_directory": str(folder / "spilled")}
    connection = duckdb.connect(config=config)
    stages = Stages()
    connection.execute(
        f"COPY (SELECT * FROM '{path}' ORDER BY {', '.join(ORDER)}) "
        f"TO '{folder / 'sorted.parquet'}' (FORMAT parquet)"
    )
    stages.done("sort and write")


def in_pandas(path: Path, folder: Path, memory_gb: float) -> None:
    """The same steps in pandas; the customer table has its sums by window, half of ours."""
    stages = Stages()
    events = pd.read_parquet(path).drop_duplicates().sort_values(ORDER, ignore_index=True)
    events.to_parquet(folder / "prepared.parquet")
    stages.done("prepare")
    cutoff = events["timestamp"].max() + timedelta(seconds=1) - HORIZON
    past = events[events["timestamp"] < cutoff]
    del events
    stages.done("split")
    users, user_ids = pd.factorize(past["user_id"], sort=True)
    items, _ = pd.factorize(past["item_id"], sort=True)
    order = np.lexsort((items, past["timestamp"].to_numpy(), users))
    arrays = [items[order], past["timestamp"].to_numpy()[order]]
    arrays += [past[c].to_numpy(np.float32)[order] for c in ("quantity", "unit_price")]
    np.concatenate([[0], np.cumsum(np.bincount(users, minlength=len(user_ids)))])
    del arrays, order, users, items
    stages.done("histories")
    bought = past[past["event_type"] == "purchase"]
    bought = bought.assign(spend=bought["quantity"] * bought["unit_price"])
    orders = bought.groupby(["user_id", "timestamp"], as_index=False)["spend"].sum()
    by_user = orders.groupby("user_id")
    table = by_user.agg(
        first=("timestamp", "min"), last=("timestamp", "max"), orders=("spend", "size"),
        spend=("spend", "sum"), basket_value=("spend", "mean"), basket_value_sd=("spend", "std"),
    )  # fmt: skip
    for days in WINDOWS:
        recent = orders[orders["timestamp"] >= cutoff - timedelta(days=days)].groupby("user_id")
        viewed = past[
            (past["event_type"] == "view") & (past["timestamp"] >= cutoff - timedelta(days=days))
        ]
        columns = {"orders": recent.size(), "spend": recent["spend"].sum()}
        columns["views"] = viewed.groupby("user_id").size()
        for name, values in columns.items():
            table[f"{name}_{days}d"] = values.reindex(table.index).fillna(0)
    stages.done("customer table")


SIDES = {"growthlab": growthlab, "duckdb_sort": duckdb_sort, "pandas": in_pandas}


def run_side(side: str, n: int, memory_gb: float, cap_gb: float) -> list[dict[str, Any]]:
    """The stages of a side in a fresh process, and a row for all of them with its peak."""
    path = log_file(n)
    python = environment(side) if side not in SIDES else Path(sys.executable)
    if python is None:
        return []
    program = [str(HERE / "peers" / side / "measure.py")]
    if side in SIDES:
        program = [__file__, "--inside", side, "--memory-gb", str(memory_gb)]
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        words = [str(python), *program, str(path), folder]
        scratch = {**os.environ, "TMPDIR": folder}
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=scratch)
        assert process.stdout is not None
        above: list[float] = []
        watch = threading.Thread(target=_end_above, args=(process.pid, cap_gb, above))
        watch.start()
        found = [json.loads(line) for line in process.stdout if line.startswith("{")]
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.join()
    stages: list[dict[str, Any]] = [{"events": n, "side": side, **stage} for stage in found]
    note = f"ended: above {cap_gb:g} GiB" if above else f"status {process.returncode}"
    total = {
        "events": n, "side": side, "stage": "all", "peak_gb": used.ru_maxrss / 2**20,
        "wall_seconds": sum(s["wall_seconds"] for s in stages),
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "note": "" if process.returncode == 0 else note,
    }  # fmt: skip
    return [*stages, total]


def _end_above(pid: int, cap_gb: float, above: list[float]) -> None:
    """End the process as soon as it holds more than the cap."""
    while True:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            return
        held = [int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmRSS")]
        if not held:  # it has ended
            return
        if held[0] > cap_gb:
            above.append(held[0])
            os.kill(pid, 9)
            return
        time.sleep(0.1)


def main() -> None:
    """Run the sides, or one of them inside this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", nargs="+", type=float, default=[1e6, 1e7])
    parser.add_argument("--sides", nargs="+", default=[*SIDES, "polars"])
    parser.add_argument("--memory-gb", type=float, default=1.5, help="of DuckDB's database")
    parser.add_argument("--cap-gb", type=float, default=4.0, help="of a whole process")
    parser.add_argument("--inside", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("paths", nargs="*", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        SIDES[given.inside](*given.paths, given.memory_gb)
        sys.stdout.flush()
        os._exit(0)
    for n in map(int, given.events):
        for side in given.sides:
            for row in run_side(side, n, given.memory_gb, given.cap_gb):
                write_row(row)


def write_row(row: dict[str, Any]) -> None:
    """A row behind those of the table, and on the terminal."""
    new = not RESULTS.exists()
    rounded = {k: round(v, 2) if isinstance(v, float) else v for k, v in row.items()}
    with RESULTS.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(rounded)
    print(datetime.now().strftime("%H:%M:%S"), rounded, flush=True)


if __name__ == "__main__":
    main()
