"""Every contender, seed and origin in turn; one that fails stops nobody."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
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
from growthlab.tasks.fold_evaluation import FoldEvaluation
from growthlab.tasks.gauge import gauged
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
        """Never ends well."""
        raise RuntimeError("no such luck")

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        """Never asked."""
        raise AssertionError


@dataclass
class Notebook:
    """A recorder that writes on paper."""

    before: dict[str, Outcome] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def finished_before(self, entry: Entry) -> Outcome | None:
        """What is known already."""
        return self.before.get(entry.label)

    def checkpoint(self, entry: Entry) -> Path | None:
        """Nothing here can be resumed."""
        return None

    def start(self, entry: Entry, evaluation: FoldEvaluation) -> None:
        """The entry's name."""
        self.lines.append(f"start {entry.label}")

    def finish(self, entry: Entry, evaluation: FoldEvaluation, outcome: Outcome) -> None:
        """Done."""
        self.lines.append(f"finish {entry.label}")

    def fail(self, entry: Entry, error: Exception) -> None:
        """Not done."""
        self.lines.append(f"fail {entry.label}: {error}")


def test_only_stochastic_models_have_several_seeds(shop_fold: Fold) -> None:
    results = run_comparison(TASK, [shop_fold], [POPULARITY, RANDOM], METRICS, seed=3, seeds=2)
    found = [(o.name, o.seed) for o in results.outcomes[0]]
    assert found == [("popularity", 3), ("random", 3), ("random", 4)]
    first, second = (o.test["ndcg_at_10"].value for o in results.outcomes[0][1:])
    assert first != second


def test_a_model_that_fails_is_noted_and_the_others_go_on(shop_fold: Fold) -> None:
    notebook = Notebook()
    contenders = [Contender("broken", Broken, {}), POPULARITY]
    results = run_comparison(TASK, [shop_fold], contenders, METRICS, recorder=notebook)
    assert [o.name for o in results.outcomes[0]] == ["popularity"]
    assert str(results.errors["broken seed 0"]) == "no such luck"
    assert notebook.lines == [
        "start broken seed 0",
        "fail broken seed 0: no such luck",
        "start popularity seed 0",
        "finish popularity seed 0",
    ]


def test_what_was_finished_before_is_not_run_again(shop_fold: Fold) -> None:
    first = run_comparison(TASK, [shop_fold], [POPULARITY], METRICS).outcomes[0][0]
    notebook = Notebook({"popularity seed 0": first})
    results = run_comparison(TASK, [shop_fold], [POPULARITY, RANDOM], METRICS, recorder=notebook)
    assert results.outcomes[0][0] is first
    assert notebook.lines == ["start random seed 0", "finish random seed 0"]


def test_origins_are_judged_each_on_its_own_fold(shop: EventLog) -> None:
    folds = GlobalTime().folds(shop, horizon_days=14, origins=2)
    notebook = Notebook()
    results = run_comparison(TASK, folds, [POPULARITY], METRICS, recorder=notebook)
    assert {n: len(outcomes) for n, outcomes in results.outcomes.items()} == {0: 1, 1: 1}
    assert notebook.lines[2] == "start popularity seed 0 origin 1"
    newest, older = (results.outcomes[n][0] for n in (0, 1))
    # the older origin's future is the newest one's validation window
    assert older.test["ndcg_at_10"].value == pytest.approx(newest.valid["ndcg_at_10"])


def test_a_mistake_that_all_models_share_ends_the_comparison(shop_fold: Fold) -> None:
    nobody = TopN(history_events=("purchase",), target_events=("message",))
    notebook = Notebook()
    with pytest.raises(DataError, match="no test users"):
        run_comparison(nobody, [shop_fold], [POPULARITY, RANDOM], METRICS, recorder=notebook)
    assert notebook.lines == []


def test_an_interruption_is_no_failure(shop_fold: Fold) -> None:
    class Interrupted(Broken):
        def fit(self, past: Histories, options: FitOptions) -> Broken:
            raise KeyboardInterrupt

    notebook = Notebook()
    contenders: list[Any] = [Contender("interrupted", Interrupted, {}), POPULARITY]
    with pytest.raises(KeyboardInterrupt):
        run_comparison(TASK, [shop_fold], contenders, METRICS, recorder=notebook)
    assert notebook.lines == ["start interrupted seed 0"]


def test_a_gauge_measures_seconds_and_the_growth_of_memory() -> None:
    with gauged(interval=0.005) as gauge:
        started = time.perf_counter()
        block = np.ones(8_000_000)  # 61 MiB
        wait_until(lambda: gauge.peak_mb > 50)  # it is looked at by another thread
        del block
        seconds = time.perf_counter() - started
    assert gauge.seconds >= seconds > 0
    assert 50 < gauge.peak_mb < 90


def test_a_gauge_ends_with_an_error_too() -> None:
    with pytest.raises(RuntimeError, match="oh"), gauged() as gauge:
        raise RuntimeError("oh")
    assert gauge.seconds > 0
