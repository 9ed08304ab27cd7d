"""A comparison on Ray gives what the plain loop gives, whatever becomes of its processes."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import psutil
import pytest

from growthlab.cluster.ray_cluster import RayCluster
from growthlab.core.errors import ConfigError, LackingDataError
from growthlab.core.histories import Histories
from growthlab.core.processors import n_threads
from growthlab.data.event_log import EventLog
from growthlab.evaluation.outcome import Outcome
from growthlab.metrics.ranking.ndcg import NDCG
from growthlab.models.base import ScoredRecommender
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.models.recommend.popularity import Popularity
from growthlab.models.recommend.random import Random
from growthlab.split.fold import Fold
from growthlab.split.global_time import GlobalTime
from growthlab.tasks.entry import Contender, Entry
from growthlab.tasks.executor import Job, JobEnded, Resources
from growthlab.tasks.fold_evaluation import FoldEvaluation
from growthlab.tasks.run_comparison import ComparisonResults, run_comparison
from growthlab.tasks.top_n import TopN
from growthlab.training.fit_options import FitOptions

TASK = TopN(history_events=("purchase",), target_events=("purchase",))
METRICS = {"ndcg": NDCG(k=(10,))}
POPULARITY = Contender("popularity", Popularity, {})
RANDOM = Contender("random", Random, {})
ITEM_KNN = Contender("item_knn", ItemKNN, {})


@dataclass
class Mishap(ScoredRecommender):
    """Popularity whose first `n` fits, counted in a file, meet with a mishap."""

    kind: str
    file: str
    n: int = 1
    stochastic: ClassVar[bool] = False

    def fit(self, past: Histories, options: FitOptions) -> Mishap:
        """Fit, or fail."""
        before = Path(self.file)
        with before.open("a") as file:
            file.write("x")
        if before.stat().st_size <= self.n:
            if self.kind == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise {"error": RuntimeError, "lacking": LackingDataError, "memory": MemoryError}[
                self.kind
            ]("no such luck")
        self.scorer_ = Popularity().fit(past, options).scorer_
        return self


@dataclass
class Recorder:
    """A recorder in memory."""

    lines: list[str] = field(default_factory=list)
    refused: str = ""

    def finished_before(self, entry: Entry) -> Outcome | None:
        """Nothing."""
        return None

    def checkpoint(self, entry: Entry) -> Path | None:
        """No checkpoint."""
        return None

    def start(self, entry: Entry, evaluation: FoldEvaluation) -> None:
        """Record the start, or refuse."""
        if entry.label == self.refused:
            raise OSError("the store does not want it")
        self.lines.append(f"start {entry.label}")

    def finish(self, entry: Entry, evaluation: FoldEvaluation, outcome: Outcome) -> None:
        """Record the end."""
        assert outcome.scorer is not None
        self.lines.append(f"finish {entry.label}")

    def fail(self, entry: Entry, error: Exception) -> None:
        """Record the failure."""
        self.lines.append(f"fail {entry.label}: {error}")

    def leave_out(self, entry: Entry) -> None:
        """Record that it takes no part."""
        self.lines.append(f"leave out {entry.label}")


def compare(fold: Fold, contenders: list[Contender], **options: Any) -> ComparisonResults:
    return run_comparison(TASK, [fold], contenders, METRICS, n_resamples=50, **options)


def mishap(tmp_path: Path, kind: str, n: int = 1) -> Contender:
    return Contender("mishap", lambda: Mishap(kind, str(tmp_path / "fits"), n), {})


def assert_same(one: Outcome, other: Outcome) -> None:
    for name in ("name", "seed", "test", "valid"):
        assert repr(getattr(one, name)) == repr(getattr(other, name))  # bounds may be NaN
    pd.testing.assert_frame_equal(one.per_user, other.per_user)
    pd.testing.assert_frame_equal(one.strata, other.strata)
    for name, table in one.tables.items():
        pd.testing.assert_frame_equal(table, other.tables[name])


def test_origins_seeds_and_models_give_the_same_to_the_last_digit(
    shop: EventLog, two_processors: RayCluster
) -> None:
    folds = GlobalTime().folds(shop, horizon_days=14, origins=2)
    here, there = (
        run_comparison(
            TASK, folds, [RANDOM, ITEM_KNN], METRICS, seeds=2, n_resamples=50, executor=executor
        )
        for executor in (None, two_processors)
    )
    assert list(there.outcomes) == [0, 1]
    for origin, outcomes in here.outcomes.items():
        assert [o.name for o in outcomes] == ["random", "random", "item_knn"]
        for one, other in zip(outcomes, there.outcomes[origin], strict=True):
            assert_same(one, other)


def test_an_error_is_recorded_with_its_trace_and_the_others_go_on(
    shop_fold: Fold, two_processors: RayCluster, tmp_path: Path
) -> None:
    recorder = Recorder()
    contenders = [mishap(tmp_path, "memory"), POPULARITY]
    results = compare(shop_fold, contenders, recorder=recorder, executor=two_processors)
    assert [o.name for o in results.outcomes[0]] == ["popularity"]
    error = results.errors["mishap seed 0"]
    assert isinstance(error, MemoryError)
    assert "in fit" in str(error.__cause__)  # the trace of the other process
    assert sorted(recorder.lines) == [
        "fail mishap seed 0: no such luck",
        "finish popularity seed 0",
        "start mishap seed 0",
        "start popularity seed 0",
    ]


def test_a_fit_whose_process_is_killed_runs_again_and_none_twice(
    shop_fold: Fold, two_processors: RayCluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder()
    contenders = [POPULARITY, mishap(tmp_path, "killed"), ITEM_KNN]
    results = compare(shop_fold, contenders, recorder=recorder, executor=two_processors)
    assert [o.name for o in results.outcomes[0]] == ["popularity", "mishap", "item_knn"]
    finished = [line for line in recorder.lines if line.startswith("finish")]
    started = [line for line in recorder.lines if line.startswith("start")]
    assert len(finished) == len(started) == 3
    assert "mishap seed 0: its process in " in caplog.text
    assert (
        tmp_path / "fits"
    ).read_text() == "xxx"  # killed; chosen, and fitted again to the whole past


def test_a_fit_whose_process_is_killed_again_and_again_fails_and_says_so(
    shop_fold: Fold, two_processors: RayCluster, tmp_path: Path
) -> None:
    cluster = replace(two_processors, retries=1)
    results = compare(shop_fold, [mishap(tmp_path, "killed", 9), POPULARITY], executor=cluster)
    assert [o.name for o in results.outcomes[0]] == ["popularity"]
    (why,) = map(str, results.errors.values())
    assert why.startswith("its process in ")
    assert why.endswith("was lost (WorkerCrashedError), 2 times, perhaps for lack of memory")


def test_a_model_that_lacks_data_is_left_out_with_the_seeds_that_follow(
    shop_fold: Fold, two_processors: RayCluster, tmp_path: Path
) -> None:
    class Lacking(Mishap):
        stochastic: ClassVar[bool] = True

    lacking = Contender("lacking", lambda: Lacking("lacking", str(tmp_path / "fits")), {})
    recorder = Recorder()
    results = compare(
        shop_fold,
        [lacking, POPULARITY],
        seeds=3,
        recorder=recorder,
        leave_out=True,
        executor=two_processors,
    )
    # whichever seed came first has no luck, and those after it take no part
    assert results.left_out == {"lacking": "no such luck"}
    kept = [o.seed for o in results.outcomes[0] if o.name == "lacking"]
    left_out = sorted(line[-1] for line in recorder.lines if line.startswith("leave out"))
    assert kept == list(range(len(kept)))
    assert left_out == [str(n) for n in range(3) if n >= len(kept)][: len(left_out)]
    assert results.errors == {}


def test_an_entry_that_cannot_be_recorded_is_not_fitted(
    shop_fold: Fold, two_processors: RayCluster
) -> None:
    recorder = Recorder(refused="popularity seed 0")
    results = compare(shop_fold, [POPULARITY, RANDOM], recorder=recorder, executor=two_processors)
    assert [o.name for o in results.outcomes[0]] == ["random"]
    assert sorted(recorder.lines) == [
        "fail popularity seed 0: the store does not want it",
        "finish random seed 0",
        "start random seed 0",
    ]


def test_what_no_machine_has_is_refused_before_anything_runs(two_processors: RayCluster) -> None:
    greedy = replace(POPULARITY, resources=Resources(cpus=64, gpus=2, memory_mb=100))
    line = "popularity asks for 64 CPUs, 2 GPUs and 100 MB, which no machine of the cluster has"
    with pytest.raises(ConfigError, match=line):
        two_processors.require([greedy], "cpu")


def test_prepared_data_is_in_shared_memory_once(
    shop_fold: Fold, two_processors: RayCluster
) -> None:
    """Two fits see the same bytes: an array of the shared data is not writable, so nobody copied it."""
    import ray

    evaluation = FoldEvaluation(TASK, shop_fold, METRICS)
    reference = ray.put(evaluation)
    copy = ray.get(reference)
    assert copy.fold.past is None
    assert copy.fold.cutoff == shop_fold.cutoff
    np.testing.assert_array_equal(copy.test_data.past.items, evaluation.test_data.past.items)
    assert not copy.test_data.past.items.flags.writeable
    assert not copy.test_data.past.items.flags.owndata


def threads_of(shared: Any) -> tuple[int, set[int]]:
    """The threads of our own work, and those of the libraries that are loaded."""
    from threadpoolctl import threadpool_info

    return n_threads(), {library["num_threads"] for library in threadpool_info()}


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_fit_has_as_many_threads_as_processors(two_processors: RayCluster, cpus: int) -> None:
    """Also in a process that had another number before: processes are kept from fit to fit."""
    job = Job("threads", threads_of, None, Resources(cpus=cpus))
    (ended,) = [e for e in two_processors.run([job]) if isinstance(e, JobEnded)]
    assert ended.result == (cpus, {cpus})


def test_a_local_cluster_starts_only_what_fits_need(two_processors: RayCluster) -> None:
    """Without Ray's autoscaler, page and reader of logs, and fits run in the processes that wait."""
    commands = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            commands.append(" ".join(process.cmdline()))
    assert any("raylet" in command for command in commands)
    for name in ("dashboard.py", "log_monitor.py", "autoscaler"):
        assert not [command for command in commands if name in command]


