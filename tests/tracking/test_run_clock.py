"""A system clock that is set back does not turn durations negative, nor an old comparison into the newest."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from growthlab.evaluation.choice import ChoiceRule
from growthlab.tracking import run_clock
from growthlab.tracking.process_identity import end_orphans
from growthlab.tracking.run_clock import RunClock, end_run, new_run
from growthlab.tracking.store import Store
from growthlab.tracking.winner import winner_of

HOUR = 3600.0


class Wall:
    """The system's clock, which can be set back."""

    def __init__(self) -> None:
        self.behind = 0.0

    def __call__(self) -> float:
        return REAL() - self.behind


REAL = time.time


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    wall = Wall()
    monkeypatch.setattr("growthlab.tracking.run_clock.time.time", wall)
    monkeypatch.setattr(run_clock, "CLOCK", RunClock())
    return wall


def test_the_clock_follows_the_systems_and_goes_on_where_that_goes_back(wall: Wall) -> None:
    clock = RunClock()
    first = clock.seconds()
    assert first == pytest.approx(REAL(), abs=60)
    wall.behind = HOUR
    second = clock.seconds()
    assert second >= first
    wall.behind = -HOUR  # a clock that was corrected forwards is followed
    assert clock.seconds() >= first + HOUR
    clock.continue_after(int(1000 * (first + 3 * HOUR)))
    assert clock.seconds() > first + 3 * HOUR
    assert clock.milliseconds() >= 1000 * (first + 3 * HOUR)


def compared(store: Store, value: float) -> str:
    """Log a comparison with one model; the id of the model's run."""
    experiment = store.experiment("shop/churn")
    tags = {"kind": "comparison", "winner": "logistic"}
    parent = new_run(store.client, experiment, "compare", tags)
    tags = {"kind": "model", "model": "logistic", "origin": "0", "exportable": "yes"}
    child = new_run(store.client, experiment, "model", {**tags, "mlflow.parentRunId": parent})
    store.client.log_metric(child, "valid/roc_auc", value)
    for run in (child, parent):
        end_run(store.client, run, "FINISHED")
    return child


def test_the_newest_comparison_is_the_last_one_though_the_clock_was_set_back(
    wall: Wall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "artifacts"))
    compared(store, 0.9)
    wall.behind = HOUR
    monkeypatch.setattr(
        run_clock, "CLOCK", RunClock()
    )  # a process that begins after it was set back
    last = compared(store, 0.5)
    assert winner_of(store, "shop/churn", "roc_auc", ChoiceRule()).info.run_id == last
    (experiment,) = store.client.search_experiments(filter_string="name = 'shop/churn'")
    for run in store.client.search_runs([experiment.experiment_id]):
        assert run.info.end_time >= run.info.start_time


def test_a_killed_run_of_a_faster_clock_does_not_end_before_it_began(
    wall: Wall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "artifacts"))
    experiment = store.experiment("shop/churn")
    run_id = new_run(store.client, experiment, "model", {"kind": "model"})
    wall.behind = HOUR
    monkeypatch.setattr(run_clock, "CLOCK", RunClock())
    end_orphans(store.client, experiment, "tags.kind = 'model'")
    info = store.client.get_run(run_id).info
    assert info.status == "KILLED"
    assert info.end_time >= info.start_time
