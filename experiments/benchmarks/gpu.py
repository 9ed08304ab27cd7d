"""Ten minutes of one GPU: is every network right there, how fast is it, and what study 02 still lacks.

    python experiments/benchmarks/gpu.py --data movielens_1m [--minutes 10] [--out gpu.jsonl]
    python experiments/benchmarks/gpu.py --device cpu --tiny          # the same steps in small, to test them

Steps run in the order of their worth, and each writes its line to the file of results as soon as it is
done. A step that is in the file already, for this device and code, is not run again, so that a script that
was stopped goes on. What does not fit the minutes is written as ``out of time``; a step that fails says
why, and the others run.

``check`` trains each network on the CPU and on the device from the same weights on the same batches,
without dropout and in float32: `loss` is the largest relative difference between the losses of an epoch;
`mixed` is that of sequence networks whose products are in bfloat16 on the device.
``speed`` counts targets a second of the clock: `made` with batches that are cut from histories meanwhile,
`ready` with batches that lie on the device, both in mixed precision on a GPU. The official GRU4Rec reports
95,000 events a second at a batch of 256 on an A30.
``study`` are the rows of study 02 that were never run, with the settings of its sasrec but for the batch.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

import growthlab
from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.core.histories import Catalogue, Histories
from growthlab.core.plain_values import plain_values
from growthlab.models.base import Recommender
from growthlab.models.sequence_recommender import SequenceLoss
from growthlab.training.loop import device_of, moved, torch_stream
from growthlab.training.training_batches import SequenceBatches

ROOT = Path(__file__).resolve().parents[2]
TASK_OF = {"recommend": "top_n", "churn": "churn", "value": "value"}
RIGHT = 1e-3  # the largest relative difference of losses that rounding explains
RIGHT_MIXED = 0.02  # the same with products in bfloat16, which has eight bits
GRU = ("gru4rec", "model.width=128", "model.state=128", "model.length=20")
SAS = ("sasrec", "model.width=128", "model.length=50")
SAMPLED = ("loss@model.loss=sampled_softmax", "model.loss.negatives=2048")
SASREC_OF_STUDY = (
    "model.width=128", "model.heads=2", "model.event_types=false", "model.trainer.lr=0.002",
    "model.trainer.last_lr=0.03", "model.trainer.epochs=36", "model.trainer.patience=8",
    "model.trainer.batch=128",  # of 32 in the study, whose steps are too small for a GPU
)  # fmt: skip
LOSSES_OF_STUDY = {  # in the order of their worth
    "gBCE": ("loss@model.loss=gbce",),
    "BCE, 1 negative": ("loss@model.loss=gbce", "model.loss.negatives=1", "model.loss.t=0"),
    "3,000 negatives": ("loss@model.loss=sampled_softmax", "model.loss.negatives=3000"),
    "cross-entropy": (),
}


class OutOfTime(BaseException):
    """The minutes are over; nothing that catches errors may catch it."""


class Size(NamedTuple):
    """How much is computed: on a GPU, or to test the script."""

    users: int  # of the simulated shop of the checks
    sessions: int  # of the speed
    items: int
    batches: Sequence[int]
    n_steps: int  # of a timed pass
    study: Sequence[str]  # more settings of the rows of the study
    seeds: int


FULL = Size(600, 200_000, 30_000, (256, 1024, 4096), 100, (), 3)
TINY = Size(150, 300, 50, (64,), 2, ("model.width=8", "model.heads=1", "model.trainer.epochs=1"), 1)


def steps(
    size: Size, data: str | None, cache: str, device: str
) -> dict[str, Callable[[], dict[str, Any]]]:
    """Each step by name, the most valuable first."""
    made: dict[str, Callable[[], dict[str, Any]]] = {}
    for family, model in networks():
        made[f"check {family}/{model}"] = partial(check, family, model, size, cache, device)
    for words in (GRU, (*GRU, *SAMPLED), SAS, (*SAS, *SAMPLED)):
        for batch in size.batches:
            loss = "2,048 negatives" if SAMPLED[0] in words else "cross-entropy"
            name = f"speed {words[0]}, {loss}, batch {batch}"
            made[name] = partial(speed, words, batch, size, device)
    for seed in range(size.seeds):
        for loss, words in LOSSES_OF_STUDY.items():
            name = f"study sasrec, {loss}, seed {seed}"
            settings = (*SASREC_OF_STUDY, *words)
            made[name] = partial(study_row, settings, seed, size, data, cache, device)
    return made


def networks() -> list[tuple[str, str]]:
    """The family and name of each model that is trained in epochs, by its config file."""
    files = sorted((ROOT / "conf" / "model").glob("*/*.yaml"))
    trained = [path for path in files if "/trainer@trainer" in path.read_text()]
    return [(path.parent.name, path.stem) for path in trained if path.parent.name in TASK_OF]


def check(family: str, model: str, size: Size, cache: str, device: str) -> dict[str, Any]:
    """One model trained on the CPU and on the device; the losses of its epochs side by side."""
    task = TASK_OF[family]
    node = plain_values(compose("train", [f"task={task}", f"model={family}/{model}"]).config.model)
    words = [f"model.{name}=0.0" for name in node if name.endswith("dropout")]
    if "precision" in node.get("loss", {}):
        words.append("model.loss.precision=float32")
    words += ["model.trainer.epochs=3", "model.trainer.patience=3"]
    exact, mixed = "model.trainer.precision=float32", "model.trainer.precision=bfloat16"
    ways = [("cpu", exact), (device, exact), *([(device, mixed)] if "loss" in node else [])]
    shop = growthlab.dataset("simulated_shop", cache=cache, users=size.users)
    fits = [
        growthlab.train(shop, model, task=task, overrides=[*words, f"device={each}", precision])
        for each, precision in ways
    ]
    apart, *of_mixed = (losses_apart(fits[0], fit) for fit in fits[1:])
    objective = fits[0].bench.task.objective
    values = [fit.metrics[objective].value for fit in fits]
    right = apart < RIGHT and all(each < RIGHT_MIXED for each in of_mixed)
    return {"loss": apart, "mixed": of_mixed, "right": right, objective: values}


def losses_apart(one: Any, other: Any) -> float:
    """The largest relative difference between the losses of an epoch of two fits."""
    here, there = (np.array(fit.model.losses_) for fit in (one, other))
    n = min(len(here), len(there))
    return float(np.abs(there[:n] / here[:n] - 1).max())


def speed(words: Sequence[str], batch: int, size: Size, device: str) -> dict[str, Any]:
    """Targets a second of one model: with batches made meanwhile, and with batches that are ready."""
    settings = [*words[1:], "model.event_types=false", f"model.trainer.batch={batch}"]
    config = compose("train", [f"model=recommend/{words[0]}", *settings]).config
    model: Any = build(config.model, Recommender)
    past, place = sessions(size), device_of(device)
    source = SequenceBatches(past, length=model.length, batch=batch, seed=0)
    with torch_stream(0, "weights"):
        network = model.build(past.n_items, 0).to(place).train()
    network.mixed = place.type == "cuda"
    loss = SequenceLoss(model.loss, source.support).to(place)
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)

    def step(given: Any) -> int:
        optimiser.zero_grad(set_to_none=True)
        loss(network, given).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        return len(given.targets)

    batches = source(1)
    ready = [moved(each, place) for each in islice(iter(batches), 20)]
    for each in ready[:5]:
        step(each)
    passes = {
        "ready": islice(cycle(ready), size.n_steps),
        "made": (moved(each, place) for each in islice(iter(batches), size.n_steps)),
    }
    rates = {name: targets_a_second(step, given, place) for name, given in passes.items()}
    network.mixed = False
    exact = islice(cycle(ready), size.n_steps)
    return {**rates, "ready_float32": targets_a_second(step, exact, place)}


def targets_a_second(
    step: Callable[[Any], int], batches: Iterator[Any], device: torch.device
) -> float:
    """How many targets a second of the clock are learned from."""
    wait = partial(torch.cuda.synchronize, device) if device.type == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    n_targets = sum(step(batch) for batch in batches)
    wait()
    return n_targets / (time.perf_counter() - started)


def sessions(size: Size) -> Histories:
    """Random sessions of 2 to 40 events, six on average, of items as popular as in shops."""
    random = np.random.default_rng(0)
    lengths = np.clip(random.geometric(1 / 5, size.sessions) + 1, 2, 40)
    shares = 1 / np.arange(1, size.items + 1) ** 0.8
    return Histories.from_events(
        Catalogue(np.array([f"i{code:06d}" for code in range(size.items)])),
        np.array([f"u{user:07d}" for user in range(size.sessions)]),
        np.repeat(np.arange(size.sessions), lengths),
        random.choice(size.items, lengths.sum(), p=shares / shares.sum()),
        np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths),
    )


def study_row(
    words: Sequence[str], seed: int, size: Size, data: str | None, cache: str, device: str
) -> dict[str, Any]:
    """A row of study 02 on MovieLens-1M, full ranking; on a small simulated shop without its data."""
    if data is None:
        log = growthlab.dataset("simulated_shop", cache=cache, users=size.users)
        split: list[str] = []
    else:
        log = growthlab.dataset("movielens_1m", cache=cache, path=data)
        split = ["split=leave_last_out"]
    settings = [*words, *size.study, *split, f"device={device}"]
    fit = growthlab.train(log, "sasrec", seed=seed, overrides=settings)
    metrics = {name: fit.metrics[name] for name in ("hit_rate_at_10", "ndcg_at_10")}
    values = {name: [each.value, each.low, each.high] for name, each in metrics.items()}
    return {**values, "epochs": len(fit.model.losses_), "fit_seconds": fit.outcome.fit_seconds}


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """In the block, raise `OutOfTime` when the seconds are over."""

    def over(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def finished(out: Path, about: dict[str, str]) -> set[str]:
    """The steps that an earlier call with the same device and code has finished."""
    lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    same = [line for line in lines if about.items() <= line.items()]
    return {line["step"] for line in same if "error" not in line}


def run(given: argparse.Namespace) -> int:
    """Run what is not finished; 1 if a check was wrong or a step failed."""
    size = TINY if given.tiny else FULL
    if not given.tiny and given.data is None:
        raise SystemExit("--data needs the folder of movielens_1m, or give --tiny")
    device_of(given.device)  # a ConfigError if there is none
    torch.backends.cudnn.allow_tf32 = False  # the checks compare float32 with float32
    about = {"device": device_name(given.device), "code": code_version()}
    about["size"] = "tiny" if given.tiny else "full"
    with tempfile.TemporaryDirectory() as cache:
        made = steps(size, given.data, cache, given.device)
        done = finished(given.out, about)
        made = {name: step for name, step in made.items() if name not in done}
        return run_steps(made, given, about)


def run_steps(
    made: dict[str, Callable[[], dict[str, Any]]], given: argparse.Namespace, about: dict[str, str]
) -> int:
    """Run the steps within the minutes, and write each down."""
    end, n_bad = time.monotonic() + 60 * given.minutes, 0
    for name, step in made.items():
        if given.only and not name.startswith(tuple(given.only)):
            continue
        started = time.monotonic()
        try:
            with deadline(end - started):
                result = step()
        except OutOfTime:
            result = {"error": "out of time"}
        except Exception as error:  # one network that fails is a finding, not the end
            result = {"error": f"{type(error).__name__}: {error}"[:500]}
        n_bad += "error" in result or result.get("right") is False
        line = {"step": name, **about, "seconds": time.monotonic() - started, **result}
        with given.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps({"step": name, **result}), flush=True)
    return int(n_bad > 0)


def device_name(device: str) -> str:
    """The name of the GPU, or ``cpu``."""
    return torch.cuda.get_device_name() if device.startswith("cuda") else device


def code_version() -> str:
    """The commit; empty outside a checkout."""
    words = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of MovieLens-1M, as the study has it")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", nargs="*", default=[], help="how the names of the steps begin")
    parser.add_argument("--out", type=Path, default=Path("gpu.jsonl"))
    parser.add_argument("--tiny", action="store_true")
    return parser.parse_args(words)


if __name__ == "__main__":
    raise SystemExit(run(arguments()))