def assigned(shared: Any) -> dict[str, float]:
    """What Ray has reserved for this task."""
    import ray

    return dict(ray.get_runtime_context().get_assigned_resources())


def test_predicted_memory_is_reserved_unless_somebody_has_said_another(
    two_processors: RayCluster,
) -> None:
    predicted = Job("fit", assigned, None, predicted_mb=50)
    jobs = [
        predicted,
        replace(predicted, resources=Resources(memory_mb=20)),
        replace(predicted, predicted_mb=10**9),  # no machine has it: the largest waits for it
    ]
    ended = [event for event in two_processors.run(jobs) if isinstance(event, JobEnded)]
    reserved = {event.job: event.result["memory"] / 2**20 for event in ended}
    assert [reserved[job] for job in jobs[:2]] == [50, 20]
    assert 50 < reserved[jobs[2]] < 10**9


def test_a_fit_that_ray_ends_for_lack_of_memory_says_so_and_the_others_go_on(
    shop_fold: Fold, two_processors: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    get, ended = ray.get, []

    def first_has_no_memory(reference: Any) -> Any:
        if not ended:
            ended.append(reference)
            raise ray.exceptions.OutOfMemoryError("too much")
        return get(reference)

    monkeypatch.setattr(ray, "get", first_has_no_memory)
    results = compare(shop_fold, [POPULARITY, ITEM_KNN], executor=two_processors)
    (error,) = results.errors.values()
    assert isinstance(error, MemoryError)
    assert "ran out of memory" in str(error)
    assert len(results.outcomes[0]) == 1
