"""Trials in processes of Ray: one study, whose pruner compares the trials of all of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from growthlab.cluster.ray_cluster import RayCluster
from growthlab.core.histories import Histories
from growthlab.metrics.ranking.ndcg import NDCG
from growthlab.models.recommend.popularity import Popularity
from growthlab.models.recommend.random import Random
from growthlab.search.search_loop import Objectives, SearchLoop
from growthlab.search.search_run import STATE_TAG, SearchRun
from growthlab.search.search_space import NumericRange, SearchSpace
from growthlab.search.study import Budget, Pruning, Study
from growthlab.search.study_store import StudyStore
from growthlab.search.workers import Crew, Worker
from growthlab.split.fold import Fold
from growthlab.tasks.fold_evaluation import FoldEvaluation
from growthlab.tasks.top_n import TopN
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.process_identity import PROCESS, this_process
from growthlab.tracking.store import Store
from growthlab.training.fit_options import FitOptions

NDCG_AT_10 = "ndcg_at_10"
LINEAGE = Lineage("shop", "d" * 64, "top_n", "global_time", "2025-01-01", "shop")
N_GOOD, N_POOR = 3, 2
EPOCHS = 4


class Epochs(Popularity):
    """Popularity that reports after each of four epochs; a poor one is by chance."""

    trainer = SimpleNamespace(patience=EPOCHS)

    def __init__(self, poor: bool) -> None:
        self.poor = poor

    def fit(self, past: Histories, options: FitOptions) -> Epochs:
        """Fit at once, and report after each epoch."""
        model = Random() if self.poor else Popularity()
        self.scorer_ = model.fit(past, options).scorer_
        for epoch in range(1, EPOCHS + 1):
            if options.on_epoch is not None and options.on_epoch(epoch, self).stop:
                break
        return self


def run_trials(
    folder: Path, store: Store, evaluation: FoldEvaluation, poor: bool, n_trials: int
) -> None:
    """Run trials until the study has so many."""
    study = Study(
        StudyStore(None, folder / "studies.journal"),
        "s",
        SearchSpace({"lr": NumericRange(1e-4, 1.0, log=True)}, {"lr": 0.1}),
        {},
        [True],
        Budget(n_trials),
        Pruning(trials=N_GOOD, epochs=1),
    )
    SearchLoop(
        evaluation=evaluation,
        study=study,
        recorder=SearchRun(store, LINEAGE, {}, study, [NDCG_AT_10]),
        factory=lambda settings: lambda: Epochs(poor),
        objectives=Objectives([NDCG_AT_10]),
    ).run()


def test_a_trial_on_a_worker_is_pruned_by_the_values_of_other_processes(
    shop_fold: Fold, two_processors: RayCluster, tmp_path: Path
) -> None:
    store = Store(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "mlartifacts"))
    task = TopN(history_events=("purchase",), target_events=("purchase",))
    evaluation = FoldEvaluation(task, shop_fold, {"ndcg": NDCG(k=(10,))})
    evaluation.prepare()
    run_trials(tmp_path, store, evaluation, False, N_GOOD)  # in this process
    poor = Worker(run_trials, (tmp_path, store, evaluation, True, N_GOOD + N_POOR))
    crew = Crew(poor, 2, on_death=lambda process, why: 0, on_change=lambda: None)
    assert list(two_processors.run_crews([crew])) == [(0, None)]

    runs = store.client.search_runs(
        [store.experiment(LINEAGE.searches)], "tags.kind = 'trial'", order_by=["start_time"]
    )
    assert [run.data.tags[STATE_TAG] for run in runs] == ["complete"] * N_GOOD + ["pruned"] * N_POOR
    for run in runs[:N_GOOD]:
        assert run.data.tags[PROCESS] == this_process()
        assert len(store.client.get_metric_history(run.info.run_id, "epoch/objective")) == EPOCHS
    for run in runs[N_GOOD:]:
        assert run.info.status == "FINISHED"
        assert run.data.tags[PROCESS] != this_process()
        assert run.data.tags["why"] == "below the median after epoch 2"
        assert run.data.metrics["epochs"] == 2
