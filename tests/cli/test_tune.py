"""A search: its budget, its stored trials, and its output."""

from __future__ import annotations

import shlex
import signal
from collections import Counter
from pathlib import Path

import optuna
import pandas as pd
import psutil
import pytest
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from tests.cli.conftest import SHOP, Workspace
from tests.cli.test_interrupts import wait_until
from tests.patience import PATIENCE

from growthlab.tracking.process_identity import PROCESS

WORDS = ("tune", "model=recommend/item_knn", *SHOP, "metrics=[ranking/ndcg]")
MARKOV = ("tune", "model=recommend/markov", *SHOP, "metrics=[ranking/ndcg]")
SLOW = ("tune", "model=recommend/gru4rec", *SHOP, "metrics=[ranking/ndcg]", "prune=null")
SLOW += ("model.trainer.epochs=4", "model.trainer.patience=4", "experiments=null")


def study_of(workspace: Workspace, name: str) -> optuna.Study:
    """The study in the journal."""
    journal = JournalFileBackend(str(workspace.folder / ".growthlab" / "studies.journal"))
    return optuna.load_study(study_name=name, storage=JournalStorage(journal))


def states(workspace: Workspace, name: str) -> list[str]:
    """The states of a study's trials, in order."""
    return [t.state.name for t in study_of(workspace, name).trials]


def settings(workspace: Workspace, name: str) -> list[dict[str, object]]:
    """The settings that were tried."""
    return [t.user_attrs["overrides"] for t in study_of(workspace, name).trials]


def next_command(out: str) -> list[str]:
    """The words of the command in the last line of the output."""
    last = out.strip().splitlines()[-1]
    assert last.startswith("next: growthlab ")
    return shlex.split(last.removeprefix("next: growthlab "))


def test_a_search_prints_the_command_that_trains_its_best(workspace: Workspace) -> None:
    done = workspace.growthlab(*WORDS, "budget.trials=5", "study=first")
    assert done.status == 0, done.err
    study = study_of(workspace, "first")
    assert states(workspace, "first") == ["COMPLETE"] * 5
    assert f"valid ndcg_at_10 {study.best_value:.4f}" in done.out
    assert "trials: 5 complete, 0 pruned, 0 failed, in " in done.out
    command = next_command(done.out)
    assert command == ["train", "experiment=first"]
    trained = workspace.growthlab(*command)
    assert trained.status == 0, trained.err
    run = workspace.logged_by(trained)
    assert run.data.metrics["valid/ndcg_at_10"] == pytest.approx(study.best_value)
    best = {**study.trials[0].user_attrs["overrides"], **study.best_trial.user_attrs["overrides"]}
    assert {k: run.data.params[k] for k in best} == {k: str(v) for k, v in best.items()}
    assert run.data.params["data.users"] == "150"


def test_the_experiment_file_has_only_differences(workspace: Workspace) -> None:
    words = [*MARKOV, "study=small", "budget.trials=2", "search.step_decay='choice(0.3)'"]
    workspace.growthlab(*words)
    text = (workspace.folder / "conf" / "experiment" / "small.yaml").read_text()
    assert text.startswith("# @package _global_\n# Trial ")
    assert yaml.safe_load(text) == {
        "defaults": [{"override /model": "recommend/markov"}],
        "data": {"users": 150, "items": 60, "days": 150},
        "model": {"step_decay": 0.3},
    }


def test_an_experiment_file_names_its_task_and_data_set(
    workspace: Workspace,
) -> None:
    words = ["task=churn", "model=churn/logistic", "data=simulated_shop_iid", *SHOP]
    done = workspace.growthlab("tune", *words, "study=leavers", "budget.trials=2", "seed=3")
    assert done.status == 0, done.err
    path = workspace.folder / "conf" / "experiment" / "leavers.yaml"
    content = yaml.safe_load(path.read_text())
    assert {"override /data": "simulated_shop_iid"} in content["defaults"]
    assert {"override /task": "churn"} in content["defaults"]
    assert content["seed"] == 3
    shown = workspace.growthlab(*next_command(done.out), "--cfg", "job")
    assert shown.status == 0, shown.err
    config = yaml.safe_load(shown.out)
    assert config["task"]["_target_"].endswith("Churn")
    assert config["seed"] == 3


