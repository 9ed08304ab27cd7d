"""The saved file of a winner composes to the winner's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from growthlab.config import experiment_file
from growthlab.config.compose import compose
from growthlab.core.errors import ConfigError


@pytest.mark.parametrize(
    "words",
    [
        ["model=recommend/item_knn", "model.neighbours=7", "seed=3", "refit=false"],
        ["model=recommend/gru4rec", "loss@model.loss=gbce", "model.trainer.lr=0.5"],
        ["model=recommend/gru4rec", "content@model.content=tf_idf"],
        ["task=value", "model=value/lightgbm", "model.n_estimators=9", "split.cutoff=2025-03-01"],
    ],
    ids=["plain", "loss", "content", "task"],
)
def test_the_file_composes_to_the_same_settings(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    winner = compose("tune", words)
    path = experiment_file.save_experiment(Path("conf/experiment"), "it", winner, "remarks")
    assert experiment_file.is_on_search_path(path)
    assert not experiment_file.is_on_search_path(Path("elsewhere/it.yaml"))
    again = compose("train", ["experiment=it"]).config
    for key in ("data", "split", "task", "model", "seed", "refit"):
        assert again[key] == winner.config[key], key


def test_a_folder_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    winner = compose("tune", [])
    with pytest.raises(ConfigError, match=r"experiments=.*cannot be written"):
        experiment_file.save_experiment(tmp_path / "file", "it", winner, "remarks")
