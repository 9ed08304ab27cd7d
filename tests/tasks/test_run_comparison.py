"""Every contender, seed and origin is run in turn, and a failure does not stop the others."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from tests.patience import wait_until

from growthlab.core.errors import DataError
from growthlab.core.histories import Histories
from growthlab.data.event_log import EventLog
from growthlab.evaluation.outcome import Outcome
from growthlab.metrics.ranking.ndcg import NDCG
from growthlab.models.recommend.popularity import Popularity
from growthlab.models.recommend.random import Random
from growthlab.split.fold import Fold
from growthlab.split.global_time import GlobalTime
from growthlab.tasks.entry import Contender, Entry
from growthlab.tasks.executor import Job, JobEnded, JobStarted, PlainLoop
from growthlab.tasks.fold_evaluation import FoldEvaluation
from growthlab.tasks.resource_usage import measure_usage
from growthlab.tasks.run_comparison import run_comparison
from growthlab.tasks.top_n import TopN
from growthlab.training.fit_options import FitOptions

TASK = TopN(history_events=("purchase",), target_events=("purchase",))
METRICS = {"ndcg": NDCG(k=(10,))}
POPULARITY = Contender("popularity", Popularity, {})
RANDOM = Contender("random", Random, {})


class Broken:
    """A recommender that cannot be fitted."""

    stochastic: ClassVar[bool] = False

    def fit(self, past: Histories, options: FitOptions) -> Broken:
        """Always fails."""
        raise RuntimeError("no such luck")

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Never called."""
        raise AssertionError


@dataclass
class MemoryRecorder:
    """A recorder in memory."""

    finished: dict[str, Outcome] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def finished_before(self, entry: Entry) -> Outcome | None:
        """The outcome of an earlier call."""
        return self.finished.get(entry.label)

    def checkpoint(self, entry: Entry) -> Path | None:
        """No checkpoint."""
        return None

    def start(self, entry: Entry, evaluation: FoldEvaluation) -> None:
        """Record the start."""
        self.lines.append(f"start {entry.label}")

    def finish(self, entry: Entry, evaluation: FoldEvaluation, outcome: Outcome) -> None:
        """Record the end."""
        self.lines.append(f"finish {entry.label}")

    def fail(self, entry: Entry, error: Exception) -> None:
        """Record the failure."""
        self.lines.append(f"fail {entry.label}: {error}")


def test_only_stochastic_models_have_several_seeds(shop_fold: Fold) -> None:
    results = run_comparison(TASK, [shop_fold], [POPULARITY, RANDOM], METRICS, seed=3, seeds=2)
    entries = [(o.name, o.seed) for o in results.outcomes[0]]
    assert entries == [("popularity", 3), ("random", 3), ("random", 4)]
    first, second = (o.test["ndcg_at_10"].value for o in results.outcomes[0][1:])
    assert first != second


def test_a_failed_model_is_recorded_and_the_others_continue(shop_fold: Fold) -> None:
    recorder = MemoryRecorder()
    contenders = [Contender("broken", Broken, {}), POPULARITY]
    results = run_comparison(TASK, [shop_fold], contenders, METRICS, recorder=recorder)
    assert [o.name for o in results.outcomes[0]] == ["popularity"]
    assert str(results.errors["broken seed 0"]) == "no such luck"
    assert recorder.lines == [
        "start broken seed 0",
        "fail broken seed 0: no such luck",
        "start popularity seed 0",
        "finish popularity seed 0",
    ]


def test_an_entry_finished_before_is_not_run_again(shop_fold: Fold) -> None:
    first = run_comparison(TASK, [shop_fold], [POPULARITY], METRICS).outcomes[0][0]
    recorder = MemoryRecorder({"popularity seed 0": first})
    results = run_comparison(TASK, [shop_fold], [POPULARITY, RANDOM], METRICS, recorder=recorder)
    assert results.outcomes[0][0] is first
    assert recorder.lines == ["start random seed 0", "finish random seed 0"]


def test_each_origin_is_evaluated_on_its_own_fold(shop: EventLog) -> None:
    folds = GlobalTime().folds(shop, horizon_days=14, origins=2)
    recorder = MemoryRecorder()
    results = run_comparison(TASK, folds, [POPULARITY], METRICS, recorder=recorder)
    assert {n: len(outcomes) for n, outcomes in results.outcomes.items()} == {0: 1, 1: 1}
    assert recorder.lines[2] == "start popularity seed 0 origin 1"
    newest, older = (results.outcomes[n][0] for n in (0, 1))
    # the older origin's future is the newest one's validation window
    assert older.test["ndcg_at_10"].value == pytest.approx(newest.valid["ndcg_at_10"])