def test_finished_trials_count_in_later_calls(workspace: Workspace) -> None:
    workspace.growthlab(*MARKOV, "budget.trials=2", "study=twice")
    done = workspace.growthlab(*MARKOV, "budget.trials=3", "study=twice")
    assert "best of 3 trials" in done.out
    assert len(study_of(workspace, "twice").trials) == 3
    (parent,) = workspace.runs("top_n", kind="search", study="twice")
    trials = workspace.runs("top_n", kind="trial", study="twice")
    assert {t.data.tags["mlflow.parentRunId"] for t in trials} == {parent.info.run_id}
    assert len(trials) == 3
    again = workspace.growthlab(*MARKOV, "budget.trials=3", "study=twice")
    assert again.out.splitlines()[0] == done.out.splitlines()[0]
    assert len(study_of(workspace, "twice").trials) == 3


def test_a_finite_space_is_tried_once(workspace: Workspace) -> None:
    three = "search.step_decay=choice(0.0,0.5,1.0)"  # quoted or not, it is not a grid of commands
    words = [*MARKOV, "experiments=null", f"++{three}", "budget.trials=50", "study=closed"]
    done = workspace.growthlab(*words)
    assert not any("search" in word for word in next_command(done.out))
    assert "all 3 settings of the space are tried" in done.out
    assert len(study_of(workspace, "closed").trials) == 3


def test_a_trial_is_a_run_with_its_settings_and_validation_metrics(workspace: Workspace) -> None:
    workspace.growthlab(*WORDS, "budget.trials=1", "study=recorded")
    (run,) = workspace.runs("top_n", kind="trial", study="recorded")
    trial = study_of(workspace, "recorded").trials[0]
    assert run.data.params["model.neighbours"] == str(trial.params["model.neighbours"])
    assert run.data.metrics["valid/ndcg_at_10"] == pytest.approx(trial.value)
    assert run.data.tags["state"] == "complete"
    assert not any(name.startswith("test/") for name in run.data.metrics)


def test_the_search_run_has_a_table_of_trials_and_plots(workspace: Workspace) -> None:
    workspace.growthlab(*WORDS, "budget.trials=5", "study=plotted")
    (search,) = workspace.runs("top_n", kind="search", study="plotted")
    table = pd.read_csv(workspace.artifact(search, "trials.csv"))
    assert table["state"].tolist() == ["complete"] * 5
    assert {"trial", "ndcg_at_10", "seconds", "model.neighbours"} <= set(table)
    best = table.loc[table["ndcg_at_10"].idxmax()]
    assert search.data.tags["best.trial"] == str(best["trial"])
    plots = {p.stem for p in workspace.artifact(search, "plots").iterdir()}
    assert plots == {"history", "settings"}  # five trials are too few for importance


def test_a_failed_trial_is_recorded_and_counts(workspace: Workspace) -> None:
    # LightGBM refuses a single leaf when it fits; the model's own settings are fine
    words = ["task=churn", "model=churn/lightgbm", *SHOP, "study=failing", "budget.trials=3"]
    done = workspace.growthlab("tune", *words, "search.num_leaves='choice(1)'")
    assert done.status == 0
    assert "Traceback" not in done.out + done.err
    assert states(workspace, "failing") == ["COMPLETE", "FAIL", "FAIL"]
    assert "trials: 1 complete, 0 pruned, 2 failed" in done.out
    assert "with the model's own settings" in done.out
    runs = workspace.runs("churn", kind="trial", study="failing")
    assert [r.info.status for r in runs] == ["FAILED", "FAILED", "FINISHED"]  # newest first
    assert "num_leaves" in runs[0].data.tags["error"]
    assert "num_leaves" in workspace.artifact(runs[0], "error.txt").read_text()


