"""A fit that takes more memory than its machine has: Ray's own watch ends it, and the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest

from growthlab.cluster.ray_cluster import RayCluster
from growthlab.core.histories import Histories
from growthlab.metrics.ranking.ndcg import NDCG
from growthlab.models.base import ScoredRecommender
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.models.recommend.popularity import Popularity
from growthlab.split.fold import Fold
from growthlab.tasks.entry import Contender
from growthlab.tasks.run_comparison import run_comparison
from growthlab.tasks.top_n import TopN
from growthlab.training.fit_options import FitOptions

pytestmark = pytest.mark.drill
FREE_MB = 1500  # how much more may be taken before Ray ends a process
TAKEN_MB = 4000  # by the fit, which stops there at the latest
STEP_MB = 100


class Greedy(ScoredRecommender):
    """Popularity that takes memory until it is ended."""

    def fit(self, past: Histories, options: FitOptions) -> Greedy:
        """Take memory first."""
        taken: list[Any] = []
        for _ in range(TAKEN_MB // STEP_MB):
            taken.append(np.ones(STEP_MB * 2**17))  # 8 bytes each
        self.scorer_ = Popularity().fit(past, options).scorer_
        return self


@pytest.fixture
def watched_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[RayCluster]:
    """Ray with one processor, which ends a process where the machine has little memory left."""
    memory = psutil.virtual_memory()
    threshold = (memory.total - memory.available + FREE_MB * 2**20) / memory.total
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{threshold:.3f}")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "50")
    yield RayCluster(local_cpus=1, object_store_mb=100)
    import ray

    ray.shutdown()


def test_a_fit_that_takes_all_memory_is_ended_and_the_others_go_on(
    shop_fold: Fold, watched_memory: RayCluster
) -> None:
    contenders = [
        Contender("item_knn", ItemKNN, {}),
        Contender("greedy", Greedy, {}),
        Contender("popularity", Popularity, {}),
    ]
    results = run_comparison(
        TopN(history_events=("purchase",), target_events=("purchase",)),
        [shop_fold],
        contenders,
        {"ndcg": NDCG(k=(10,))},
        n_resamples=50,
        executor=watched_memory,
    )
    assert [outcome.name for outcome in results.outcomes[0]] == ["item_knn", "popularity"]
    (error,) = results.errors.values()
    assert isinstance(error, MemoryError)
    assert str(error).startswith("its machine ran out of memory in ")
