"""What the platform costs: the time of ``growthlab train`` that is neither fit, score nor evaluate.

    python experiments/benchmarks/platform_cost.py [--rounds 3] [words of growthlab train ...]

Each round runs the command twice in a fresh process: as it is, and with clocks in the places of
`PHASES`. The store and the prepared data are there before; their making is shown apart. Seconds are
wall and processor (user and system): on a busy machine only the latter say something of the work.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property, partial, wraps
from pathlib import Path
from typing import Any

RUNS = {
    "item_knn": ["model=recommend/item_knn"],
    "gru4rec": ["model=recommend/gru4rec", "model.trainer.epochs=10"],
}
PHASES = {  # place in the code -> phase; what a place calls counts for the phase of the callee
    "growthlab.config.compose:compose": "compose",
    "growthlab.workbench.set_up:build_parts": "build",
    "growthlab.workbench.set_up:load_workbench": "data",
    "growthlab.tasks.fold_evaluation:FoldEvaluation.prepare": "data",
    "growthlab.workbench.workbench:Workbench.leakage": "leakage report",
    "growthlab.tasks.top_n:TopN.fit": "fit",
    "growthlab.tasks.top_n:TopN.evaluate": "score and metrics",
    "growthlab.tasks.fold_evaluation:scorer_of": "export",
    "growthlab.export.write_bundle:write_bundle": "bundle",
    "growthlab.evaluation.figures:outcome_figures": "plots",
    "growthlab.tracking.comparison_run:log_figures": "plots",
    "growthlab.tracking.store:Store.client": "tracking",
    "growthlab.tracking.comparison_run:ComparisonRun.open": "tracking",
    "growthlab.tracking.comparison_run:ComparisonRun.start": "tracking",
    "growthlab.tracking.comparison_run:ComparisonRun.finish": "tracking",
}
NOT_THE_PLATFORM = ("fit", "score and metrics")
# the plain command's seconds by kind (wall, cpu), and those of the phases by kind
Round = tuple[dict[str, float], dict[str, dict[str, float]]]


class Clocks:
    """Seconds a phase, wall and processor; a phase inside another is not counted twice."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)
        self._stack = ["other"]
        self._last = (time.perf_counter(), time.process_time())

    def switch(self) -> None:
        """Book what has gone by to the phase that was running."""
        now = (time.perf_counter(), time.process_time())
        self.wall[self._stack[-1]] += now[0] - self._last[0]
        self.cpu[self._stack[-1]] += now[1] - self._last[1]
        self._last = now

    def around(self, work: Callable[..., Any], phase: str) -> Callable[..., Any]:
        """`work`, whose time counts for `phase`."""

        @wraps(work)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.switch()
            self._stack.append(phase)
            try:
                return work(*args, **kwargs)
            finally:
                self.switch()
                self._stack.pop()

        return timed

    def place(self, where: str, phase: str) -> None:
        """Put a clock around a function, a method or a cached property."""
        module, _, name = where.partition(":")
        owner: Any = importlib.import_module(module)
        *path, last = name.split(".")
        for each in path:
            owner = getattr(owner, each)
        found = vars(owner)[last]
        if isinstance(found, cached_property):
            found.func = self.around(found.func, phase)
        else:
            setattr(owner, last, self.around(found, phase))


def inside(words: Sequence[str], out: Path) -> int:
    """Run the command in this process with clocks, which go to `out`."""
    clocks = Clocks()
    loader = importlib._bootstrap  # type: ignore[attr-defined]
    loader._find_and_load = clocks.around(loader._find_and_load, "imports")
    from growthlab.cli import main as command

    for where, phase in PHASES.items():
        clocks.place(where, phase)
    train = partial(command.main, ["train", *words])

    def clocked() -> int:
        status = train()
        clocks.switch()
        out.write_text(json.dumps({"wall": clocks.wall, "cpu": clocks.cpu}))
        return status

    command.main = clocked  # type: ignore[assignment]
    return command.process()


def measured(words: Sequence[str], folder: Path) -> Round:
    """The seconds of the plain command, and the phases of the one with clocks."""
    plain = [str(Path(sys.executable).with_name("growthlab")), "train", *words]
    out = folder / "clocks.json"
    clocked = [sys.executable, __file__, "--inside", str(out), *words]
    seconds = []
    for command in (plain, clocked):
        before = (time.perf_counter(), _of_children())
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if ended.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{ended.stderr[-2000:]}")
        wall, cpu = time.perf_counter() - before[0], _of_children() - before[1]
        seconds.append({"wall": wall, "cpu": cpu})
    phases = json.loads(out.read_text())
    for kind, booked in phases.items():
        booked["interpreter"] = seconds[1][kind] - sum(booked.values())
    return seconds[0], phases


def _of_children() -> float:
    """Processor seconds of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report(name: str, first: Round, rounds: list[Round]) -> str:
    """The medians of all rounds."""
    names = list(dict.fromkeys(p for _, r in rounds for p in r["wall"]))

    def median(kind: str, phase: str) -> float:
        return statistics.median(r[kind].get(phase, 0.0) for _, r in rounds)

    lines = [f"{name}, medians of {len(rounds)} rounds"]
    for kind, label in (("wall", "wall"), ("cpu", "processor")):
        whole = statistics.median(seconds[kind] for seconds, _ in rounds)
        least = min(seconds[kind] for seconds, _ in rounds)
        model = sum(median(kind, p) for p in NOT_THE_PLATFORM)
        lines.append(
            f"  {label}: {whole:.2f} s (least {least:.2f}; the first time, store and data made, "
            f"{first[0][kind]:.2f}); without fit, score and metrics {whole - model:.2f}, "
            f"allowed {2 + 0.05 * whole:.2f}"
        )
    lines.append(f"  {'phase':<20} {'wall':>7} {'processor':>10}")
    for phase in sorted(names, key=lambda p: -median("cpu", p)):
        lines.append(f"  {phase:<20} {median('wall', phase):7.2f} {median('cpu', phase):10.2f}")
    return "\n".join(lines)


def main() -> int:
    """Every run of `RUNS`, or the one of the words given."""
    if sys.argv[1:2] == ["--inside"]:
        return inside(sys.argv[3:], Path(sys.argv[2]))
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument(
        "words", nargs="*", help="of growthlab train, instead of the usual two runs"
    )
    given = options.parse_args()
    runs = {" ".join(given.words): given.words} if given.words else RUNS
    with tempfile.TemporaryDirectory() as folder:
        for name, words in runs.items():
            first = measured(words, Path(folder))
            rounds = [measured(words, Path(folder)) for _ in range(given.rounds)]
            print(report(name, first, rounds), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
