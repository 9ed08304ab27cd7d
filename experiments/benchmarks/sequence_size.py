"""How large may the histories of a sequence network be: a thousand steps over those of 10^7 customers.

    python experiments/benchmarks/sequence_size.py [--customers 1e6 1e7] [--steps 1000]

Customers, items and lengths follow Zipf's law; events lie in files that are mapped into memory, as
`histories_of` leaves those of a log in several parts. A GRU of width 32 is trained by the sampled
softmax. Resident memory is counted before the steps and after each hundred of them: all of it, and what
belongs to no file. Each size runs in a fresh process, and its row goes to sequence_size.csv.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from growthlab.core.histories import EVENT_CODE, Catalogue, Histories
from growthlab.features.build_histories import in_sequence
from growthlab.models.recommend.gru4rec import GRU4Rec
from growthlab.networks.losses.sampled_softmax import SampledSoftmax
from growthlab.training.fit_options import FitOptions
from growthlab.training.loop import Trainer
from growthlab.training.training_batches import SequenceBatches

RESULTS = Path(__file__).resolve().with_suffix(".csv")
N_ITEMS = 100_000
MEAN_LENGTH = 10
PART = 400_000  # customers
YEAR = 365 * 86_400 * 1_000_000  # microseconds


def parts(n_customers: int, catalogue: Catalogue) -> Iterator[Histories]:
    """The histories of so many customers, part by part: half of them have three events or fewer."""
    for first in range(0, n_customers, PART):
        rng = np.random.default_rng([first, 1])
        n = min(PART, n_customers - first)
        lengths = np.minimum(1 + (MEAN_LENGTH / 4 / rng.random(n) ** 0.75).astype(np.int64), 500)
        rows = np.repeat(np.arange(n), lengths)
        items = (N_ITEMS * rng.random(len(rows)) ** (1 / 0.3)).astype(np.int32)
        times = rng.integers(0, YEAR, len(rows))
        types = np.where(rng.random(len(rows)) < 0.1, EVENT_CODE["purchase"], EVENT_CODE["view"])
        ids = np.array([f"{i:032x}" for i in range(first, first + n)])
        yield Histories.from_events(catalogue, ids, rows, items, times, event_types=types)


class FirstSteps:
    """The first batches of an epoch; the memory of the process is noted at every hundredth."""

    def __init__(self, batches: Sequence[Any], n: int) -> None:
        self.batches, self.n = batches, min(n, len(batches))
        self.memory: list[tuple[float, float]] = []

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[Any]:
        for step in range(self.n):
            if step % 100 == 0:
                self.memory.append(resident())
            yield self.batches[step]
        self.memory.append(resident())


def resident() -> tuple[float, float]:
    """The memory that this process holds, and the part of it that is no file's, in GiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
    return sizes["VmRSS"] / 2**20, sizes["RssAnon"] / 2**20


def measure(n_customers: int, n_steps: int) -> dict[str, Any]:
    """A row of the table."""
    catalogue = Catalogue(np.array([f"i{i:06d}" for i in range(N_ITEMS)]))
    past = in_sequence(parts(n_customers, catalogue), catalogue)
    model = GRU4Rec(loss=SampledSoftmax(), trainer=Trainer(epochs=1, lr=0.01))
    steps: list[FirstSteps] = []
    times = [time.process_time()]
    whole_epoch = SequenceBatches.__call__

    def first_steps(self: SequenceBatches, epoch: int) -> FirstSteps:
        times.append(time.process_time())
        steps.append(FirstSteps(whole_epoch(self, epoch), n_steps))
        times.append(time.process_time())
        return steps[0]

    SequenceBatches.__call__ = first_steps  # type: ignore[method-assign,assignment]
    model.fit(past, FitOptions(device="cpu"))
    times.append(time.process_time())
    seconds = np.diff(times)
    memory = np.array(steps[0].memory)
    return {
        "customers": n_customers, "events": past.n_events, "steps": len(steps[0]),
        "files_gb": past.items.nbytes * 21 / 4 / 2**30 + past.user_ids.nbytes / 2**30,
        "windows_seconds": seconds[0], "epoch_seconds": seconds[1],
        "step_ms": 1000 * seconds[2] / len(steps[0]),
        "before_gb": memory[0, 0], "after_100_gb": memory[1, 0], "after_all_gb": memory[-1, 0],
        "most_gb": memory[1:, 0].max(), "anonymous_after_100_gb": memory[1, 1],
        "anonymous_after_all_gb": memory[-1, 1],
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "loss": model.losses_[0],
    }  # fmt: skip


def main() -> None:
    """Measure each size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--customers", nargs="+", type=float, default=[1e6, 1e7])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    for n in map(int, given.customers):
        if given.inside:
            print(json.dumps(measure(n, given.steps)))
            continue
        words = [sys.executable, __file__, "--inside", "--customers", str(n)]
        done = subprocess.run(
            [*words, "--steps", str(given.steps)], check=True, stdout=subprocess.PIPE, text=True
        )
        write_row(json.loads(done.stdout))


def write_row(row: dict[str, Any]) -> None:
    """A row behind those of the table, and on the terminal."""
    new = not RESULTS.exists()
    rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
    with RESULTS.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(rounded)
    print(rounded, flush=True)


if __name__ == "__main__":
    main()
