"""conf/local/default.yaml: the obvious contents hold, and what cannot hold is one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from growthlab.config.compose import Command, compose
from growthlab.config.value_origins import value_origins
from growthlab.core.errors import ConfigError

Local = Callable[[str], None]


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Local:
    """Writes the settings of one's own to a new working folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "conf" / "local" / "default.yaml"
    path.parent.mkdir(parents=True)

    def write(text: str) -> None:
        path.write_text(text)

    return write


@pytest.mark.parametrize(
    ("text", "command", "key", "value"),
    [
        ("tracking: {uri: 'sqlite:///a.db'}", "compare", "tracking.uri", "sqlite:///a.db"),
        ("tracking.uri: sqlite:///b.db", "compare", "tracking.uri", "sqlite:///b.db"),
        ("# @package _global_\nseeds: 4", "compare", "seeds", 4),  # of compare's own file
        ("cache: mine", "portrait", "cache", "mine"),
        ("port: 9000", "serve", "port", 9000),
        ("tags: {team: growth}", "train", "tags.team", "growth"),
        ("data: tabular_file\ndata.path: o.csv", "train", "data.path", "o.csv"),
        ("defaults: [{override /data: tabular_file}]", "train", "data.path", None),
        (
            "data.columns: {user_id: customer}\ndata: tabular_file",
            "train",
            "data.columns.user_id",
            "customer",
        ),
    ],
)
def test_obvious_contents_hold(local: Local, text: str, command: str, key: str, value: Any) -> None:
    local(text)
    config = compose(command, ["bundle=b"] if command == "serve" else []).config
    for part in key.split("."):
        config = config[part]
    assert config == value


@pytest.mark.parametrize(
    ("text", "command", "words", "group", "choice"),
    [
        ("data: cdnow", "compare", [], "data", "cdnow"),
        ("data: cdnow", "compare", ["data=online_retail"], "data", "online_retail"),
        ("task: churn", "compare", [], "model", "churn/lightgbm"),
        ("task: churn", "train", ["task=value"], "model", "value/lightgbm"),
        ("split: leave_last_out", "train", [], "split", "leave_last_out"),
        ("experiment: demo", "compare", [], "experiment", "demo"),
    ],
)
def test_a_text_chooses_in_a_group_unless_a_word_does(
    local: Local, text: str, command: str, words: list[str], group: str, choice: str
) -> None:
    local(text)
    assert compose(command, words).chosen[group] == choice


def test_words_come_first(local: Local) -> None:
    local("seeds: 4\ntags: {team: growth, question: old}")
    config = compose("compare", ["seeds=2", "+tags.question=new"]).config
    assert config.seeds == 2
    assert dict(config.tags) == {"team": "growth", "question": "new"}


def test_settings_of_models_hold_for_those_that_have_them(local: Local) -> None:
    local("model: {trainer: {epochs: 2}}")
    command = compose("compare", [])
    assert command.with_model("recommend/gru4rec").config.model.trainer.epochs == 2
    assert "trainer" not in command.with_model("recommend/markov").config.model


def test_only_some_sections_are_a_choice_too(local: Local) -> None:
    local("section: [rfm]")
    assert list(compose("describe", []).config.section) == ["rfm"]
    assert list(compose("describe", ["section=[sales]"]).config.section) == ["sales"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("trackng: {uri: x}", "no command has a setting trackng: did you mean tracking"),
        ("seeds: many", "conf/local/default.yaml: seeds must be a whole number, got 'many'"),
        ("data: nowhere", "conf/local/default.yaml: .*Could not find 'data/nowhere'"),
        ("- seeds", "holds no settings"),
        ("hydra: {run: {dir: x}}", "hydra is not configured by a file"),
        ("data: 5", "data is a part with settings"),
    ],
)
def test_what_cannot_hold_is_one_line(local: Local, text: str, line: str) -> None:
    local(text)
    with pytest.raises(ConfigError, match=line) as caught:
        compose("compare", [])
    assert "\n" not in str(caught.value)


def test_a_setting_that_a_command_does_not_have_is_named_in_the_log(
    local: Local, caplog: pytest.LogCaptureFixture
) -> None:
    local("data: {pth: orders.csv}\ndata.seeed: 4")
    with caplog.at_level("INFO"):
        compose("train", [])
    assert "data.pth is not a setting of this command" in caplog.text
    assert "data.seeed is not a setting of this command: did you mean data.seed" in caplog.text


def test_each_value_says_where_it_comes_from(local: Local) -> None:
    local("seeds: 4\ntracking.ui: http://flow:5000")
    command = compose("compare", ["task=churn", "data.months=5", "experiment=demo"])
    origins = {key: origin for key, _, origin in value_origins(command)}
    assert origins["seeds"] == origins["tracking.ui"] == "conf/local/default.yaml"
    assert origins["data.months"] == "typed: data.months=5"
    assert origins["data.users"] == "conf/data/simulated_market.yaml"
    assert origins["task.objective"] == "conf/task/churn.yaml"
    assert origins["metrics.brier.leaderboard.brier"] == "conf/metrics/binary/brier.yaml"
    assert origins["origins"] == "conf/compare.yaml"
    assert origins["refit"] == "conf/train.yaml"
    assert all(origins.values()), [key for key, origin in origins.items() if not origin]


def test_a_part_of_a_network_names_its_own_file(local: Local) -> None:
    local("")
    command: Command = compose("train", ["model=recommend/gru4rec"])
    origins = {key: origin for key, _, origin in value_origins(command)}
    assert origins["model.trainer.patience"] == "conf/trainer/default.yaml"


@pytest.mark.parametrize("word", ["hydra.run.dir=x", "hydra/launcher=joblib", "+hydra.job.name=x"])
def test_settings_of_hydra_are_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="is a setting of Hydra, which only composes"):
        compose("train", [word])
