"""growthlab grow: one call from a log to a plan, which goes on where it was killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tests.cli.conftest import SHOP, Workspace

from growthlab.workbench.grow_steps import GrowProgress, Step

CALL = (
    "data=simulated_shop",
    *SHOP,
    "models.churn=[recency_rule,prior]",
    "~models.top_n",
    "~models.value",
    "+compare.intervals.resamples=0",
    "+plan.smallest_segment=10",
    "+plan.draws=0",
    "example=true",
    "budget=40",
)
STEPS = ("compare", "export", "promote", "fetch", "refresh", "plan", "plan")


def progress_file(shop: Workspace) -> Path:
    return shop.folder / ".growthlab" / "grow" / "simulated_shop.json"


def done_steps(shop: Workspace) -> list[str]:
    """The commands that are done, as far as the call has written down."""
    path = progress_file(shop)
    done = json.loads(path.read_text())["done"] if path.exists() else []
    return [name.split()[0] for name, *_ in done]


KILLED_AFTER_EXPORT = """
import os, signal, sys
from growthlab.cli.main import main
from growthlab.workbench.grow_steps import GrowProgress
add = GrowProgress.add
def add_and_die(self, step, *result):
    add(self, step, *result)
    if step.words[0] == "export":
        os.kill(os.getpid(), signal.SIGKILL)
GrowProgress.add = add_and_die
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which a call was killed once its comparison and its bundle were done."""
    shop = Workspace(tmp_path_factory.mktemp("grow"))
    command = [sys.executable, "-c", KILLED_AFTER_EXPORT, "grow", *CALL]
    done = subprocess.run(command, cwd=shop.folder, text=True, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done_steps(shop) == ["compare", "export"]
    return shop


def test_a_killed_call_goes_on_and_ends_with_a_plan_and_a_page(shop: Workspace) -> None:
    before = done_steps(shop)
    (parent,) = [run for run in shop.all_runs() if run.data.tags.get("kind") == "grow"]
    # a mistake in the plan ends the call, and what is done stays done
    failed = shop.growthlab("grow", *CALL, "+plan.control=2")
    assert failed.status == 2
    assert "control" in failed.err
    assert shop.client.get_run(parent.info.run_id).info.status == "FAILED"
    assert done_steps(shop)[: len(before)] == before
    assert failed.out.count("done by an earlier call") == len(before)

    done = shop.growthlab("grow", *CALL)
    assert done.status == 0, done.err
    assert "compare churn: done by an earlier call" in done.out
    assert not progress_file(shop).exists()
    kinds = [run.data.tags.get("kind") for run in shop.all_runs()]
    assert kinds.count("comparison") == 1, "the comparison is not run twice"
    assert kinds.count("grow") == 1
    run = shop.client.get_run(parent.info.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["champion.churn"].startswith(("recency_rule", "prior"))
    plan = pd.read_parquet(shop.folder / "plans" / "campaign" / "plan.parquet")
    sent = plan[plan["offer"].notna()]
    assert run.data.metrics["plan/messages"] == len(sent) > 0
    assert sent["cost"].sum() <= 40
    page = (shop.folder / "reports" / "simulated_shop" / "grow.html").read_text()
    for address in ("comparison-churn.html", "../../plans/campaign/plan.html"):
        assert f'href="{address}"' in page
        assert (shop.folder / "reports" / "simulated_shop" / address).exists()
    assert all(f">{step}" in page for step in STEPS)


def test_a_call_without_tables_says_so_before_any_work(tmp_path: Path) -> None:
    empty = Workspace(tmp_path)
    words = [word for word in CALL if word != "example=true"]
    assert "campaign is not there" in empty.growthlab("grow", *words).mistake
    assert list(tmp_path.iterdir()) == []
    done = empty.growthlab("grow", *CALL, "~models.churn")
    assert "models names no task" in done.mistake


def test_a_damaged_progress_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "grow" / "shop.json"
    progress = GrowProgress(path, "key", "run")
    one, two = Step(("compare", "task=churn"), task="churn"), Step(("plan", "budget=1"))
    progress.add(one, 0, 1.0)
    progress.add(two, 0, 1.0)
    assert GrowProgress.open(path, "other data") is None
    again = GrowProgress.open(path, "key")
    assert again is not None
    assert again.skips(one)
    assert not again.skips(Step(("plan", "budget=2")))  # other words: it is done again
    assert [step.name for step in again.done] == ["compare churn"]
    path.write_text("{")
    assert GrowProgress.open(path, "key") is None
