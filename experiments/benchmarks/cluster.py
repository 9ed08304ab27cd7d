"""What Ray costs beside the plain loop, how data is shared, and how far a comparison spreads.

    python experiments/benchmarks/cluster.py [--only session|command|sharing|schedule]

`session` and `sharing` start Ray on this machine. Processor seconds are those of all its processes: the
command, the workers, and what Ray runs beside them; a task is a fixed number of steps on one processor.
`command` runs one comparison of quick models in the plain loop and on Ray, from the first import to the end.
`schedule` gives the fits of study 03, drawn again and again, to simulated workers, in the order of the
leaderboard and in that of `run_comparison`; the command records one after the other. Rows go to cluster.csv
as they come.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from growthlab.cluster.ray_cluster import WAITING, RayCluster
from growthlab.data.simulated_shop import SimulatedShop
from growthlab.metrics.ranking.ndcg import NDCG
from growthlab.split.global_time import GlobalTime
from growthlab.tasks.executor import Job, JobEnded, PlainLoop
from growthlab.tasks.fold_evaluation import FoldEvaluation
from growthlab.tasks.top_n import TopN

HERE = Path(__file__).parent
RESULTS = HERE / "cluster.csv"
FITS = HERE.parent / "03-tuned-online-retail" / "results.csv"
WORKERS = (1, 2, 8, 16, 64)
WAITING_SECONDS = 20.0  # to see what Ray's processes use without any task
START_SECONDS = 2.0  # of a worker process on a machine, once
ROWS: list[dict[str, Any]] = []


def main() -> None:
    """Measure, and write as it comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["session", "command", "sharing", "schedule"])
    parser.add_argument("--tasks", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a task on one processor")
    given = parser.parse_args()
    if given.only in (None, "session"):
        session(given.tasks, given.seconds)
    if given.only in (None, "command"):
        command()
    if given.only in (None, "sharing"):
        sharing()
    if given.only in (None, "schedule"):
        schedule()


def session(n_tasks: int, seconds: float) -> None:
    """Fixed work in the plain loop and on Ray, in processor seconds of all processes."""
    steps = steps_for(seconds)
    before = tree_seconds()
    run(PlainLoop(), n_tasks, steps)
    plain = tree_seconds() - before
    started, before = time.perf_counter(), tree_seconds()
    cluster = RayCluster(local_cpus=2, object_store_mb=100)
    cluster.require([], "cpu")
    row("session", "start, wall s", time.perf_counter() - started)
    row("session", "start, processor s", tree_seconds() - before)
    started, before = time.perf_counter(), tree_seconds()
    run(cluster, 2, 1)  # both worker processes import the laboratory
    row("session", "first two tasks of no work, wall s", time.perf_counter() - started)
    row("session", "first two tasks of no work, processor s", tree_seconds() - before)
    before, started = tree_seconds(), time.perf_counter()
    run(cluster, n_tasks, steps)
    there, wall = tree_seconds() - before, time.perf_counter() - started
    row("task", f"{n_tasks} tasks in the plain loop, processor s", plain)
    row("task", f"{n_tasks} tasks on Ray, processor s", there)
    row("task", f"{n_tasks} tasks on Ray, wall s", wall)
    row("task", "overhead of a task, %", 100 * (there / plain - 1))
    before, started = tree_seconds(), time.perf_counter()
    run(cluster, 200, 1)
    row("task", "200 tasks of no work, processor s each", (tree_seconds() - before) / 200)
    row("task", "200 tasks of no work, wall s each", (time.perf_counter() - started) / 200)
    before, started = tree_seconds(), time.perf_counter()
    time.sleep(WAITING_SECONDS)
    waited = time.perf_counter() - started
    row("task", "Ray that waits, processor s a second", (tree_seconds() - before) / waited)


def command() -> None:
    """The same small comparison in the plain loop and on Ray."""
    words = ["compare", *SHOP, "metrics=[ranking/ndcg]", QUICK]
    with tempfile.TemporaryDirectory() as folder:
        run_command(["prepare", *SHOP], folder)
        plain = run_command(words, folder)
        there = run_command([*words, *ON_RAY], folder)
    for name, (wall, used) in (("in the plain loop", plain), ("on Ray", there)):
        row("command", f"four quick models {name}, wall s", wall)
        row("command", f"four quick models {name}, processor s", used)
    row("command", "more on Ray, wall s", there[0] - plain[0])
    row("command", "more on Ray, processor s", there[1] - plain[1])


SHOP = ["data.users=300", "data.items=100", "data.days=150"]
QUICK = "models=[popularity,markov,item_knn,random]"
ON_RAY = ["cluster=ray", "cluster.local_cpus=2", "cluster.object_store_mb=100"]
SECONDS_BETWEEN_LOOKS = 0.1


def run_command(words: Sequence[str], folder: str) -> tuple[float, float]:
    """Seconds on the wall, and of the processors of all that the command started.

    Ray ends processes that nobody waits for, so each is looked at again and again while it runs.
    """
    started = time.perf_counter()
    command = psutil.Popen(
        [sys.executable, "-m", "growthlab", *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    used: dict[psutil.Process, float] = {}
    while command.poll() is None:
        with contextlib.suppress(psutil.Error):
            for process in (psutil.Process(command.pid), *command.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    times = process.cpu_times()
                    used[process] = times.user + times.system
        time.sleep(SECONDS_BETWEEN_LOOKS)
    assert command.returncode == 0, words
    return time.perf_counter() - started, sum(used.values())


def steps_for(seconds: float) -> int:
    """How many steps take so many seconds of a processor."""
    started = time.process_time()
    work(None, 50)
    return max(1, round(50 * seconds / (time.process_time() - started)))


def work(shared: Any, n_steps: int) -> float:
    """A fixed number of steps on one processor."""
    values = np.arange(200_000, dtype=np.float64)
    for _ in range(n_steps):
        values = np.sqrt(values * values + 1.0)
    return float(values.sum())


class Steps:
    """The work of a task."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __call__(self, shared: Any) -> float:
        """Do it."""
        return work(shared, self.n)


def run(executor: Any, n_tasks: int, steps: int) -> list[Any]:
    """Run tasks; what each gave."""
    jobs = [Job(f"task {n}", Steps(steps), None) for n in range(n_tasks)]
    ended = [event for event in executor.run(jobs) if isinstance(event, JobEnded)]
    assert not [event.error for event in ended if event.error], ended
    return [event.result for event in ended]


def tree_seconds() -> float:
    """The processor seconds of this process and all that it started and that still run or were waited for."""
    total = 0.0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            used = process.cpu_times()
        except psutil.Error:
            continue
        total += used.user + used.system + used.children_user + used.children_system
    return total


def sharing() -> None:
    """The data of a fold of a simulated shop of 10,000 customers: shared once, or pickled for every task."""
    import pickle

    log = SimulatedShop(users=10_000, items=1_000, days=360).read()
    (fold,) = GlobalTime().folds(log, horizon_days=28)
    task = TopN(history_events=("purchase",), target_events=("purchase",))
    evaluation = FoldEvaluation(task, fold, {"ndcg": NDCG(k=(10,))})
    evaluation.prepare()
    cluster = RayCluster(local_cpus=2, object_store_mb=1000)
    cluster.require([], "cpu")
    import ray

    run(cluster, 2, 1)
    started = time.process_time()
    pickled = pickle.dumps(evaluation, protocol=5)
    row("sharing", "data of the fold, MB", len(pickled) / 2**20)
    pickle.loads(pickled)
    row("sharing", "pickled and read, processor s a task", time.process_time() - started)
    started = time.process_time()
    reference = ray.put(evaluation)
    row(
        "sharing", "put into shared memory, processor s a comparison", time.process_time() - started
    )
    started = time.process_time()
    ray.get(reference)
    row("sharing", "got from shared memory, processor s a process", time.process_time() - started)
    jobs = [Job(f"task {n}", resident_mb, evaluation) for n in range(4)]
    grown = [e.result for e in cluster.run(jobs) if isinstance(e, JobEnded)]
    row("sharing", "own memory that a process adds to read it, MB", float(np.median(grown)))


def resident_mb(evaluation: FoldEvaluation) -> float:
    """The private memory of this process after it has read all arrays of the data, less that before."""
    process = psutil.Process()
    before = process.memory_full_info().uss
    past = evaluation.test_data.past
    for array in (past.offsets, past.items, past.times, past.quantities, past.prices):
        array.sum()
    return float(process.memory_full_info().uss - before) / 2**20


def schedule() -> None:
    """Efficiency of simulated workers, for comparisons of several sizes and orders."""
    table = pd.read_csv(FITS)
    fits = table.drop_duplicates(["model", "seed", "protocol"])[["model", "seed", "fit_seconds"]]
    seconds = {model: 2 * group["fit_seconds"].to_numpy() for model, group in fits.groupby("model")}
    stochastic = {model for model, group in fits.groupby("model") if len(group) > 1}
    for n_seeds, n_origins in SIZES:
        rng = np.random.default_rng(0)
        entries = [
            Fit(model, origin, float(rng.choice(seconds[model])) + EVALUATION_SECONDS)
            for origin in range(n_origins)
            for model in sorted(seconds)
            for _ in range(n_seeds if model in stochastic else 1)
        ]
        total, longest = sum(e.seconds for e in entries), max(e.seconds for e in entries)
        name = f"{len(entries)} fits ({n_seeds} seeds, {n_origins} origins)"
        row("schedule", f"{name}: longest fit, share of the whole, %", 100 * longest / total)
        for n in WORKERS:
            for spread, order in enumerate(("in order", "spread")):
                for recording in RECORDING_SECONDS:
                    ended = simulated(entries, n, recording, bool(spread))
                    what = f"efficiency of {n} workers, {order}, {recording} s to record, %"
                    row("schedule", f"{name}: {what}", 100 * total / (n * ended))
            best = max(total / n, longest)
            row(
                "schedule",
                f"{name}: no order gives more than, {n} workers, %",
                100 * total / n / best,
            )


@dataclass(frozen=True)
class Fit:
    """A fit of the simulated comparison."""

    model: str
    origin: int
    seconds: float


NETWORKS = {"bpr", "caser", "gru4rec", "neumf", "nextitnet", "sasrec"}
EVALUATION_SECONDS = 1.0  # of scores, metrics and intervals
SIZES = ((2, 1), (5, 4), (10, 12))  # seeds, origins
RECORDING_SECONDS = (0.0, 0.27)  # to record a fit, one after the other; see cluster.md
OVERHEAD = 0.05  # of Ray, of a task


def simulated(entries: Sequence[Fit], n_workers: int, recording: float, spread: bool) -> float:
    """When the last fit is recorded; workers take the next one that the command has sent.

    Fits are sent in their order, or in that of `run_comparison`, which knows what was recorded: as many as
    there are workers and `WAITING` more.
    """
    left, known, waiting = list(range(len(entries))), dict[str, float](), deque[int]()
    first = {entries[n].model: n for n in reversed(left)}
    probes = sorted(first.values(), key=lambda n: (entries[n].model not in NETWORKS, n))
    turns = cycle((max, min))

    def send() -> None:
        while left and len(waiting) + len(busy) < n_workers + WAITING:
            if not spread:
                place = left[0]
            elif probes:
                place = probes.pop(0)
            else:
                place = next(turns)(left, key=lambda n: known.get(entries[n].model, 0.0))
            left.remove(place)
            waiting.append(place)

    busy: list[tuple[float, int]] = []
    clock, recorded = START_SECONDS, 0.0
    send()
    while waiting or busy:
        while waiting and len(busy) < n_workers:
            place = waiting.popleft()
            heapq.heappush(busy, (clock + entries[place].seconds * (1 + OVERHEAD), place))
        clock, place = heapq.heappop(busy)
        recorded = max(recorded, clock) + recording
        known[entries[place].model] = entries[place].seconds
        send()
    return recorded


def row(what: str, measure: str, value: float) -> None:
    """Print a row and write all of them."""
    print(f"{what}: {measure}: {value:.4g}", flush=True)
    ROWS.append({"what": what, "measure": measure, "value": round(value, 5)})
    known = [r for r in _earlier() if r["what"] not in {each["what"] for each in ROWS}]
    pd.DataFrame([*known, *ROWS]).to_csv(RESULTS, index=False)


def _earlier() -> Iterator[dict[str, Any]]:
    """The rows of an earlier call."""
    if RESULTS.exists():
        yield from pd.read_csv(RESULTS).to_dict("records")


if __name__ == "__main__":
    main()
