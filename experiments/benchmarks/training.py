"""How fast the networks train, and where the time goes.

    python experiments/benchmarks/training.py --data sequences.parquet [--customers 1000] [--threads 1]

Each row trains some batches of the sequences' first customers after one warm batch, in turns, and
counts the seconds of the processor rather than those of the clock, so that a busy machine changes the
numbers little; with ``--threads 2`` on a quiet one the clock's are half of them.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.core.histories import Histories
from growthlab.models.base import Recommender
from growthlab.models.sequence_recommender import sequence_loss
from growthlab.training.loop import torch_stream
from growthlab.training.training_batches import SequenceBatches
from growthlab.workbench.set_up import set_up

PLAIN = "model.loss.precision=float32"
BATCH = "model.trainer.batch=128"
SMALL = "model.trainer.batch=32"
GRU = ("gru4rec", "model.width=64", "model.state=128")
ROWS: dict[str, Sequence[str]] = {
    "gru4rec, float32 logits": (*GRU, SMALL, PLAIN),
    "gru4rec": (*GRU, SMALL),
    "gru4rec, 128 customers a batch": (*GRU, BATCH),
    "gru4rec, sampled_softmax": (*GRU, SMALL, "loss@model.loss=sampled_softmax"),
    "gru4rec, bpr_max": (*GRU, SMALL, "loss@model.loss=bpr_max"),
    "sasrec, float32 logits": ("sasrec", BATCH, PLAIN),
    "sasrec": ("sasrec", BATCH),
    "sasrec, gbce": ("sasrec", BATCH, "loss@model.loss=gbce"),
    "sasrec, gbce of 1 negative": (
        "sasrec", BATCH, "loss@model.loss=gbce", "model.loss.negatives=1", "model.loss.t=0"
    ),
    "nextitnet": ("nextitnet", SMALL),
    "caser": ("caser", SMALL, "model.width=64"),
}  # fmt: skip


class Clock:
    """Processor seconds a stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside for a stage."""
        started = time.process_time()
        yield
        self.seconds[name] += time.process_time() - started


class Training:
    """A model and its batches, ready to be trained by some of them."""

    def __init__(self, name: str, words: Sequence[str], past: Histories) -> None:
        model, *rest = words
        config = compose("train", [f"model=recommend/{model}", "model.event_types=false", *rest])
        self.name, self.model = name, build(config.config.model, Recommender)
        batch = self.model.trainer.batch
        self.source = SequenceBatches(past, length=self.model.length, batch=batch, seed=0)
        self.batches = self.source(1)
        self.network = self.model.build(past.n_items, 0).train()
        self.optimiser = torch.optim.AdamW(self.network.parameters(), fused=True)
        self.clock, self.targets, self.places, self.steps = Clock(), 0, 0, 0

    def step(self, place: int) -> None:
        """One batch, as the trainer takes it, its stages timed."""
        stage, network = self.clock.stage, self.network
        with stage("batch"):
            batch = self.batches[place % len(self.batches)]
        self.optimiser.zero_grad(set_to_none=True)
        with stage("forward"):
            states = network.states(batch.items, batch.event_types, batch.slots, batch.sizes)
        with stage("loss"):
            network.states = lambda *_: states
            value = sequence_loss(network, batch, self.model.loss, self.source.support)
            del network.states
        with stage("backward"):
            value.backward()
        with stage("step"):
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            self.optimiser.step()
        self.targets += len(batch.targets)
        self.places += batch.sizes.numel()
        self.steps += int((batch.sizes > 0).sum())

    def row(self) -> list[str]:
        """Targets a processor second, padding, and the share of each stage."""
        total = sum(self.clock.seconds.values())
        shares = [f"{s / total:.0%}" for s in self.clock.seconds.values()]
        padding = f"{1 - self.steps / self.places:.1%}"
        return [self.name, f"{self.targets / total:,.0f}", padding, *shares]


def past_of(data: str, customers: int) -> Histories:
    """The past of some customers, through the source and the split of the commands."""
    words = ["data=movielens_1m", f"data.path={data}", "split=leave_last_out"]
    bench = set_up(compose("train", [*words, "model=recommend/gru4rec"]))
    past = bench.task.data(bench.folds[0]).past
    step = max(1, past.n_users // customers)
    return past.select(torch.arange(0, past.n_users, step).numpy())


def main() -> None:
    """Measure each row in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="sequences.parquet of MovieLens 1M")
    parser.add_argument("--customers", type=int, default=1000)
    parser.add_argument("--batches", type=int, default=6, help="of 32 customers, or as many events")
    parser.add_argument("--threads", type=int, default=1)
    given: Any = parser.parse_args()
    torch.set_num_threads(given.threads)
    past = past_of(given.data, given.customers)
    print(f"{past.n_users} customers, {past.n_events:,} events, {past.n_items} items")
    with torch_stream(0, "benchmark"):
        trainings = [Training(name, words, past) for name, words in ROWS.items()]
        for training in trainings:
            training.step(0)
            training.clock, training.targets = Clock(), 0
        for place in range(1, given.batches + 1):
            for training in trainings:
                training.step(place)
    head = ["model", "targets/s", "padding", "batch", "forward", "loss", "backward", "step"]
    for cells in [head, ["---"] * len(head), *(t.row() for t in trainings)]:
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