def test_a_mistake_in_the_shared_data_ends_the_comparison(shop_fold: Fold) -> None:
    without_targets = TopN(history_events=("purchase",), target_events=("message",))
    recorder = MemoryRecorder()
    with pytest.raises(DataError, match="no test users"):
        run_comparison(
            without_targets, [shop_fold], [POPULARITY, RANDOM], METRICS, recorder=recorder
        )
    assert recorder.lines == []


def test_an_interrupt_is_not_recorded_as_a_failure(shop_fold: Fold) -> None:
    class Interrupted(Broken):
        def fit(self, past: Histories, options: FitOptions) -> Broken:
            raise KeyboardInterrupt

    recorder = MemoryRecorder()
    contenders: list[Any] = [Contender("interrupted", Interrupted, {}), POPULARITY]
    with pytest.raises(KeyboardInterrupt):
        run_comparison(TASK, [shop_fold], contenders, METRICS, recorder=recorder)
    assert recorder.lines == ["start interrupted seed 0"]


def test_usage_is_seconds_and_the_growth_of_memory() -> None:
    with measure_usage(interval=0.005) as usage:
        started = time.perf_counter()
        block = np.ones(8_000_000)  # 61 MiB
        wait_until(lambda: usage.peak_mb > 50)  # another thread samples it
        del block
        seconds = time.perf_counter() - started
    assert usage.seconds >= seconds > 0
    assert 50 < usage.peak_mb < 90


def test_usage_is_measured_even_if_the_block_fails() -> None:
    with pytest.raises(RuntimeError, match="oh"), measure_usage() as usage:
        raise RuntimeError("oh")
    assert usage.seconds > 0


def test_resamples_are_a_setting_and_none_gives_values_without_bounds(shop_fold, caplog):
    some, none = (
        run_comparison(TASK, [shop_fold], [POPULARITY], METRICS, n_resamples=n).outcomes[0][0]
        for n in (50, 0)
    )
    name = TASK.objective
    assert none.test[name].value == some.test[name].value
    assert some.test[name].low < some.test[name].value < some.test[name].high
    assert np.isnan([none.test[name].low, none.test[name].high]).all()
    assert len(none.strata) == len(some.strata)
    assert none.strata["low"].isna().all()


class ManyWorkers(PlainLoop):
    """The plain loop, in the order of many workers; a model takes what is planned."""

    several_at_once: ClassVar[bool] = True
    seconds: ClassVar[dict[str, float]] = {"popularity": 5.0, "random": 50.0}

    def __init__(self) -> None:
        self.predicted: list[tuple[str, float | None]] = []

    def run(self, jobs: Iterable[Job]) -> Iterator[JobStarted | JobEnded]:
        """See `Executor.run`."""
        for event in super().run(jobs):
            if isinstance(event, JobEnded):
                seconds = self.seconds[event.result.name]
                planned = replace(event.result, fit_seconds=seconds, peak_memory_mb=2 * seconds)
                event = replace(event, result=planned)
                self.predicted.append((event.job.label, event.job.predicted_mb))
            yield event


def test_many_workers_begin_long_fits_early_and_keep_none_of_the_short_ones_for_the_end(
    shop: EventLog,
) -> None:
    folds = GlobalTime().folds(shop, horizon_days=14, origins=2)
    recorder, many_workers = MemoryRecorder(), ManyWorkers()
    here, there = (
        run_comparison(
            TASK, folds, [POPULARITY, RANDOM], METRICS, seeds=2, n_resamples=0, **options
        )
        for options in ({}, {"executor": many_workers, "recorder": recorder})
    )
    assert [line for line in recorder.lines if line.startswith("start")] == [
        "start popularity seed 0",  # one of each, as nothing is known
        "start random seed 0",
        "start random seed 1",  # the longest and the shortest in turn
        "start popularity seed 0 origin 1",
        "start random seed 0 origin 1",
        "start random seed 1 origin 1",
    ]
    # half more memory than fits of the model have added so far, which is 10 and 100 MB here
    assert [mb for _, mb in many_workers.predicted] == [None, None, 150.0, 15.0, 150.0, 150.0]
    for origin, outcomes in here.outcomes.items():
        assert [(o.name, o.seed) for o in there.outcomes[origin]] == [
            (o.name, o.seed) for o in outcomes
        ]
        assert [o.test for o in there.outcomes[origin]] == [o.test for o in outcomes]
