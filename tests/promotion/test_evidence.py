"""What is read off judged runs: which evaluations count, the smallest segment, the same question."""

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
from growthlab.promotion.evidence import refuse_other_question
from growthlab.promotion.gate import Gate
from growthlab.promotion.judged_run import JudgedRun

TASK: Any = SimpleNamespace(objective="ndcg_at_10", maximise=True)
TAGS = {"data_digest": "a" * 64, "split": "global_time", "cutoff": "2024-03-01"}


def judged(folder: Path, name: str, values: list[float], **tags: str) -> JudgedRun:
    """A run whose artifacts lie in the folder already: three customers, three segments."""
    info = SimpleNamespace(run_id=name, experiment_id="1")
    run: Any = SimpleNamespace(info=info, data=SimpleNamespace(tags=TAGS | tags, metrics={}))
    found = JudgedRun(None, run, folder / name)  # type: ignore[arg-type]
    found.folder.mkdir()
    users = [f"u{i}" for i in range(len(values))]
    table = pd.DataFrame({"user_id": users, "ndcg_at_10": values})
    table.to_parquet(found.folder / "per_user.parquet", index=False)
    pd.DataFrame({"user_id": users, "item_id": "tea"}).to_parquet(found.folder / "truth.parquet")
    strata = pd.DataFrame(
        {
            "stratum": ["all", "head", "tail", "new"],
            "metric": "ndcg_at_10",
            "value": [0.5, 0.6, values[0], np.nan],
            "n_users": [300, 200, 150, 120],
        }
    )
    strata.to_csv(found.folder / "strata.csv", index=False)
    names = frozenset({"per_user.parquet", "truth.parquet", "strata.csv"})
    found.__dict__["files"] = names
    return found


def counted(folder: Path, others: list[JudgedRun], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many evaluations are made up for beside these others."""
    champion = judged(folder, "champion", [0.1, 0.2, 0.3])
    challenger = judged(folder, "challenger", [0.2, 0.3, 0.4])
    monkeypatch.setattr(evidence, "_others", lambda *_: iter(others))
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
    assert counted(tmp_path, others, monkeypatch) == 2  # the challenger's and one other


def test_with_another_objective_each_metric_counts_as_a_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 20 customers: of the 2^20 flips one is as far, so p is 1 / (flips + 1)
    champion = judged(tmp_path, "champion", [0.1] * 20)
    challenger = judged(tmp_path, "challenger", [0.2] * 20)
    other = judged(tmp_path, "other", [0.15] * 20)
    monkeypatch.setattr(evidence, "_others", lambda *_: iter([other]))
    found = evidence._paired(challenger, champion, TASK, {}, Gate(), n_objectives=5)
    assert found.n_evaluations == 2 * 5
    # the other's own test is as clear, and is taken from what is counted before it or after it
    assert 9 * found.p <= found.p_holm <= 10 * found.p


def test_an_evaluation_that_can_no_longer_be_read_still_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = judged(tmp_path, "lost", [0.3, 0.1, 0.2])
    (lost.folder / "per_user.parquet").write_bytes(b"")
    assert counted(tmp_path, [lost], monkeypatch) == 2


SEEN = {"test/ndcg_at_10": 0.2}


@dataclass
class Looks:
    """A store with a champion and a challenger, and what others saw of the same window."""

    client: MlflowClient
    folder: Path
    experiments: dict[str, str] = field(default_factory=dict)

    def run(
        self,
        experiment: str = "shop/top_n",
        status: str = "FINISHED",
        metrics: Mapping[str, float] = SEEN,
        **tags: str,
    ) -> str:
        """A logged run; its id."""
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
        """Which runs count beside those of a champion and its challenger."""
        store: Any = SimpleNamespace(client=self.client)
        one, other = (
            JudgedRun(store, self.client.get_run(i), self.folder / i)
            for i in (self.run(), self.run())
        )
        return {judged.id for judged in evidence._others(one, other)}


@pytest.fixture
def looks(tmp_path: Path) -> Looks:
    return Looks(MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}"), tmp_path)


def test_evaluations_count_whatever_became_of_them(looks: Looks) -> None:
    deleted, of_deleted_experiment = looks.run(), looks.run("gone/top_n")
    looks.client.delete_run(deleted)
    looks.client.delete_experiment(looks.experiments["gone/top_n"])
    same_data_of_another_name = looks.run("a_file/top_n", data="a_file")
    failed, stopped, running = (looks.run(status=s) for s in ("FAILED", "KILLED", "RUNNING"))
    without_a_value = looks.run(metrics={}, undefined="valid/spearman,test/spearman")
    assert looks.others() == {
        deleted,
        of_deleted_experiment,
        same_data_of_another_name,
        failed,
        stopped,
        running,
        without_a_value,
    }


def test_what_nobody_saw_of_the_window_does_not_count(looks: Looks) -> None:
    looks.run(status="FAILED", metrics={})
    looks.run(status="KILLED", metrics={"valid/ndcg_at_10": 0.2, "epoch/loss": 1.0})
    looks.run(status="FAILED", metrics={"valid/mae": 0.2}, undefined="valid/ndcg_at_10")
    looks.run(cutoff="2024-02-01")
    looks.run(split="leave_last_out")
    looks.run(data_digest="b" * 64)
    looks.run("shop/churn", task="churn")
    looks.run(kind="comparison")
    assert looks.others() == set()


def test_more_evaluations_than_one_page_of_the_store_all_count(looks: Looks) -> None:
    made = {looks.run(metrics={}, undefined="test/ndcg_at_10") for _ in range(5)}
    search = looks.client.search_runs
    looks.client.search_runs = partial(search, max_results=2)  # type: ignore[method-assign]
    assert looks.others() == made


@pytest.mark.parametrize(
    ("least", "about", "value"),
    [(100, "tail, 150 customers", 0.2), (160, "head, 200 customers", 0.6)],
)
def test_the_smallest_segment_is_the_one_with_the_fewest_of_enough_customers(
    tmp_path: Path, least: int, about: str, value: float
) -> None:
    champion, challenger = judged(tmp_path, "a", [0.1]), judged(tmp_path, "b", [0.2])
    gate = Gate(segment_customers=least)  # nobody is new in a way that has a value
    found = evidence._smallest_segment(challenger, champion, TASK, gate)
    assert (found.about, found.challenger) == (about, value)
    alone = evidence._smallest_segment(challenger, None, TASK, gate)
    assert (alone.challenger, alone.champion) == (value, None)


def test_without_a_segment_of_enough_customers_it_is_not_defined(tmp_path: Path) -> None:
    found = evidence._smallest_segment(
        judged(tmp_path, "a", [0.1]),
        judged(tmp_path, "b", [0.2]),
        TASK,
        Gate(segment_customers=999),
    )
    assert np.isnan(found.challenger)
    assert found.about == "none of 999 customers or more"


def test_another_truth_is_another_question(tmp_path: Path) -> None:
    one, other = judged(tmp_path, "one", [0.1, 0.2]), judged(tmp_path, "other", [0.1, 0.2])
    refuse_other_question(one, other)
    table = pd.DataFrame({"user_id": ["u0", "u1"], "item_id": ["tea", "vase"]})
    table.to_parquet(other.folder / "truth.parquet")
    other.__dict__.pop("truth", None)
    with pytest.raises(ConfigError, match="asked for other customers or another truth"):
        refuse_other_question(one, other)
    hidden = judged(tmp_path, "hidden", [0.1, 0.2], filter_seen="purchased")
    with pytest.raises(ConfigError, match="judged with filter_seen none, the champion"):
        refuse_other_question(one, hidden)