def test_a_search_without_a_successful_trial_fails(workspace: Workspace) -> None:
    words = ["task=churn", "model=churn/lightgbm", "model.num_leaves=1", *SHOP, "budget.trials=2"]
    done = workspace.growthlab(
        "tune", *words, "study=unsuccessful", "search.num_leaves='choice(1)'"
    )
    assert done.status == 1
    assert states(workspace, "unsuccessful") == ["FAIL"] * 2
    assert workspace.runs("churn", kind="search", study="unsuccessful")[0].info.status == "FAILED"


def test_a_winner_on_a_border_gives_a_warning(workspace: Workspace) -> None:
    # markov is best with slow decay here: 0.9, the last of these three values
    three = "search.step_decay='choice(0.0,0.1,0.9)'"
    done = workspace.growthlab(*MARKOV, three, "budget.trials=3", "study=border")
    assert "warning: model.step_decay=0.9 is on the border of its range" in done.out
    within = "search.step_decay='choice(0.9,0.0,0.99999)'"
    done = workspace.growthlab(*MARKOV, within, "budget.trials=1", "study=within")
    assert "warning" in done.out  # the default 0.0 is the lowest of the three


def test_several_objectives_print_the_pareto_front_and_limits_hold_for_the_winner(
    workspace: Workspace,
) -> None:
    words = [*WORDS, "objectives=[ndcg_at_10,bundle_mb]", "study=front", "budget.trials=4"]
    done = workspace.growthlab(*words)
    assert done.status == 0, done.err
    study = study_of(workspace, "front")
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    lines = done.out.splitlines()
    assert lines[0] == "Pareto front: no trial is better in all of ndcg_at_10, bundle_mb"
    front = {int(line.split()[0]) for line in lines[3 : 3 + len(study.best_trials)]}
    assert front == {t.number for t in study.best_trials}
    sizes = sorted(t.values[1] for t in study.trials)
    limited = workspace.growthlab(*words, f"limits.bundle_mb={sizes[1]}")
    number = int(limited.out.split("(number ")[1].split(")")[0])
    within = [t for t in study.trials if t.values[1] <= sizes[1]]
    assert number == max(within, key=lambda t: (t.values[0], -t.number)).number
    line = workspace.growthlab(*words, "limits.bundle_mb=1e-6").mistake
    assert line.startswith("limits.bundle_mb=1e-06: no trial is within it, the lowest is 0.0")


def test_a_limit_that_earlier_trials_did_not_measure_is_refused_in_one_line(
    workspace: Workspace,
) -> None:
    words = [*MARKOV, "study=unmeasured", "budget.trials=1"]
    assert workspace.growthlab(*words).status == 0
    line = workspace.growthlab(*words, "limits.bundle_mb=100").mistake
    assert line.startswith("limits.bundle_mb=100: no trial of study unmeasured measured it: ")
    # the second trial is measured and within the limit; the first cannot win
    done = workspace.growthlab(*words[:-1], "budget.trials=2", "limits.bundle_mb=100")
    assert "best of 2 trials (number 1)" in done.out


def test_a_study_can_be_stored_in_a_database(workspace: Workspace) -> None:
    url = f"sqlite:///{workspace.folder}/optuna.db"
    done = workspace.growthlab(*MARKOV, f"storage={url}", "study=kept", "budget.trials=1")
    assert done.status == 0, done.err
    assert (workspace.folder / "optuna.db").exists()
    assert "kept" not in optuna.get_all_study_names(study_of_any(workspace))


def study_of_any(workspace: Workspace) -> JournalStorage:
    """The storage of the journal."""
    return JournalStorage(
        JournalFileBackend(str(workspace.folder / ".growthlab" / "studies.journal"))
    )


