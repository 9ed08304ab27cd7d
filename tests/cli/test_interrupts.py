"""Interrupted work is marked and kept, and continues when the same command is run again."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable

import pytest
from tests.cli.conftest import SHOP, Workspace
from tests.patience import PATIENCE
from tests.store_signals import MOMENTS, signalled

# enough epochs that the command can be interrupted between them
LONG = ("model.trainer.epochs=12", "model.trainer.patience=12", "metrics=[ranking/ndcg]")
COMPARE = ("compare", "models=[popularity,gru4rec,markov]", *SHOP, *LONG)
TRAIN = ("train", "model=recommend/gru4rec", *SHOP, *LONG)
# each writes to MLflow in its own way; {n} makes every call a new one
WRITERS = (
    "describe section=[headline]",
    "train model=recommend/item_knn seed={n}",
    "compare models=[popularity,item_knn] metrics=[ranking/ndcg] seed={n}",
    "tune model=recommend/item_knn metrics=[ranking/ndcg] budget.trials=2 study=study{n}",
)


def wait_until(true: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait while the process works."""
    deadline = time.monotonic() + PATIENCE
    begun = time.process_time()
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        # a look at a store costs what the process needs itself: a tenth of the time goes to looks
        time.sleep(max(0.05, 9 * (time.process_time() - begun)))
        begun = time.process_time()


def trained_an_epoch(workspace: Workspace) -> bool:
    """Whether a fit has left a checkpoint."""
    return any(workspace.folder.glob(".growthlab/checkpoints/*/*/training.npz"))


def statuses(workspace: Workspace, **tags: str) -> Counter[tuple[str, str]]:
    """The number of runs by model and status."""
    runs = workspace.runs("top_n", **tags)
    return Counter((r.data.tags.get("model", ""), r.info.status) for r in runs)


def test_an_interrupted_comparison_continues_where_it_stopped(
    fresh: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    process = fresh.process(*COMPARE)
    wait_until(lambda: trained_an_epoch(fresh), process)
    process.send_signal(signal.SIGSTOP)
    line = fresh.growthlab(*COMPARE).mistake
    assert line.startswith(f"this comparison is running in process {process.pid}: wait for it")
    process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.strip().splitlines()[-1] == "growthlab: interrupted; finished work is kept"
    (parent,) = fresh.runs("top_n", kind="comparison")
    assert parent.info.status == "KILLED"
    before = {("popularity", "FINISHED"): 1, ("gru4rec", "KILLED"): 1}
    assert statuses(fresh, kind="model") == before

    done = fresh.growthlab(*COMPARE)
    assert done.status == 0, done.err
    assert "popularity seed 0: finished in an earlier call" in caplog.text
    assert "training resumes after epoch" in caplog.text
    (parent_after,) = fresh.runs("top_n", kind="comparison")
    assert parent_after.info.run_id == parent.info.run_id
    assert parent_after.info.status == "FINISHED"
    finished = {("gru4rec", "FINISHED"): 1, ("markov", "FINISHED"): 1}
    assert statuses(fresh, kind="model") == {**before, **finished}
    assert not (fresh.folder / ".growthlab" / "checkpoints").exists()
    assert all(name in done.out for name in ("popularity", "gru4rec", "markov"))

    again = fresh.growthlab(*COMPARE[:1], "models=[popularity]", *COMPARE[2:5])
    assert again.status == 0  # a finished comparison is not resumed: a new one begins
    assert len(fresh.runs("top_n", kind="comparison")) == 2


def test_a_killed_training_continues_after_its_last_epoch(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    workspace.growthlab("prepare", *SHOP)
    words = (*TRAIN, "seed=77")
    process = workspace.process(*words)
    wait_until(lambda: trained_an_epoch(workspace), process)
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert statuses(workspace, seed="77") == {("gru4rec", "RUNNING"): 1}
    done = workspace.growthlab(*words)
    assert done.status == 0, done.err
    assert "training resumes after epoch" in caplog.text
    after = {("gru4rec", "KILLED"): 1, ("gru4rec", "FINISHED"): 1}
    assert statuses(workspace, seed="77") == after
    assert not (workspace.folder / ".growthlab" / "checkpoints").exists()


def test_an_interrupted_search_keeps_its_trials(workspace: Workspace) -> None:
    assert workspace.compared("top_n").status == 0
    words = ("model=recommend/item_knn", "metrics=[ranking/ndcg]", "study=ended")
    process = workspace.process("tune", *words, *SHOP, "budget.trials=500")

    def trials() -> Counter[str]:
        return Counter(r.info.status for r in workspace.runs("top_n", kind="trial", study="ended"))

    wait_until(lambda: trials()["FINISHED"], process)
    process.terminate()
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    (search,) = workspace.runs("top_n", kind="search", study="ended")
    assert search.info.status == "KILLED"
    assert set(trials()) <= {"FINISHED", "KILLED"}
    assert trials()["KILLED"] <= 1
    again = workspace.growthlab("tune", *words, *SHOP, "budget.trials=1")
    # one more if the process ended between storing and logging a result
    counted = int(again.out.split("best of ")[1].split()[0])
    assert counted - trials()["FINISHED"] in (0, 1)


@pytest.mark.parametrize("command", WRITERS, ids=lambda command: command.split()[0])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_at_any_statement_leaves_no_run_open(
    command: str, moment: str, fresh: Workspace
) -> None:
    """A statement that a signal broke off kept its lock, so that the run could not be ended."""

    def words(n: int) -> list[str]:
        return [*command.format(n=n).split(), *SHOP]

    with signalled(moment) as whole:
        assert fresh.growthlab(*words(0)).status == 0
    for n, place in enumerate((0.3, 0.7, 1), start=1):
        with signalled(moment, at=round(place * whole.n)):
            assert fresh.growthlab(*words(n)).status in (0, 130)  # 0: the run was just ended
    assert {run.info.status for run in fresh.all_runs()} <= {"FINISHED", "KILLED"}


@pytest.mark.parametrize("command", WRITERS, ids=lambda command: command.split()[0])
@pytest.mark.parametrize("moment", ["before_cursor_execute", "after_cursor_execute"])
def test_a_signal_while_a_run_is_being_ended_leaves_it_ended(
    command: str, moment: str, fresh: Workspace
) -> None:
    """Afterwards the statement holds the store's lock; before, nobody else would end the run."""
    with signalled(moment, at=1, beginning="UPDATE runs") as ends:
        assert fresh.growthlab(*command.format(n=0).split(), *SHOP).status in (0, 130)
    assert ends.n > 0
    assert {run.info.status for run in fresh.all_runs()} <= {"FINISHED", "KILLED"}
