"""A fit stops where nothing has improved for long, also after an interruption."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from growthlab.training.epoch_watch import EpochWatch

VALUES = {1: 0.2, 2: 0.5, 3: 0.4, 4: 0.5, 5: 0.1, 6: 0.9}  # by epoch, which is the model here


def test_the_watch_remembers_the_epochs_of_an_interrupted_fit(tmp_path: Path) -> None:
    memory = tmp_path / "watch.json"
    watch = EpochWatch(VALUES.__getitem__, patience=3, memory=memory)
    for epoch in (1, 2, 3):
        watch(epoch, epoch)
    again = EpochWatch(VALUES.__getitem__, patience=3, memory=memory)
    # epoch 3 is evaluated again: the checkpoint may be one epoch behind what was seen
    assert not again(3, 3).stop
    assert not again(4, 4).stop
    assert again(5, 5).stop
    assert again.best_epoch == 2
    assert json.loads(memory.read_text()).keys() == {"1", "2", "3", "4", "5"}


def test_the_caller_may_stop_before_patience_ends() -> None:
    watch = EpochWatch(VALUES.__getitem__, patience=9, on_value=lambda epoch, value: value > 0.4)
    assert not watch(1, 1).stop
    assert watch(2, 2).stop


def test_less_is_better_where_the_watch_minimises() -> None:
    watch = EpochWatch(VALUES.__getitem__, patience=9, maximise=False)
    watch.values = {1: 3.0, 2: 1.0, 3: 1.0}
    assert watch.best_epoch == 2


def test_an_epoch_without_a_value_is_never_the_best() -> None:
    watch = EpochWatch(VALUES.__getitem__, patience=9)
    watch.values = {1: np.nan, 2: -5.0, 3: np.nan}
    assert watch.best_epoch == 2