def test_a_killed_search_continues_and_loses_no_trial(workspace: Workspace) -> None:
    words = (*SLOW, "study=killed", "budget.trials=3")
    workspace.growthlab("prepare", *SHOP)
    process = workspace.process(*words)

    def done() -> int:
        try:
            return states(workspace, "killed").count("COMPLETE")
        except (KeyError, ValueError):  # not started, or a line is half written
            return 0

    wait_until(lambda: done() == 1, process)
    process.kill()
    process.communicate(timeout=PATIENCE)
    before = [t for t in study_of(workspace, "killed").trials if t.state.name == "COMPLETE"]
    again = workspace.growthlab(*words)
    assert again.status == 0, again.err
    after = study_of(workspace, "killed").trials
    complete = [t for t in after if t.state.name == "COMPLETE"]
    assert [t.value for t in complete[: len(before)]] == [t.value for t in before]
    assert len(complete) == 3
    assert len({str(t.user_attrs["overrides"]) for t in complete}) == 3
    runs = workspace.runs("top_n", kind="trial", study="killed")
    counts = Counter(r.info.status for r in runs)
    assert counts["FINISHED"] == 3
    assert counts["RUNNING"] == 0
    assert len(workspace.runs("top_n", kind="search", study="killed")) == 1


def test_two_processes_share_a_study(workspace: Workspace) -> None:
    words = (*MARKOV, "study=shared", "budget.trials=5", "experiments=null")
    workspace.growthlab("prepare", *SHOP)
    other = workspace.process(*words)
    done = workspace.growthlab(*words)
    _, err = other.communicate(timeout=PATIENCE)
    assert (done.status, other.returncode) == (0, 0), done.err + err
    assert states(workspace, "shared") == ["COMPLETE"] * 5
    assert len({str(s) for s in settings(workspace, "shared")}) == 5
    searches = workspace.runs("top_n", kind="search", study="shared")
    assert {s.info.status for s in searches} == {"FINISHED"}  # two if one process finished early


def test_a_killed_worker_loses_its_trial_and_the_search_continues(workspace: Workspace) -> None:
    words = (*SLOW, "study=workers", "budget.trials=3", "n_jobs=2")
    assert workspace.growthlab(*MARKOV, "study=before", "budget.trials=1").status == 0
    process = workspace.process(*words)

    def running() -> list[int]:
        if not (workspace.folder / "mlflow.db").exists():
            return []
        trials = workspace.runs("top_n", kind="trial", study="workers")
        tags = [t.data.tags[PROCESS] for t in trials if t.info.status == "RUNNING"]
        return [int(tag.split(":")[-2]) for tag in tags]

    wait_until(running, process)
    victim = running()[0]
    assert psutil.Process(victim).ppid() == process.pid
    psutil.Process(victim).kill()
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "trials: 2 complete, 0 pruned, 1 failed" in out
    failed = [t for t in study_of(workspace, "workers").trials if t.state.name == "FAIL"]
    assert "killed by SIGKILL" in failed[0].user_attrs["result"]
    (run,) = [r for r in workspace.runs("top_n", study="workers") if r.info.status == "FAILED"]
    assert "killed by SIGKILL" in run.data.tags["error"]


def test_workers_end_with_the_process_that_started_them(workspace: Workspace) -> None:
    words = (*SLOW, "study=orphans", "budget.trials=9", "n_jobs=2")
    workspace.growthlab("prepare", *SHOP)
    process = workspace.process(*words)
    wait_until(lambda: len(psutil.Process(process.pid).children(recursive=True)) >= 2, process)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE)
    assert alive == []


def test_a_model_without_a_search_space_has_one_trial_with_its_own_settings(
    workspace: Workspace,
) -> None:
    words = ("tune", "task=churn", "model=churn/bg_nbd", *SHOP, "metrics=[binary/roc_auc]")
    done = workspace.growthlab(*words, "budget.trials=4", "study=plain")
    assert done.status == 0, done.err
    assert "bg_nbd has no search space: its own settings are the only trial" in done.out
    assert "best of 1 trials (number 0)" in done.out
    assert "there is nothing to search" in done.out
    assert "saved" not in done.out
    assert states(workspace, "plain") == ["COMPLETE"]
    assert settings(workspace, "plain") == [{}]
    assert "model=churn/bg_nbd" in next_command(done.out)
    again = workspace.growthlab(*words, "budget.trials=9", "study=plain")
    assert again.status == 0, again.err
    assert states(workspace, "plain") == ["COMPLETE"]


