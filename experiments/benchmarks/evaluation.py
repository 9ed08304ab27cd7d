"""What evaluation costs beside the model: seconds by phase, and peak memory of large shops.

    python experiments/benchmarks/evaluation.py [--data FOLDER] [--rounds 2] [--only profile|memory]

`profile` ranks and judges the 6,040 users x 3,416 items of MovieLens 1M (leave-last-out, lists of
100, every ranking metric). The networks are untrained: their weights change no time. `memory`
judges made-up factor models on 1,000,000 users and on 1,000,000 items, each in a fresh process.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from growthlab.core.histories import Catalogue, Histories
from growthlab.core.plain_yaml import read_plain_yaml
from growthlab.evaluation.leaderboard_columns import build_metrics
from growthlab.tasks.top_n import TopN, TopNData

CONF = Path(__file__).parents[2] / "conf"
PHASES = {  # where the evaluation calls it -> column
    "growthlab.tasks.top_n.rank_items": "rank",
    "growthlab.tasks.top_n.evaluate_lists": "metrics",
    "growthlab.tasks.top_n.strata_with_values": "strata",
    "growthlab.tasks.top_n.TopN._tables": "tables",
}
LARGE = {"1,000,000 users": (1_000_000, 1_000), "1,000,000 items": (2_000, 1_000_000)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="data", help="folder with movielens_1m/")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=["profile", "memory"])
    parser.add_argument("--case", choices=list(LARGE), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(memory_of(*LARGE[given.case]))
        return
    if given.only != "memory":
        profile(Path(given.data) / "movielens_1m", given.rounds)
    if given.only != "profile":
        for case in LARGE:
            subprocess.run([sys.executable, __file__, "--case", case], check=True)


def profile(folder: Path, rounds: int) -> None:
    """A line a model: its own scoring of all users alone, then its evaluation and what that consists of."""
    from growthlab.data.movielens import MovieLens1M
    from growthlab.split.leave_last_out import LeaveLastOut

    with tempfile.TemporaryDirectory() as cache:
        log = MovieLens1M(path=str(folder)).prepare(Path(cache))
        reviews = ("review",)
        task = TopN(filter_seen="interacted", history_events=reviews, target_events=reviews)
        data = task.data(LeaveLastOut().folds(log)[0])
    columns = ["scoring alone", "evaluation", "scoring", *PHASES.values(), "evaluation / scoring"]
    print("model    " + "".join(f"{c:>18}" for c in columns))
    for name, fitted in models(task, data):
        for _ in range(rounds):
            alone = seconds(lambda model=fitted: model.score(data.histories))
            spent = evaluation_seconds(task, data, fitted)
            spent["rank"] -= spent["scoring"]
            whole = spent["evaluation"]
            values = [alone, whole, spent["scoring"], *(spent[p] for p in PHASES.values())]
            # the scoring inside, not the one alone: other work on the machine hits both alike
            ratio = whole / spent["scoring"]
            print(f"{name:9}" + "".join(f"{v:18.2f}" for v in [*values, ratio]), flush=True)


def models(task: TopN, data: TopNData) -> Iterator[tuple[str, Any]]:
    """Fitted neighbours and EASE, and networks as they are before training."""
    from growthlab.core.histories import EVENT_TYPES
    from growthlab.models.recommend.ease import EASE
    from growthlab.models.recommend.gru4rec import GRU4Rec
    from growthlab.models.recommend.item_knn import ItemKNN
    from growthlab.models.recommend.sasrec import SASRec
    from growthlab.training.fit_options import FitOptions
    from growthlab.training.loop import torch_stream

    yield "ease", task.fit(EASE(l2=300), data, FitOptions())
    yield "item_knn", task.fit(ItemKNN(), data, FitOptions())
    for name, network in (
        ("gru4rec", GRU4Rec(width=64, state=128, length=200)),
        ("sasrec", SASRec(width=64, blocks=2, length=200)),
    ):
        with torch_stream(0, "weights"):
            network.network_ = network.build(data.past.n_items, len(EVENT_TYPES))
        yield name, network


def evaluation_seconds(task: TopN, data: TopNData, model: Any) -> dict[str, float]:
    """Seconds of one judgement and of its phases."""
    spent = dict.fromkeys(("evaluation", "scoring", *PHASES.values()), 0.0)
    scoring = f"{type(model).__module__}.{type(model).__name__}.score"
    with ExitStack() as clocks:
        for place, phase in {scoring: "scoring", **PHASES}.items():
            clocks.enter_context(patch(place, clocked(resolve_name(place), phase, spent)))
        spent["evaluation"] = seconds(lambda: task.evaluate(model, data, metrics(), seed=0))
    return spent


def clocked(
    function: Callable[..., Any], phase: str, spent: dict[str, float]
) -> Callable[..., Any]:
    """The function, whose seconds are added to the phase."""

    @wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            spent[phase] += time.perf_counter() - started

    return timed


def seconds(call: Callable[[], Any]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def memory_of(n_users: int, n_items: int) -> str:
    """Judge a factor model of width 64, and say what that needed beside the model and the data."""
    task = TopN()
    data, model = made_up(n_users, n_items)
    before = peak_mb()
    started = time.perf_counter()
    judged = task.evaluate(model, data, metrics(), seed=0)
    spent = time.perf_counter() - started
    return (
        f"{n_users:,} users x {n_items:,} items: {peak_mb() - before:,.0f} MB above the "
        f"{before:,.0f} MB of the model and the data, {spent:,.0f} s "
        f"({judged.score_seconds:,.0f} s of them scoring and ranking)"
    )


class Factors:
    """``users @ items``, never more of it than is asked for."""

    def __init__(self, users: np.ndarray, items: np.ndarray) -> None:
        self.users, self.items = users, items

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """All scores of the users."""
        return self.embed(histories) @ self.items.T

    def embed(self, histories: Histories) -> np.ndarray:
        """The users' vectors."""
        return self.users[histories.user_codes]

    def item_vectors(self) -> np.ndarray:
        """The items' vectors."""
        return self.items


