"""A search: its budget, its memory, and what it says at the end."""

from __future__ import annotations

import shlex

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from tests.cli.conftest import SHOP, THIRD_PARTY, Workspace

pytestmark = THIRD_PARTY

WORDS = ("tune", "model=recommend/item_knn", *SHOP)


def study_of(workspace: Workspace, name: str) -> optuna.Study:
    """The study as the journal has it."""
    journal = JournalFileBackend(str(workspace.folder / ".growthlab" / "studies.journal"))
    return optuna.load_study(study_name=name, storage=JournalStorage(journal))


def test_a_search_ends_with_the_command_that_trains_its_best(workspace: Workspace) -> None:
    done = workspace.growthlab(*WORDS, "budget.trials=3", "study=first")
    assert done.status == 0, done.err
    study = study_of(workspace, "first")
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * 3
    assert f"valid ndcg_at_10 {study.best_value:.4f}" in done.out
    command = shlex.split(done.out.strip().splitlines()[-1].removeprefix("next: growthlab "))
    assert command[:2] == ["train", "model=recommend/item_knn"]
    trained = workspace.growthlab(*command)
    assert trained.status == 0, trained.err
    run = workspace.client.get_run(trained.out.strip().splitlines()[-1].split()[1])
    assert run.data.metrics["valid/ndcg_at_10"] == pytest.approx(study.best_value)


def test_finished_trials_count_when_the_search_is_called_again(workspace: Workspace) -> None:
    workspace.growthlab(*WORDS, "budget.trials=2", "study=twice")
    done = workspace.growthlab(*WORDS, "budget.trials=3", "study=twice")
    assert "best of 3 trials" in done.out
    assert len(study_of(workspace, "twice").trials) == 3
    parents = workspace.runs("top_n", kind="search", study="twice")
    trials = workspace.runs("top_n", kind="trial", study="twice")
    per_call = [
        sum(t.data.tags["mlflow.parentRunId"] == p.info.run_id for t in trials) for p in parents
    ]
    assert per_call == [1, 2]  # the newest call first


def test_a_trial_is_a_run_with_its_settings_and_validation_metrics(workspace: Workspace) -> None:
    workspace.growthlab(*WORDS, "budget.trials=1", "study=recorded")
    (run,) = workspace.runs("top_n", kind="trial", study="recorded")
    trial = study_of(workspace, "recorded").trials[0]
    assert run.data.params["model.neighbours"] == str(trial.params["model.neighbours"])
    assert run.data.metrics["valid/ndcg_at_10"] == pytest.approx(trial.value)
    assert not any(name.startswith("test/") for name in run.data.metrics)


def test_a_trial_that_fails_is_recorded_and_used_up(workspace: Workspace) -> None:
    # LightGBM itself refuses a single leaf, once it fits
    words = ["task=churn", "model=churn/lightgbm", *SHOP, "study=failing", "budget.trials=3"]
    done = workspace.growthlab("tune", *words, "search.num_leaves='choice(1)'")
    assert done.status == 1
    assert "Traceback" not in done.out + done.err
    assert [t.state.name for t in study_of(workspace, "failing").trials] == ["FAIL"] * 3
    runs = workspace.runs("churn", kind="trial", study="failing")
    assert [r.info.status for r in runs] == ["FAILED"] * 3
    assert "num_leaves" in runs[0].data.tags["error"]
    assert workspace.runs("churn", kind="search", study="failing")[0].info.status == "FAILED"


def test_a_space_of_ones_own_is_a_few_words(workspace: Workspace) -> None:
    words = ["search=recommend/markov", "model=recommend/markov", *SHOP, "study=own"]
    narrow = "search.step_decay='choice(0.25)'"
    done = workspace.growthlab("tune", *words, narrow, "budget.trials=1")
    assert "model.step_decay=0.25" in done.out


def test_a_study_may_live_in_a_database(workspace: Workspace) -> None:
    url = f"sqlite:///{workspace.folder}/optuna.db"
    words = ["model=recommend/markov", *SHOP, f"storage={url}", "study=kept", "budget.trials=1"]
    assert workspace.growthlab("tune", *words).status == 0
    assert len(optuna.load_study(study_name="kept", storage=url).trials) == 1
