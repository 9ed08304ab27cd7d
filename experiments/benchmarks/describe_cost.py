"""What ``growthlab describe`` costs: processor seconds of each section on a log of 1,000,000 events.

    python experiments/benchmarks/describe_cost.py [--events 1e6] [words of growthlab describe ...]

The log is that of size.py with carts, visits, channels, orders, returns and reviews, a table of items
with categories and one of users; with words it is the data that they name. The data is prepared
before, in a run that is not counted. Seconds are wall and processor (user and system): on a busy
machine only the latter say something of the work.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb
from platform_cost import Clocks
from size import SCRATCH, log_file

ALLOWED = 40.0  # processor seconds
SECTIONS = Path(__file__).resolve().parents[2] / "conf" / "section"
PHASES = {
    "growthlab.config.compose:compose": "compose",
    "growthlab.cli.describe:read_or_open": "data",
    "growthlab.insight.report_scope:past_in_calendar": "past",
    "growthlab.insight.report.growth_report:protect_tables": "small groups",
    "growthlab.insight.report.growth_report:GrowthReport.save": "page and files",
    "growthlab.tracking.store:Store.client": "tracking",
    "growthlab.cli.describe:command_run": "tracking",
}


def shop_files(n: int) -> list[str]:
    """The words of a shop of so many events, whose files are made where they are not there."""
    folder = SCRATCH.with_name("describe")
    events, items, users = (folder / f"{n}-{what}.parquet" for what in ("events", "items", "users"))
    if not events.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draw = "(hash(user_id, item_id, timestamp, {}) % 1000)::INT"
        kinds = "CASE WHEN event_type = 'view' AND a < 180 THEN 'cart' "
        kinds += "WHEN event_type = 'view' AND a < 200 THEN 'review' "
        kinds += "WHEN event_type = 'purchase' AND a < 60 THEN 'return' ELSE event_type END"
        with duckdb.connect() as connection:
            connection.execute(f"""
                COPY (
                    SELECT * EXCLUDE (a, b) REPLACE ({kinds} AS event_type),
                        CASE WHEN {kinds} = 'review' THEN 1 + b % 5 END AS rating,
                        md5(user_id || timestamp::DATE) AS session_id,
                        CASE WHEN {kinds} IN ('purchase', 'return')
                            THEN md5(user_id || timestamp::DATE) END AS order_id,
                        ['web', 'app', 'mail', 'shop'][1 + b % 4] AS channel
                    FROM (SELECT *, {draw.format(1)} AS a, {draw.format(2)} AS b FROM '{log_file(n)}')
                ) TO '{events}' (FORMAT parquet)
            """)
            listed = "SELECT DISTINCT item_id, 'c' || hash(item_id) % 30 AS category"
            connection.execute(f"COPY ({listed} FROM '{events}') TO '{items}' (FORMAT parquet)")
            channel = "['ads', 'web', 'friend'][1 + (hash(user_id) % 3)::INT]"
            known = f"SELECT DISTINCT user_id, {channel} AS acquisition"
            connection.execute(f"COPY ({known} FROM '{events}') TO '{users}' (FORMAT parquet)")
    paths = {"path": events, "items_path": items, "users_path": users}
    return [
        "data=tabular_file",
        "data.user_ids=plain",
        *(f"data.{setting}={path}" for setting, path in paths.items()),
    ]


def inside(words: Sequence[str], out: Path) -> int:
    """Run the command in this process with clocks, which go to `out`."""
    clocks = Clocks()
    from growthlab.cli import main

    for where, phase in PHASES.items():
        clocks.place(where, phase)
    for path in sorted(SECTIONS.glob("*.yaml")):
        (target,) = (line for line in path.read_text().splitlines() if line.startswith("_target_"))
        module, _, name = target.partition(": ")[2].rpartition(".")
        importlib.import_module(module)
        clocks.place(f"{module}:{name}.find", path.stem)
    status = main.main(["describe", *words])
    clocks.switch()
    out.write_text(json.dumps({"wall": clocks.wall, "cpu": clocks.cpu}))
    return status


def main() -> int:
    """Prepare, then describe in a fresh process, and print the table of phases."""
    if sys.argv[1:2] == ["--inside"]:
        return inside(sys.argv[3:], Path(sys.argv[2]))
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--events", type=float, default=1e6)
    options.add_argument("words", nargs="*", help="of growthlab describe, instead of the usual log")
    given = options.parse_args()
    words = given.words or shop_files(int(given.events))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "clocks.json"
        data = [word for word in words if word.startswith("data")]
        for command in (
            ["-m", "growthlab.cli.main", "prepare", *data],
            [__file__, "--inside", str(out), *words],
        ):
            before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            ended = subprocess.run(
                [sys.executable, *command], cwd=folder, capture_output=True, text=True
            )
            if ended.returncode:
                sys.exit(
                    f"{' '.join(command)} failed:\n{ended.stdout[-1000:]}{ended.stderr[-2000:]}"
                )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall = time.perf_counter() - before[0]
        cpu = after.ru_utime + after.ru_stime - before[1].ru_utime - before[1].ru_stime
        phases = json.loads(out.read_text())
    print(f"describe: {cpu:.1f} processor seconds (allowed {ALLOWED:g}), {wall:.1f} of the clock")
    print(f"  {'phase':<20} {'processor':>10} {'clock':>7}")
    for phase in sorted(phases["cpu"], key=lambda p: -phases["cpu"][p]):
        print(f"  {phase:<20} {phases['cpu'][phase]:10.2f} {phases['wall'][phase]:7.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
