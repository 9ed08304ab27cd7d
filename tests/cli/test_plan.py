"""growthlab plan: example tables, then a plan that is checked before it is there."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tests.cli.conftest import SHOP, Done, Workspace

SMALL = ("smallest_segment=10", "draws=2", "control=0.1", "explore=0.1")
FILES = {
    "plan.parquet", "plan.csv", "shadow_prices.csv", "suppressed.csv", "plan.html",
    "exploration.parquet", "features.parquet", "impact_assessment.md",
}  # fmt: skip


@pytest.fixture(scope="module")
def example(workspace: Workspace) -> Done:
    """The tables of the shop's customers."""
    return workspace.growthlab("plan", *SHOP, "example=true")


def test_the_example_is_a_table_of_each_kind_and_is_not_replaced(
    workspace: Workspace, example: Done
) -> None:
    assert example.status == 0, example.err
    names = {path.stem for path in (workspace.folder / "campaign").iterdir()}
    assert names == {
        "customers", "offers", "channels", "slots", "consent", "contacts", "values",
    }  # fmt: skip
    again = workspace.growthlab("plan", *SHOP, "example=true")
    assert again.mistake.startswith("campaign is there already")


def test_a_plan_is_written_logged_and_found_again_from_its_prices(
    workspace: Workspace, example: Done
) -> None:
    done = workspace.growthlab("plan", "budget=40", *SMALL)
    assert done.status == 0, done.err
    folder = workspace.folder / "plans" / "campaign"
    assert {path.name for path in folder.iterdir()} == FILES
    rows = pd.read_parquet(folder / "plan.parquet")
    sent = rows[rows["offer"].notna()]
    assert 0 < sent["cost"].sum() <= 40
    assert not (sent["arm"] == "control").any()
    assert "gap to the bound of all plans" in done.out
    assert f"{len(sent):,} messages" in done.out
    assert "points" in done.out  # a heuristic: an order, no currency
    assessment = (folder / "impact_assessment.md").read_text()
    assert f"{len(sent):,} messages to" in assessment
    assert "ten off changes the price for some; price review: approved by pricing" in assessment
    assert assessment.count("_to be filled in by a person_") == 5
    run = workspace.logged_by(done)
    assert run.data.metrics["messages"] == len(sent)
    assert run.data.metrics["expected_value_heuristic"] == pytest.approx(sent["value"].sum())
    pd.testing.assert_frame_equal(workspace.table(run, "plan.parquet"), rows)
    again = workspace.growthlab("plan", "budget=40", *SMALL, "warm_start=plans/campaign")
    assert again.status == 0, again.err
    assert (pd.read_parquet(folder / "plan.parquet")["arm"] == rows["arm"]).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tables=nowhere"], "tables=nowhere is no folder: growthlab plan example=true"),
        (["budget=-1"], "budget must be 0 or more, or null for no limit, got -1"),
        (["control=0"], "control must be above 0 and below 1, got 0"),
        (["caps=[{most: 1}]"], "caps: {'most': 1} must have whole numbers most and days"),
        (["caps=[{most: 1, days: 7, channel: fax}]"], "caps: channel fax is not known"),
        (["+minima.nobody=3"], "minima: segment nobody is not known"),
        (["roi_floor=0.5"], "roi_floor needs values in currency"),
        (["output=."], "campaign is there and holds no plan: name another output or campaign"),
        (["campaign=a/b"], "campaign must be a name that can be a folder, got a/b"),
        (["first_slot=2031-01-01"], "slots: none is from 2031-01-01 00:00:00 on"),
        (["warm_start=nowhere"], "warm_start names the folder of an earlier plan"),
        (["bundles=[nowhere]"], "nowhere is no bundle"),
        (["retention_weight=2"], "retention_weight must be from 0 to 1, got 2"),
        (["retention_weight=much"], "retention_weight must be a number"),
        (["window_days=0"], "window_days must be above 0, got 0"),
        (["fatigue_cost=0.1"], "fatigue_cost needs values in currency"),
        (["fatigue_cost=-1"], "fatigue_cost must be 0 or more, got -1"),
    ],
)
def test_mistakes_are_one_line(
    workspace: Workspace, example: Done, words: list[str], message: str
) -> None:
    assert message in workspace.growthlab("plan", *SMALL, *words).mistake


# the command, killed when it has written a part of the new plan
KILLED = """
import os, signal, sys
from growthlab.campaign import plan_files
from growthlab.cli.main import main
plan_files.shadow_prices = lambda plan: os.kill(os.getpid(), signal.SIGKILL)
main(sys.argv[1:])
"""


def test_a_killed_command_leaves_the_plan_that_was_there(
    workspace: Workspace, example: Done
) -> None:
    words = ("plan", "campaign=killed", *SMALL)
    assert workspace.growthlab(*words).status == 0
    folder = workspace.folder / "plans" / "killed"
    before = contents(folder)
    command = [sys.executable, "-c", KILLED, *words, "budget=1"]
    killed = subprocess.run(command, cwd=workspace.folder, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert contents(folder) == before
    assert workspace.growthlab(*words, "budget=1").status == 0
    assert contents(folder) != before
    assert [path.name for path in folder.parent.glob("*killed*")] == ["killed"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