def test_minutes_end_a_trial_at_its_next_epoch(workspace: Workspace) -> None:
    words = [*SLOW, "model.trainer.epochs=100000", "model.trainer.patience=100000"]
    done = workspace.growthlab(*words, "study=brief", "budget.minutes=0.02")
    assert done.status == 0, done.err
    assert "all 0.02 minutes are used" in done.out
    (trial,) = study_of(workspace, "brief").trials
    assert trial.state.name == "COMPLETE"
    again = workspace.growthlab(*words, "study=brief", "budget.minutes=0.02")
    assert len(study_of(workspace, "brief").trials) == 1, again.err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["model=recommend/itemknn"], "model=recommend/itemknn: did you mean recommend/item_knn"),
        (["budget.trials=0"], "budget.trials must be at least 1, got 0"),
        (["budget.minutes=0"], "budget.minutes must be a positive number or null, got 0"),
        (["limits.bundle_mb=-1"], "limits.bundle_mb must be a positive number or null, got -1"),
        (["n_jobs=0"], "n_jobs must be at least 1, got 0"),
        (["storage=mysql://me@there/db"], "storage=mysql://...: possible are sqlite:///FILE and"),
        (["storage=sqlite:////nowhere/at/all.db"], "storage sqlite:////nowhere/at/all.db cannot"),
        (["objectives=[ndgc_at_10]"], "objectives: ndgc_at_10: did you mean ndcg_at_10"),
        (["objectives=[bundle_mb,bundle_mb]"], "objectives: bundle_mb is named 2 times"),
        (["objectives=ndcg_at_10"], "objectives=ndcg_at_10: give a list, such as [ndcg_at_10]"),
        (["task.objective=fame"], "task.objective=fame is not among the metrics"),
        (["study=a/b"], "study=a/b: use letters, digits, blanks and _ . - only"),
        (["search.neighbours=50"], "search.neighbours=50 is not a range: use choice(...)"),
        (["search.neighbours=choice()"], "search.neighbours=choice() cannot be read: use choice"),
        (["search.neighbours=interval(9,1)"], "search.neighbours=interval(9,1) is empty"),
        (["budget=5"], "budget=5 is a group of settings: give budget.trials=..., budget.minutes"),
        (["limits=null"], "limits=None is a group of settings: give limits.fit_seconds=..., "),
        (["prune=5"], "prune=5 is a group of settings: give prune.trials=..., prune.epochs=..."),
        (["warm=0123"], "warm=0123 is about one run of one model: growthlab train warm=0123"),
        (["search.neighbours='range(5,5)'"], "search.neighbours=range(5,5) is empty"),
        (["search.neighbours='interval(9,1)'"], "search.neighbours=interval(9,1) is empty"),
        (["+search.fame='choice(1,2)'"], "search.fame: the model has no setting fame"),
        (["models=[item_knn]", "search.neighbours='choice(1)'"], "search is of one model"),
        (["models=[item_knn]", "model=recommend/ease"], "model=recommend/ease: a comparison takes"),
        (
            ["models=[itemknn]"],
            "models: itemknn is not a model of recommend: did you mean item_knn",
        ),
    ],
)
def test_a_mistake_is_one_line(
    workspace: Workspace, fresh: Workspace, words: list[str], line: str
) -> None:
    prepared = f"cache={workspace.folder}/.growthlab"  # the shop is simulated once
    assert fresh.growthlab("tune", *SHOP, prepared, *words).mistake.startswith(line)
    assert not Path(fresh.folder / "mlflow.db").exists()


def test_other_settings_need_another_study(workspace: Workspace) -> None:
    workspace.growthlab(*MARKOV, "study=other", "budget.trials=1")
    line = workspace.growthlab(*MARKOV, "study=other", "budget.trials=2", "seed=5").mistake
    assert line == (
        "study=other was begun with seed=0, and now it is 5: give study=NAME to begin another"
    )