def made_up(n_users: int, n_items: int, width: int = 64) -> tuple[TopNData, Factors]:
    """Five past purchases and two targets a user, at random."""
    random = np.random.default_rng(0)
    catalogue = Catalogue(np.array([f"i{i:07d}" for i in range(n_items)]))
    user_ids = np.array([f"u{u:07d}" for u in range(n_users)])
    rows = np.repeat(np.arange(n_users), 5)
    items = random.integers(n_items, size=len(rows))
    past = Histories.from_events(catalogue, user_ids, rows, items, np.arange(len(rows)))
    targets = random.integers(n_items // 2, size=(n_users, 2)).astype(np.int32)
    targets[:, 1] += n_items // 2  # two different ones
    data = TopNData(
        past=past,
        histories=past,
        owned=past,
        truth_offsets=np.arange(n_users + 1, dtype=np.int64) * 2,
        truth_items=targets.ravel(),
        truth_table=pd.DataFrame(),
        popularity=np.bincount(items, minlength=n_items).astype(np.float32),
        targets_removed_by_filter=0,
    )
    vectors = (random.standard_normal((n, width), dtype=np.float32) for n in (n_users, n_items))
    return data, Factors(*vectors)


def peak_mb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def metrics() -> dict[str, Any]:
    """Every ranking metric as its yaml sets it."""
    return metrics_of("ranking")


def metrics_of(family: str) -> dict[str, Any]:
    """Every metric of a family as its yaml sets it."""
    paths = sorted((CONF / "metrics" / family).glob("*.yaml"))
    metrics, _ = build_metrics({path.stem: read_plain_yaml(path) for path in paths})
    return metrics


if __name__ == "__main__":
    main()
