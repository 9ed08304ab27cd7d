"""The evidence of judged runs: which evaluations count, the smallest segment, what must match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from tests.new_stores import CopiedStores

from growthlab.core.errors import ConfigError
from growthlab.promotion.evidence import require_same_evaluation, rivals_of
from growthlab.promotion.gate import Gate
from growthlab.promotion.model_run import ModelRun
from growthlab.promotion.paired_test import paired_test
from growthlab.promotion.rival import Rival
from growthlab.promotion.run_measures import _smallest_segment
from growthlab.promotion.window_rivals import window_rank
from growthlab.promotion.window_runs import other_evaluations, window_runs
from growthlab.tracking.comparison_run import KEY_TAG
from growthlab.tracking.find_run import PARENT_TAG
from growthlab.tracking.run_files import N_DECIDING

TASK: Any = SimpleNamespace(
    objective="ndcg_at_10", maximise=True, baselines=("popularity", "markov"), min_deciding=30
)
TAGS = {"data_digest": "a" * 64, "split": "global_time", "cutoff": "2024-03-01"}


def judged(folder: Path, name: str, values: list[float], **tags: str) -> ModelRun:
    """A run whose artifacts are in the folder already: a customer a value, four segments."""
    info = SimpleNamespace(
        run_id=name, experiment_id="1", status="FINISHED", lifecycle_stage="active"
    )
    data = SimpleNamespace(tags=TAGS | tags, metrics={}, params={"task.k": "1"})
    run: Any = SimpleNamespace(info=info, data=data)
    judged = ModelRun(None, run, folder / name)  # type: ignore[arg-type]
    judged.folder.mkdir()
    users = [f"u{i}" for i in range(len(values))]
    table = pd.DataFrame({"user_id": users, "ndcg_at_10": values})
    table.to_parquet(judged.folder / "per_user.parquet", index=False)
    pd.DataFrame({"user_id": users, "item_id": "tea"}).to_parquet(judged.folder / "truth.parquet")
    strata = pd.DataFrame(
        {
            "stratum": ["all", "head", "tail", "new"],
            "metric": "ndcg_at_10",
            "value": [0.5, 0.6, values[0], np.nan],
            "n_users": [300, 200, 150, 120],
        }
    )
    strata.to_csv(judged.folder / "strata.csv", index=False)
    names = frozenset({"per_user.parquet", "truth.parquet", "strata.csv"})
    judged.__dict__["files"] = names
    return judged


def n_evaluations(folder: Path, others: list[ModelRun]) -> int:
    """How many evaluations the tests are corrected for, given these other runs on the window."""
    champion = judged(folder, "champion", [0.1, 0.2, 0.3])
    challenger = judged(folder, "challenger", [0.2, 0.3, 0.4])
    return paired_test(challenger, champion, TASK, {}, Gate(), others).n_evaluations


def test_every_evaluation_on_the_window_counts_once(tmp_path: Path) -> None:
    others = [
        judged(tmp_path, "other", [0.3, 0.1, 0.2]),
        judged(tmp_path, "the same again", [0.3, 0.1, 0.2]),
        judged(tmp_path, "the champion's again", [0.1, 0.2, 0.3]),
        judged(tmp_path, "of other customers", [0.5, 0.5]),
    ]
    assert n_evaluations(tmp_path, others) == 2  # the challenger's and one other


def test_with_another_objective_each_metric_counts_as_a_test(tmp_path: Path) -> None:
    # 20 customers: one of the 2^20 sign flips is as extreme, so p is 1 / (flips + 1)
    champion = judged(tmp_path, "champion", [0.1] * 20)
    challenger = judged(tmp_path, "challenger", [0.2] * 20)
    other = judged(tmp_path, "other", [0.15] * 20)
    paired = paired_test(challenger, champion, TASK, {}, Gate(), [other], n_objectives=5)
    assert paired.n_evaluations == 2 * 5
    # the other's test is as significant, so Holm may place it before or after the challenger's
    assert 9 * paired.p <= paired.p_holm <= 10 * paired.p


def test_an_evaluation_that_can_no_longer_be_read_still_counts(tmp_path: Path) -> None:
    lost = judged(tmp_path, "lost", [0.3, 0.1, 0.2])
    (lost.folder / "per_user.parquet").write_bytes(b"")
    assert n_evaluations(tmp_path, [lost]) == 2


LOGGED = {"test/ndcg_at_10": 0.2}


@dataclass
class WindowRuns:
    """A store with a champion, a challenger and other runs on the same window."""

    client: MlflowClient
    folder: Path
    experiments: dict[str, str] = field(default_factory=dict)

    def run(
        self,
        experiment: str = "shop/top_n",
        status: str = "FINISHED",
        metrics: Mapping[str, float] = LOGGED,
        **tags: str,
    ) -> str:
        """Log a run and return its id."""
        if experiment not in self.experiments:
            self.experiments[experiment] = self.client.create_experiment(
                experiment, artifact_location=str(self.folder)
            )
        known = TAGS | {"kind": "model", "task": "top_n"} | tags
        run = self.client.create_run(self.experiments[experiment], tags=known)
        for name, value in metrics.items():
            self.client.log_metric(run.info.run_id, name, value)
        self.client.set_terminated(run.info.run_id, status)
        return str(run.info.run_id)

    def others(self) -> set[str]:
        """The runs that count in addition to the champion's and the challenger's."""
        store: Any = SimpleNamespace(client=self.client)
        one, other = (
            ModelRun(store, self.client.get_run(i), self.folder / i)
            for i in (self.run(), self.run())
        )
        return {judged.id for judged in other_evaluations(window_runs(one), one, other)}


@pytest.fixture
def window(tmp_path: Path, copied_stores: CopiedStores) -> WindowRuns:
    return WindowRuns(MlflowClient(copied_stores.uri(tmp_path)), tmp_path)


def test_deleted_failed_and_renamed_evaluations_count(window: WindowRuns) -> None:
    deleted, in_deleted_experiment = window.run(), window.run("gone/top_n")
    window.client.delete_run(deleted)
    window.client.delete_experiment(window.experiments["gone/top_n"])
    same_data_under_another_name = window.run("a_file/top_n", data="a_file")
    failed, stopped, running = (window.run(status=s) for s in ("FAILED", "KILLED", "RUNNING"))
    undefined = window.run(metrics={}, undefined="valid/spearman,test/spearman")
    assert window.others() == {
        deleted,
        in_deleted_experiment,
        same_data_under_another_name,
        failed,
        stopped,
        running,
        undefined,
    }


def test_runs_without_logged_metrics_of_the_window_do_not_count(window: WindowRuns) -> None:
    window.run(status="FAILED", metrics={})
    window.run(status="KILLED", metrics={"valid/ndcg_at_10": 0.2, "epoch/loss": 1.0})
    window.run(status="FAILED", metrics={"valid/mae": 0.2}, undefined="valid/ndcg_at_10")
    window.run(cutoff="2024-02-01")
    window.run(split="leave_last_out")
    window.run(data_digest="b" * 64)
    window.run("shop/churn", task="churn")
    window.run(kind="comparison")
    assert window.others() == set()


def test_a_run_that_was_killed_and_repeated_counts_once(window: WindowRuns) -> None:
    work = {KEY_TAG: "k", "entry": "als seed 0"}
    for status in ("KILLED", "FAILED", "RUNNING"):
        window.run(status=status, **work)
    repetition = window.run(**work)
    other_seed = window.run(status="KILLED", **{**work, "entry": "als seed 1"})
    other_settings = window.run(status="KILLED", **{**work, KEY_TAG: "m"})
    assert window.others() == {repetition, other_seed, other_settings}


def test_all_evaluations_count_even_beyond_one_page_of_the_store(window: WindowRuns) -> None:
    logged = {window.run(metrics={}, undefined="test/ndcg_at_10") for _ in range(5)}
    search = window.client.search_runs
    window.client.search_runs = partial(search, max_results=2)  # type: ignore[method-assign]
    assert window.others() == logged


@pytest.mark.parametrize(
    ("least", "about", "value"),
    [(100, "tail, 150 customers", 0.2), (160, "head, 200 customers", 0.6)],
)
def test_the_smallest_segment_is_the_smallest_with_enough_customers(
    tmp_path: Path, least: int, about: str, value: float
) -> None:
    champion, challenger = judged(tmp_path, "a", [0.1]), judged(tmp_path, "b", [0.2])
    gate = Gate(segment_customers=least)  # the segment "new" has no value
    measure = _smallest_segment(challenger, champion, TASK, gate)
    assert (measure.about, measure.challenger) == (about, value)
    alone = _smallest_segment(challenger, None, TASK, gate)
    assert (alone.challenger, alone.champion) == (value, None)


def test_without_a_large_enough_segment_the_measure_is_undefined(tmp_path: Path) -> None:
    measure = _smallest_segment(
        judged(tmp_path, "a", [0.1]),
        judged(tmp_path, "b", [0.2]),
        TASK,
        Gate(segment_customers=999),
    )
    assert np.isnan(measure.challenger)
    assert measure.about == "none of 999 customers or more"


def test_runs_with_another_truth_or_filter_cannot_be_compared(tmp_path: Path) -> None:
    one, other = judged(tmp_path, "one", [0.1, 0.2]), judged(tmp_path, "other", [0.1, 0.2])
    require_same_evaluation(one, other)
    table = pd.DataFrame({"user_id": ["u0", "u1"], "item_id": ["tea", "vase"]})
    table.to_parquet(other.folder / "truth.parquet")
    other.__dict__.pop("truth", None)
    with pytest.raises(ConfigError, match="evaluated on different customers or a different truth"):
        require_same_evaluation(one, other)
    hidden = judged(tmp_path, "hidden", [0.1, 0.2], filter_seen="purchased")
    with pytest.raises(ConfigError, match="evaluated with filter_seen none, the champion"):
        require_same_evaluation(one, hidden)


def model(
    folder: Path, name: str, valid: float, test: float, parent: str = "p", **tags: str
) -> ModelRun:
    """A run of a comparison with these values of the objective; its id names model and comparison."""
    known = {"exportable": "yes", "model": name.split()[0], PARENT_TAG: parent}
    each = judged(folder, f"{name} {parent}", [test] * 30, **(known | tags))
    metrics = {"valid/ndcg_at_10": valid, "test/ndcg_at_10": test}
    each.run.data.metrics.update(metrics | {"test/ndcg_at_10/low": 0.1})
    return each


def beside(challenger: ModelRun, runs: list[ModelRun]) -> dict[str, Rival]:
    """The rivals by the id of their run."""
    rivals = rivals_of(challenger, runs, TASK, {}, Gate())
    return {rival.run_id: rival for rival in rivals}


def test_a_first_champion_stands_beside_the_best_baseline_and_the_winner(tmp_path: Path) -> None:
    runs = [
        model(tmp_path, "als", 0.3, 0.3),
        model(tmp_path, "ease", 0.5, 0.2),
        model(tmp_path, "popularity", 0.1, 0.9),
        model(tmp_path, "markov", 0.2, 0.1),
    ]
    rivals = beside(runs[0], runs)
    assert {i: tuple(r.roles) for i, r in rivals.items()} == {
        "ease p": ("winner",),
        "markov p": ("best_baseline",),  # by validation; popularity was luckier after the cutoff
    }
    assert rivals["ease p"].paired.gain == pytest.approx(0.1)
    assert rivals["ease p"].paired.n_evaluations == 1  # a veto is not corrected
    rank = window_rank(runs[0], runs, TASK)
    assert (rank.value, rank.low, rank.rank, rank.valid_rank, rank.n) == (0.3, 0.1, 2, 2, 4)
    assert list(beside(runs[1], runs)) == ["markov p"]  # the winner itself
    assert list(beside(runs[0], runs[:1])) == []


def test_a_baseline_that_wins_is_one_rival(tmp_path: Path) -> None:
    runs = [model(tmp_path, "als", 0.3, 0.3), model(tmp_path, "markov", 0.4, 0.4)]
    assert beside(runs[0], runs)["markov p"].roles == ["best_baseline", "winner"]
    assert beside(runs[1], runs) == {}


def test_where_few_customers_decide_the_first_baseline_is_the_rival(tmp_path: Path) -> None:
    runs = [
        model(tmp_path, "als", 0.3, 0.3),
        model(tmp_path, "ease", 0.5, 0.2),
        model(tmp_path, "markov", 0.2, 0.1),
        model(tmp_path, "popularity", 0.1, 0.9),
    ]
    for each in runs:
        each.run.data.metrics[N_DECIDING] = 29.0
    rivals = beside(runs[0], runs)
    assert {i: tuple(r.roles) for i, r in rivals.items()} == {
        "popularity p": ("best_baseline", "winner")
    }
    assert beside(runs[3], runs) == {}
    why = "29 customers decide on the validation window, fewer than 30"
    assert window_rank(runs[0], runs, TASK).by_default == why
    for each in runs:
        each.run.data.metrics[N_DECIDING] = 30.0
    assert list(beside(runs[0], runs)) == ["ease p", "markov p"]
    assert window_rank(runs[0], runs, TASK).by_default == ""


def test_models_are_ranked_by_their_mean_over_seeds_within_a_comparison(tmp_path: Path) -> None:
    runs = [
        model(tmp_path, "als", 0.3, 0.3),
        model(tmp_path, "ease seed 0", 0.5, 0.2),
        model(tmp_path, "ease seed 1", 0.1, 0.2),
        model(tmp_path, "slim seed 0", 0.35, 0.2),
        model(tmp_path, "slim seed 1", 0.4, 0.2),
        model(tmp_path, "ease", 0.2, 0.2, parent="another"),
    ]
    assert list(beside(runs[0], runs)) == ["slim seed 1 p"]


def test_runs_that_were_evaluated_otherwise_are_no_rivals(tmp_path: Path) -> None:
    own = model(tmp_path, "als", 0.3, 0.3)
    others = [
        model(tmp_path, "a", 0.9, 0.9, cutoff="2024-02-01"),
        model(tmp_path, "b", 0.9, 0.9, filter_seen="none"),
        model(tmp_path, "c", 0.9, 0.9, origin="1"),
    ]
    failed, deleted, settings, customers, lost = (model(tmp_path, n, 0.9, 0.9) for n in "defgh")
    failed.run.info.status = "FAILED"
    deleted.run.info.lifecycle_stage = "deleted"
    settings.run.data.params["task.k"] = "2"
    pd.DataFrame({"user_id": ["x"], "item_id": "tea"}).to_parquet(
        customers.folder / "truth.parquet"
    )
    (lost.folder / "per_user.parquet").write_bytes(b"")
    last = model(tmp_path, "ease", 0.4, 0.4)
    runs = [own, *others, failed, deleted, settings, customers, lost, last]
    assert list(beside(own, runs)) == ["ease p"]


def test_a_better_model_that_cannot_be_exported_is_shown_without_a_role(tmp_path: Path) -> None:
    own = model(tmp_path, "als", 0.3, 0.3)
    forest = model(tmp_path, "forest", 0.9, 0.9, exportable="it is a forest")
    slow = model(tmp_path, "slow", 0.5, 0.5, **{"gate.decision": "refused", "gate.reason": "slow"})
    rivals = beside(own, [own, forest, slow])
    assert {r.model: (tuple(r.roles), r.why_not) for r in rivals.values()} == {
        "forest": ((), "not exportable: it is a forest"),
        "slow": (("winner",), "refused itself: slow"),
    }
