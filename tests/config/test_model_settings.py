"""Settings of single models in an experiment file: over the model's own, under those of a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from growthlab.config.compose import Command, compose
from growthlab.config.model_node import model_node, model_resources
from growthlab.config.model_settings import describe_settings, refuse_unknown_models
from growthlab.core.errors import ConfigError
from growthlab.tasks.executor import Resources

DEMO = compose("compare", ["experiment=demo"])


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """A comparison with an experiment file of one's own."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    (folder / "own.yaml").write_text(
        "# @package _global_\n"
        "model_settings:\n"
        "  nextitnet: {dilations: [1, 2], event_types: false, trainer: {clip: null}}\n"
        "  item_knn: {neighbours: 7}\n"
    )
    return compose("compare", ["experiment=own", "model.trainer.epochs=3"])


def test_values_of_every_kind_reach_their_model_and_no_other(own: Command) -> None:
    model = own.with_model("recommend/nextitnet").config.model
    assert (list(model.dilations), model.event_types, model.trainer.clip) == ([1, 2], False, None)
    assert model.trainer.epochs == 3
    assert own.with_model("recommend/item_knn").config.model.neighbours == 7
    usual = compose("train", ["model=recommend/user_knn"]).config.model
    assert own.with_model("recommend/user_knn").config.model == usual


def test_what_a_fit_is_given_can_be_set_for_one_model_and_is_no_setting_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    (folder / "large.yaml").write_text(
        "# @package _global_\nmodel_settings:\n  item_knn: {resources: {cpus: 4, memory_mb: 900}}\n"
    )
    command = compose("compare", ["experiment=large"])
    config = command.with_model("recommend/item_knn").config
    assert model_resources(config) == Resources(cpus=4, memory_mb=900)
    assert "resources" not in model_node(config)
    assert model_resources(command.with_model("recommend/markov").config) == Resources()
    assert describe_settings(command.config, ["item_knn"], "large") == ""


def test_the_words_of_a_command_win_over_the_file() -> None:
    words = compose("compare", ["experiment=demo", "model.trainer.epochs=2"])
    assert words.with_model("recommend/caser").config.model.trainer.epochs == 2
    assert describe_settings(words.config, ["caser"], "demo", words.model_words) == ""


@pytest.mark.parametrize("model", DEMO.config.model_settings)
def test_the_demo_trains_its_networks_for_fewer_epochs_than_their_files_say(model: str) -> None:
    usual = compose("train", [f"model=recommend/{model}"]).config.model
    shortened = DEMO.with_model(f"recommend/{model}").config.model
    assert shortened.trainer.epochs < usual.trainer.epochs
    shortened.trainer.epochs = usual.trainer.epochs
    assert shortened == usual


def test_it_is_said_which_models_have_settings_that_are_not_their_own() -> None:
    described = describe_settings(DEMO.config, ["sasrec", "als", "caser"], "demo")
    assert described == (
        "settings of experiment=demo in place of the models' own: "
        "trainer.epochs=8 for caser, sasrec"
    )
    assert describe_settings(DEMO.config, ["als"], "demo") == ""


def test_settings_that_are_no_mapping_are_refused(own: Command) -> None:
    path = Path("conf/experiment/own.yaml")
    path.write_text("# @package _global_\nmodel_settings:\n  item_knn: [1]\n")
    with pytest.raises(ConfigError, match=r"model_settings\.item_knn=\[1\]: give settings"):
        refuse_unknown_models(compose("compare", ["experiment=own"]).config)
