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

from growthlab.core.errors import ConfigError
from growthlab.promotion import evidence
from growthlab.promotion.evidence import require_same_evaluation
from growthlab.promotion.gate import Gate
from growthlab.promotion.judged_run import JudgedRun

TASK: Any = SimpleNamespace(objective="ndcg_at_10", maximise=True)
TAGS = {"data_digest": "a" * 64, "split": "global_time", "cutoff": "2024-03-01"}


def judged(folder: Path, name: str, values: list[float], **tags: str) -> JudgedRun:
    """A run whose artifacts are in the folder already: a customer a value, four segments."""
    info = SimpleNamespace(run_id=name, experiment_id="1")
    run: Any = SimpleNamespace(info=info, data=SimpleNamespace(tags=TAGS | tags, metrics={}))
    judged = JudgedRun(None, run, folder / name)  # type: ignore[arg-type]
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


def n_evaluations(folder: Path, others: list[JudgedRun], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many evaluations the tests are corrected for, given these other runs on the window."""
    champion = judged(folder, "champion", [0.1, 0.2, 0.3])
    challenger = judged(folder, "challenger", [0.2, 0.3, 0.4])
    monkeypatch.setattr(evidence, "_other_evaluations", lambda *_: iter(others))
    return evidence._paired(challenger, champion, TASK, {}, Gate()).n_evaluations


def test_every_evaluation_on_the_window_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [
        judged(tmp_path, "other", [0.3, 0.1, 0.2]),
        judged(tmp_path, "the same again", [0.3, 0.1, 0.2]),
        judged(tmp_path, "the champion's again", [0.1, 0.2, 0.3]),
        judged(tmp_path, "of other customers", [0.5, 0.5]),
    ]
    assert n_evaluations(tmp_path, others, monkeypatch) == 2  # the challenger's and one other


def test_with_another_objective_each_metric_counts_as_a_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 20 customers: one of the 2^20 sign flips is as extreme, so p is 1 / (flips + 1)
    champion = judged(tmp_path, "champion", [0.1] * 20)
    challenger = judged(tmp_path, "challenger", [0.2] * 20)
    other = judged(tmp_path, "other", [0.15] * 20)
    monkeypatch.setattr(evidence, "_other_evaluations", lambda *_: iter([other]))
    paired = evidence._paired(challenger, champion, TASK, {}, Gate(), n_objectives=5)
    assert paired.n_evaluations == 2 * 5
    # the other's test is as significant, so Holm may place it before or after the challenger's
    assert 9 * paired.p <= paired.p_holm <= 10 * paired.p


def test_an_evaluation_that_can_no_longer_be_read_still_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = judged(tmp_path, "lost", [0.3, 0.1, 0.2])
    (lost.folder / "per_user.parquet").write_bytes(b"")
    assert n_evaluations(tmp_path, [lost], monkeypatch) == 2


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
            JudgedRun(store, self.client.get_run(i), self.folder / i)
            for i in (self.run(), self.run())
        )
        return {judged.id for judged in evidence._other_evaluations(one, other)}


@pytest.fixture
def window(tmp_path: Path) -> WindowRuns:
    return WindowRuns(MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}"), tmp_path)


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
    measure = evidence._smallest_segment(challenger, champion, TASK, gate)
    assert (measure.about, measure.challenger) == (about, value)
    alone = evidence._smallest_segment(challenger, None, TASK, gate)
    assert (alone.challenger, alone.champion) == (value, None)


def test_without_a_large_enough_segment_the_measure_is_undefined(tmp_path: Path) -> None:
    measure = evidence._smallest_segment(
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
