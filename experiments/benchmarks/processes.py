"""What it costs to train one network by several processes, in processor seconds of all of them.

    python experiments/benchmarks/processes.py [--processes 1 2] [--sessions 10000]

Each row trains sasrec for two epochs on random sessions of 5,000 items, one after the other. `start` is
what a training of a single batch costs, which is the start of the processes; `fit` is all of a training.
Seconds of the processor change little on a busy machine; on a quiet one with a core or a GPU for
each process the clock shows their seconds divided by the number of processes.
"""

from __future__ import annotations

import argparse
import resource

import numpy as np

from growthlab.core.histories import Catalogue, Histories
from growthlab.models.recommend.sasrec import SASRec
from growthlab.training.fit_options import FitOptions
from growthlab.training.loop import Trainer

ITEMS, EPOCHS = 5_000, 2


def sessions(n: int) -> Histories:
    """Random sessions of ten events."""
    items = np.random.default_rng(0).integers(0, ITEMS, n * 10)
    return Histories.from_events(
        Catalogue(np.array([f"i{code:05d}" for code in range(ITEMS)])),
        np.array([f"u{user:06d}" for user in range(n)]),
        np.repeat(np.arange(n), 10),
        items,
        np.tile(np.arange(10), n),
    )


def seconds(past: Histories, processes: int, epochs: int) -> tuple[float, list[float]]:
    """Processor seconds of this process and its children in a fit, and the losses."""
    before = used()
    model = SASRec(trainer=Trainer(epochs=epochs, batch=256, processes=processes))
    model.fit(past, FitOptions(device="cpu"))
    return used() - before, model.losses_


def used() -> float:
    """Processor seconds so far."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def main() -> None:
    """Print a row for each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sessions", type=int, default=10_000)
    given = parser.parse_args()
    past, few = sessions(given.sessions), sessions(256)
    seconds(few, 1, 1)  # what is imported and compiled once
    for n in given.processes:
        start, _ = seconds(few, n, 1)
        total, losses = seconds(past, n, EPOCHS)
        shown = " ".join(f"{loss:.6f}" for loss in losses)
        print(f"{n} processes: start {start:.1f} s, fit {total:.1f} s, loss {shown}", flush=True)


if __name__ == "__main__":
    main()
